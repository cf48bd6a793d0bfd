"""The tables of the policy against the compose-spec: no key is left without a word."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from homeport.catalog.policy_powers import CAPABILITIES
from homeport.catalog.policy_rules import ALLOWED, FORBIDDEN, FORBIDDEN_IN_SERVICE, HARMLESS, REFUSED_LIMITS
from homeport.permissions import DEFAULT_CAPABILITIES

SPEC: dict[str, Any] = json.loads(
    resources.files("check_jsonschema")
    .joinpath("builtin_schemas", "vendor", "compose-spec.json")
    .read_text(encoding="utf-8")
)
KINDS = {
    "network": "network",
    "volume": "volume",
    "config": "config",
    "healthcheck": "healthcheck",
    "deployment": "deploy",
}


def keys_of(schema: dict[str, Any]) -> Iterator[str]:
    """The keys of a mapping's schema and of those that it is made of."""
    yield from schema.get("properties", {})
    for part in schema.get("allOf", ()):
        yield from keys_of(SPEC["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part)


def test_every_key_of_a_service_is_allowed_or_refused_with_words() -> None:
    known = {*keys_of(SPEC["$defs"]["service"]), *keys_of(SPEC["$defs"]["container_spec"])}
    ours = {*ALLOWED["service"], *FORBIDDEN_IN_SERVICE, *REFUSED_LIMITS}

    assert len(known) > 80
    assert known - ours == set()
    assert not ALLOWED["service"] & {*FORBIDDEN_IN_SERVICE, *REFUSED_LIMITS}
    assert not HARMLESS.keys() & ALLOWED["service"]


def test_every_key_of_the_other_mappings_is_allowed_or_refused_with_words() -> None:
    for name, kind in KINDS.items():
        known = set(keys_of(SPEC["$defs"][name]))
        ours = ALLOWED[kind] | {key for of, key in FORBIDDEN if of == kind}

        assert known
        assert known - ours == set(), kind


def test_every_section_of_a_file_is_allowed_or_refused_with_words() -> None:
    ours = ALLOWED["file"] | {key for of, key in FORBIDDEN if of == "file"}

    assert set(SPEC["properties"]) - ours == set()


def test_what_docker_gives_by_itself_are_capabilities() -> None:
    assert DEFAULT_CAPABILITIES < CAPABILITIES
    assert len(CAPABILITIES - {"ALL"}) == 41
