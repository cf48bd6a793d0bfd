from typing import Any

import pytest

from homeport.catalog.definition import Definition, parse_definition
from homeport.catalog.sizes import parse_size
from homeport.catalog.yaml12 import load_yaml
from homeport.errors import DefinitionInvalidError, Finding
from homeport.models import Limits

SOUND = 'name: hydra\ntitle: NZBHydra\nversion: "1.0"\n'


def parse(text: str) -> Definition:
    return parse_definition(load_yaml(text.encode(), file="app.yml"))


def refused(text: str) -> list[Finding]:
    with pytest.raises(DefinitionInvalidError) as caught:
        parse(text)
    return list(caught.value.findings)


def test_the_documented_example_is_read() -> None:
    definition = parse(
        SOUND
        + """\
description: Meta search
compose: docker-compose.yml
web: {service: hydra, port: 5075, path: /, health: /}
images:
  hydra: {context: ./hydra, dockerfile: Dockerfile}
data: [config, ./downloads/]
limits: {cpus: 1.0, memory: 512M, disk: 5G, services: {hydra: {memory: 1G}}}
permissions: []
main: hydra
settings: {PUID: {default: "1000", description: user id, build: false}}
logs_may_leave: true
"""
    )

    assert definition.version == "1.0"
    assert definition.web is not None
    assert (definition.web.service, definition.web.port, definition.web.health) == ("hydra", 5075, "/")
    assert definition.images["hydra"].context == "hydra"
    assert definition.data == ("config", "downloads")
    assert definition.limits.memory_bytes == 512 * 1024**2
    assert definition.limits.disk_bytes == 5 * 1024**3
    assert definition.limits.of("hydra") == Limits(cpus=1.0, memory_bytes=1024**3)
    assert definition.limits.of("other") == Limits(cpus=1.0, memory_bytes=512 * 1024**2)
    assert definition.settings["PUID"].default == "1000"


def test_what_is_absent_has_its_default() -> None:
    definition = parse(SOUND)

    assert definition.compose == "docker-compose.yml"
    assert definition.web is None
    assert definition.limits.of("any") == Limits()
    assert definition.logs_may_leave is True


@pytest.mark.parametrize(
    ("text", "rule", "key", "line"),
    [
        (SOUND.replace('"1.0"', "1.0"), "type", "version", 3),
        (SOUND.replace('"1.0"', '"1 0"'), "value", "version", 3),
        (SOUND.replace("hydra", "Hydra_1"), "value", "name", 1),
        (SOUND.replace("hydra", "h"), "value", "name", 1),
        ("title: x\nversion: '1'\n", "missing", "name", 1),
        (SOUND + "titel: x\n", "unknown-key", "titel", 4),
        (SOUND + "web: {service: a}\n", "missing", "web.port", 4),
        (SOUND + "web:\n  service: a\n  port: '80'\n", "type", "web.port", 6),
        (SOUND + "web: {service: a, port: 70000}\n", "type", "web.port", 4),
        (SOUND + "web: {service: a, port: true}\n", "type", "web.port", 4),
        (SOUND + "web: {service: a, port: 80, path: wiki}\n", "value", "web.path", 4),
        (SOUND + "web: {service: a, port: 80, helth: /}\n", "unknown-key", "web.helth", 4),
        (SOUND + "images: {a: {context: ../b}}\n", "value", "images.a.context", 4),
        (SOUND + "images: {a: {context: /b}}\n", "value", "images.a.context", 4),
        (SOUND + "images: {a: {context: a, dockerfile: ../D}}\n", "value", "images.a.dockerfile", 4),
        (SOUND + "images: {a: {context: a, args: {V: 8.2}}}\n", "type", "images.a.args.V", 4),
        (SOUND + "images: {'a b': {context: a}}\n", "value", "images.a b", 4),
        (SOUND + "compose: ../docker-compose.yml\n", "value", "compose", 4),
        (SOUND + "compose: a/docker-compose.yml\n", "value", "compose", 4),
        (SOUND + "data:\n  - config\n  - /etc\n", "value", "data[1]", 6),
        (SOUND + "data: [a/../..]\n", "value", "data[0]", 4),
        (SOUND + "data: [.]\n", "value", "data[0]", 4),
        (SOUND + "data: [./Docker-Compose.yml]\n", "value", "data[0]", 4),
        (SOUND + "data: config\n", "type", "data", 4),
        (SOUND + "limits: {memory: 2000T}\n", "value", "limits.memory", 4),
        (SOUND + "limits: {disk: 1125899906842625}\n", "value", "limits.disk", 4),
        (SOUND + "limits: {memory: lots}\n", "value", "limits.memory", 4),
        (SOUND + "limits: {memory: 1M}\n", "value", "limits.memory", 4),
        (SOUND + "limits: {cpus: 0}\n", "type", "limits.cpus", 4),
        (SOUND + "limits: {cpus: '1'}\n", "type", "limits.cpus", 4),
        (SOUND + "limits: {pids: 0}\n", "type", "limits.pids", 4),
        (SOUND + "limits: {services: {a: {disk: 1G}}}\n", "unknown-key", "limits.services.a.disk", 4),
        (SOUND + "permissions: [host_networks]\n", "permission-unknown", "permissions[0]", 4),
        (SOUND + "permissions: [{port: 53}]\n", "type", "permissions[0]", 4),
        (SOUND + 'description: "a\\u202eb"\n', "value", "description", 4),
        (SOUND.replace("NZBHydra", '"a\\nb"'), "value", "title", 2),
        (SOUND + "settings: {A-B: {default: x}}\n", "value", "settings.A-B", 4),
        (SOUND + "settings: {A: {default: 5}}\n", "type", "settings.A.default", 4),
        (SOUND + "logs_may_leave: 'no'\n", "type", "logs_may_leave", 4),
        ("- a\n", "type", "document", 1),
        ("", "type", "document", 1),
    ],
)
def test_what_is_wrong_is_named_by_key_and_line(text: str, rule: str, key: str, line: int) -> None:
    (finding,) = refused(text)

    assert (finding.file, finding.rule, finding.key, finding.line) == ("app.yml", rule, key, line)
    assert finding.what
    assert finding.remedy


def test_a_version_without_quotes_says_how_to_quote_it() -> None:
    (finding,) = refused(SOUND.replace('"1.0"', "1.10"))

    assert finding.remedy.startswith('Put it in quotes: version: "1.1')


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("web: {service: a, port: '80'}", "Take the quotes off: port: 80."),
        ("web: {service: a, port: http}", "Write a whole number."),
        ("web: {service: a, port: 80000}", "Write 65535 or less."),
        ("web: {service: a, port: 0}", "Write 1 or more."),
        ("limits: {cpus: '0.5'}", "Take the quotes off: cpus: 0.5."),
        ("limits: {cpus: 0}", "Write more than 0."),
        ("logs_may_leave: 'no'", "Write true or false, without quotes."),
        ("data: config", "Write a list: each item on a line of its own, after a hyphen."),
        ("permissions: [NET_ADMIN]", "there is no permission 'NET_ADMIN'; write `capability:NET_ADMIN`."),
        ("permissions: [/srv]", "there is no permission '/srv'; write `bind:/srv`."),
        ("permissions: [PRIVILEGED]", "there is no permission 'PRIVILEGED'; the nearest is privileged."),
        (
            "permissions: [host-network]",
            "there is no permission 'host-network'; the nearest is host_network.",
        ),
    ],
)
def test_what_to_write_instead_is_said(line: str, remedy: str) -> None:
    (finding,) = refused(SOUND + line + "\n")

    assert finding.remedy == remedy


def test_a_section_that_is_no_mapping_says_what_goes_into_it() -> None:
    (finding,) = refused(SOUND + "images: {a: ./a}\n")

    assert finding.remedy.startswith("Write keys and values below it. Known here: context, dockerfile")


def test_the_nearest_key_is_suggested() -> None:
    assert refused(SOUND + "discription: x\n")[0].remedy == "Did you mean 'description'?"
    assert refused(SOUND + "limits: {memroy: 1G}\n")[0].remedy == "Did you mean 'memory'?"
    assert "Known here:" in refused(SOUND + "zzzz: x\n")[0].remedy


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert {finding.key for finding in refused("name: X\nversion: 1\n")} == {"name", "title", "version"}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512M", 512 * 1024**2),
        ("5G", 5 * 1024**3),
        ("1.5g", 1536 * 1024**2),
        ("2 GiB", 2 * 1024**3),
        ("100kb", 102400),
        ("4096", 4096),
        ("1T", 1024**4),
        ("7b", 7),
    ],
)
def test_sizes_are_read_in_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1X", "1e3", "1 2", "9" * 50, "١M"])
def test_what_is_no_size_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)
