"""How services are built: both ways of saying so, in the order in which they can be built."""

import time
from pathlib import Path
from typing import Final

import pytest

from homeport.catalog.loaded import LoadedDefinition
from homeport.catalog.reader import read_definition
from homeport.errors import DefinitionInvalidError
from tests.unit.catalog.conftest import APP, MakeDefinition


@pytest.fixture
def read(make_definition: MakeDefinition) -> "Read":
    return Read(make_definition)


class Read:
    """Reads a definition with these files; every service's Dockerfile stands in a folder of its name."""

    def __init__(self, make: MakeDefinition) -> None:
        self._make = make
        self.folder = Path()

    def __call__(self, compose: str, *, app: str = "", **dockerfiles: str) -> LoadedDefinition:
        files = {f"{name}/Dockerfile": text for name, text in dockerfiles.items()}
        self.folder = self._make({"app.yml": APP + app, "docker-compose.yml": compose, **files})
        return read_definition(self.folder)


def test_what_app_yml_and_a_build_section_say_is_one_form(read: Read) -> None:
    loaded = read(
        "services:\n  web: {}\n  db:\n    build:\n      context: db\n      target: run\n"
        "      additional_contexts: [files=./web, base=service:web]\n      labels: {a: 1}\n",
        app="images: {web: {context: ./web, target: run, contexts: {files: ./db/}}}\n",
        web="FROM x AS run\n",
        db="FROM x AS run\n",
    )

    web, db = loaded.built_services["web"], loaded.built_services["db"]
    assert (web.target, web.folders, web.upon) == ("run", {"files": read.folder / "db"}, {})
    assert (db.target, db.folders, db.upon) == ("run", {"files": read.folder / "web"}, {"base": "web"})
    assert db.labels == {"a": "1"}


@pytest.mark.parametrize(
    "line",
    [
        "FROM org/base:1.0",
        "from --platform=linux/amd64 org/base:1.0 as own",
        "ARG BASE=org/base:1.0\nFROM $BASE",
        "FROM x\nCOPY --from=org/base:1.0 /a /a",
        "FROM x\nRUN --mount=type=bind,from=org/base:1.0,target=/b ls /b",
        "FROM docker.io/org/base:1.0",
    ],
)
def test_what_a_dockerfile_names_of_another_service_is_built_first(read: Read, line: str) -> None:
    loaded = read(
        "services:\n  web: {build: ./web}\n  base: {build: ./base, image: 'org/base:1.0'}\n",
        web=f"{line}\n",
        base="FROM x\n",
    )

    assert list(loaded.built_services) == ["base", "web"]
    assert loaded.built_services["web"].upon == {"org/base:1.0": "base"}


@pytest.mark.parametrize(
    "lines",
    [
        "FROM x\nLABEL like=base",
        "# FROM base\nFROM x",
        "FROM x AS base\nFROM base",
        "FROM base:2",
    ],
)
def test_what_merely_looks_like_another_service_s_image_is_not(read: Read, lines: str) -> None:
    loaded = read(
        "services:\n  web: {build: ./web}\n  other: {build: ./other, image: base}\n",
        web=f"{lines}\n",
        other="FROM x\n",
    )

    assert loaded.built_services["web"].upon == {}


def test_an_argument_may_name_the_image_of_another_service(read: Read) -> None:
    loaded = read(
        "services:\n  web: {build: {context: web, args: {B: 'base:latest'}}}\n"
        "  other: {build: other, image: base}\n",
        web="ARG B\nFROM $B\n",
        other="FROM x\n",
    )

    assert loaded.built_services["web"].upon == {"base": "other"}


def test_a_service_whose_image_is_named_as_what_it_starts_from_is_pulled_from_there(read: Read) -> None:
    loaded = read("services:\n  web: {build: web, image: 'php:8'}\n", web="FROM php:8\n")

    assert loaded.built_services["web"].upon == {}


def test_services_that_run_what_another_is_built_as_are_not_pulled(read: Read) -> None:
    loaded = read(
        "services:\n  worker: {image: 'own:1'}\n  web: {build: ./web, image: 'own:1'}\n"
        "  db: {image: 'd:1'}\n",
        web="FROM x\n",
    )

    assert loaded.built_services["worker"] == loaded.built_services["web"]
    assert loaded.pulled_services == {"db": "d:1"}
    assert "image" not in loaded.template["services"]["worker"]


def test_a_circle_is_refused_and_named(read: Read) -> None:
    with pytest.raises(DefinitionInvalidError) as caught:
        read(
            "services:\n  web: {build: ./web, image: one}\n  b: {build: ./b, image: two}\n",
            web="FROM two\n",
            b="FROM x\nCOPY --from=one /a /a\n",
        )

    (finding,) = caught.value.findings
    assert (finding.rule, finding.key, finding.line) == ("build-circle", "services.b.build", 3)
    assert "web -> b -> web" in finding.what


def test_a_chain_without_end_is_refused(read: Read) -> None:
    services = "".join(
        f"  s{n}: {{build: {{context: web, additional_contexts: {{b: 'service:s{n + 1}'}}}}}}\n"
        for n in range(100)
    )

    with pytest.raises(DefinitionInvalidError) as caught:
        read(f"services:\n  web: {{build: web}}\n{services}  s100: {{build: web}}\n", web="FROM b\n")

    assert "build-chain" in {finding.rule for finding in caught.value.findings}


MANY: Final = (
    "services:\n"
    + "".join(f"  s{n}: {{build: web, image: 'i{n}'}}\n" for n in range(200))
    + "  web: {build: web}\n"
)


@pytest.mark.parametrize("text", ["\n" * 250_000, "FROM x\n" * 36_000, "FROM x AS " + " " * 60_000])
def test_a_hostile_dockerfile_is_read_in_no_time(read: Read, text: str) -> None:
    began = time.process_time()

    loaded = read(MANY, web=text)

    assert all(spec.upon == {} for spec in loaded.built_services.values())
    assert time.process_time() - began < 10


@pytest.mark.parametrize("text", ["\n" * 900_000, "FROM " + " AS" * 300_000, "FROM x AS " + " " * 900_000])
def test_a_dockerfile_longer_than_anybody_writes_is_refused(read: Read, text: str) -> None:
    with pytest.raises(DefinitionInvalidError) as caught:
        read(MANY, web=text)

    assert {finding.rule for finding in caught.value.findings} == {"build-dockerfile"}


def test_a_dockerfile_that_is_read_again_and_again_is_refused(read: Read) -> None:
    services = "".join(f"  s{n}: {{build: {{context: web, args: {{A: '{n}'}}}}}}\n" for n in range(20))

    with pytest.raises(DefinitionInvalidError) as caught:
        read(f"services:\n{services}  web: {{build: web}}\n", web="\n" * 100_000)

    assert {finding.rule for finding in caught.value.findings} == {"build-dockerfile"}


def test_a_context_of_a_service_that_is_not_built_is_refused(read: Read) -> None:
    with pytest.raises(DefinitionInvalidError) as caught:
        read(
            "services:\n  web: {build: {context: web, additional_contexts: {d: 'service:db'}}}\n"
            "  db: {image: 'd:1'}\n",
            web="FROM d\n",
        )

    (finding,) = caught.value.findings
    assert (finding.rule, finding.key) == ("build-upon", "services.web.build.additional_contexts")


def test_a_further_context_outside_the_definition_is_refused(read: Read) -> None:
    with pytest.raises(DefinitionInvalidError) as caught:
        read(
            "services:\n  web: {}\n",
            app="images: {web: {context: web, contexts: {x: nowhere}}}\n",
            web="FROM x\n",
        )

    assert [finding.key for finding in caught.value.findings] == ["images.web.contexts"]


@pytest.mark.parametrize(
    ("section", "app"),
    [
        ("{build: {context: ./web, args: {BUILDKIT_SYNTAX: a/b, C: d}}}", ""),
        ("{build: {context: ./web, args: [BUILDKIT_SYNTAX=a/b, C=d]}}", ""),
        ("{}", "images: {web: {context: ./web, args: {BUILDKIT_SYNTAX: a/b, C: d}}}\n"),
    ],
)
def test_an_argument_that_steers_buildkit_is_refused(read: Read, section: str, app: str) -> None:
    with pytest.raises(DefinitionInvalidError) as caught:
        read(f"services:\n  web: {section}\n", app=app, web="FROM x\n")

    (finding,) = caught.value.findings
    assert finding.rule == "build-argument"
    assert "BUILDKIT_SYNTAX" in finding.what
    assert finding.line
