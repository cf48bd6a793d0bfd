"""Every key of compose-spec is allowed by the policy, opened by a permission, or refused in the corpus.

So a newer schema with a key that nobody has thought about makes this fail.
"""

import json
import os
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

import pytest

from homeport.catalog.policy_rules import ALLOWED
from homeport.catalog.reader import read_definition
from homeport.errors import DefinitionInvalidError, PolicyRefusedError
from tests.harness.attacks import Traps, load_corpus

Schema = dict[str, Any]

KINDS: Final = {
    "": "file",
    "services.*": "service",
    "services.*.build": "build",
    "services.*.configs[]": "configs item",
    "services.*.depends_on.*": "depends_on item",
    "services.*.deploy": "deploy",
    "services.*.deploy.resources": "deploy.resources",
    "services.*.deploy.resources.limits": "deploy.resources.limits",
    "services.*.deploy.resources.reservations": "deploy.resources.reservations",
    "services.*.deploy.resources.reservations.devices[]": "gpu",
    "services.*.devices[]": "device",
    "services.*.env_file[]": "env_file item",
    "services.*.extends": "extends",
    "services.*.gpus[]": "gpu",
    "services.*.healthcheck": "healthcheck",
    "services.*.logging": "logging",
    "services.*.networks.*": "service network",
    "services.*.ports[]": "port",
    "services.*.ulimits.*": "ulimit",
    "services.*.volumes[]": "mount",
    "services.*.volumes[].bind": "mount.bind",
    "services.*.volumes[].volume": "mount.volume",
    "services.*.volumes[].tmpfs": "mount.tmpfs",
    "networks.*": "network",
    "volumes.*": "volume",
    "configs.*": "config",
}
"""From places in a compose file to the policy's words for the mapping there."""


def keys_of_schema(schema: Schema) -> Iterator[str]:
    """Every key of every mapping, by its place, such as `services.*.ports[].target`."""
    yield from _keys(schema, schema["$defs"], "", ())


def _keys(node: Any, store: Schema, place: str, above: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    if reference := node.get("$ref"):
        name = reference.rpartition("/")[2]
        if name not in above:
            yield from _keys(store[name], store, place, (*above, name))
    for key, inner in node.get("properties", {}).items():
        here = f"{place}.{key}" if place else key
        yield here
        yield from _keys(inner, store, here, above)
    inner_maps = [inner for pattern, inner in node.get("patternProperties", {}).items() if pattern != "^x-"]
    for inner in [*inner_maps, node.get("additionalProperties")]:
        yield from _keys(inner, store, f"{place}.*", above)
    yield from _keys(node.get("items"), store, f"{place}[]", above)
    for word in ("oneOf", "anyOf", "allOf"):
        for inner in node.get(word, ()):
            yield from _keys(inner, store, place, above)


def is_allowed(key: str) -> bool:
    """Whether a table of the policy has the key; what stands below it is asked for by itself."""
    above, _, name = key.rpartition(".")
    return above in KINDS and name in ALLOWED[KINDS[above]]


def is_closed(key: str, refused: frozenset[str]) -> bool:
    """Whether the corpus has the refusal of the key, or of the one that it stands under."""
    places = [key[: end.start()] for end in re.finditer(r"[.\[]|$", key)]
    return any(
        place in refused and place.rpartition(".")[0] in KINDS and not is_allowed(place) for place in places
    )


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Where the corpus has a refusal, in the form of `keys_of_schema`."""
    folder = tmp_path_factory.mktemp("keys")
    traps = Traps(folder=folder / "outside", secret="canary")
    os.environ["CANARY"] = traps.secret
    found: set[str] = set()
    for number, attack in enumerate(load_corpus()):
        attack.write(folder / str(number), traps)
        try:
            read_definition(folder / str(number))
        except (PolicyRefusedError, DefinitionInvalidError) as error:
            found |= {_place(finding.key) for finding in error.findings if finding.rule == attack.rule}
    traps.close()
    del os.environ["CANARY"]
    return frozenset(found)


def _place(key: str) -> str:
    """`services.web.volumes[0]` as the schema's walk names it."""
    parts = re.sub(r"\[[0-9]+\]", "[]", key).split(".")
    if parts[0] in ("services", "networks", "volumes", "configs", "secrets", "models", "jobs") and parts[1:]:
        parts[1] = "*"
    if parts[0] == "services" and parts[2:3] in (["networks"], ["depends_on"], ["ulimits"]) and parts[3:]:
        parts[3] = "*"
    return ".".join(parts)


def test_every_key_of_the_schema_is_allowed_or_refused_in_the_corpus(refused: frozenset[str]) -> None:
    text = resources.files("check_jsonschema").joinpath("builtin_schemas", "vendor", "compose-spec.json")
    keys = sorted(set(keys_of_schema(json.loads(text.read_text(encoding="utf-8")))))
    open_ones = [key for key in keys if not is_allowed(key) and not is_closed(key, refused)]

    assert len(keys) > 500
    assert open_ones == []


def test_a_key_that_nobody_thought_about_would_be_seen() -> None:
    later = {
        "$defs": {"service": {"properties": {"host_magic": {"type": "string"}}}},
        "properties": {"services": {"patternProperties": {"^[a-z]+$": {"$ref": "#/$defs/service"}}}},
    }

    assert list(keys_of_schema(later)) == ["services", "services.*.host_magic"]
    assert not is_allowed("services.*.host_magic")
    assert not is_closed("services.*.host_magic", frozenset({"services.*", "services.*.build"}))
    assert is_closed("services.*.host_magic.path", frozenset({"services.*.host_magic"}))


def test_what_a_permission_opens_is_refused_in_the_corpus_without_it() -> None:
    """Keys that are allowed because a permission opens them: each stands in a case without the permission."""
    opened = {
        "cap_add", "cgroup", "devices", "gpus", "group_add", "ipc", "network_mode", "pid", "ports",
        "privileged", "security_opt", "sysctls", "userns_mode", "uts", "volumes",
        "deploy.resources.reservations.devices",
    }  # fmt: skip
    places = {attack.key for attack in load_corpus() if attack.rule == "permission-undeclared"}

    keys = {re.sub(r"\[.*|(?<=sysctls)\..*", "", place.removeprefix("services.web.")) for place in places}
    assert opened <= keys
