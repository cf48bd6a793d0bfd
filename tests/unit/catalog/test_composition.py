from typing import Any

import pytest

from homeport.catalog.composition import merge_service, settle
from homeport.catalog.yaml12 import YamlDocument, load_yaml
from homeport.errors import DefinitionInvalidError


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ({"image": "a", "user": "1"}, {"image": "b"}, {"image": "b", "user": "1"}),
        ({"command": ["a", "b"]}, {"command": ["c"]}, {"command": ["c"]}),
        ({"environment": ["A=1", "B"]}, {"environment": {"A": 2}}, {"environment": {"A": 2, "B": None}}),
        ({"labels": {"a": "1"}}, {"labels": ["b=2=3"]}, {"labels": {"a": "1", "b": "2=3"}}),
        ({"ports": ["1:1", "2:2"]}, {"ports": ["2:2", "3:3"]}, {"ports": ["1:1", "2:2", "3:3"]}),
        ({"dns": "1.1.1.1"}, {"dns": ["9.9.9.9"]}, {"dns": ["1.1.1.1", "9.9.9.9"]}),
        (
            {"volumes": ["./a:/x", "./b:/y", "/z"]},
            {"volumes": [{"type": "bind", "source": "./c", "target": "/x"}]},
            {"volumes": ["./b:/y", "/z", {"type": "bind", "source": "./c", "target": "/x"}]},
        ),
        (
            {"depends_on": ["a"]},
            {"depends_on": {"b": {"condition": "service_healthy"}}},
            {"depends_on": {"a": {"condition": "service_started"}, "b": {"condition": "service_healthy"}}},
        ),
        ({"networks": ["a"]}, {"networks": {"b": None}}, {"networks": {"a": None, "b": None}}),
        (
            {"healthcheck": {"test": ["CMD", "a"], "retries": 3}},
            {"healthcheck": {"test": ["CMD", "b"]}},
            {"healthcheck": {"test": ["CMD", "b"], "retries": 3}},
        ),
        (
            {"build": {"args": ["A=1"]}},
            {"build": {"args": {"B": 2}}},
            {"build": {"args": {"A": "1", "B": 2}}},
        ),
        ({"user": "1"}, {"user": None}, {"user": None}),
    ],
)
def test_an_extending_service_joins_and_replaces(
    below: dict[str, Any], above: dict[str, Any], merged: dict[str, Any]
) -> None:
    assert merge_service(below, above) == merged


MANY = "\n".join(f"NAME_{number}=value" for number in range(2_000)).encode()
LARGE = b"A=" + b"x" * 1_000_000
OTHER = b"services:\n  base: {image: nginx}\n"
THOUSAND = range(1_000)


@pytest.mark.parametrize(
    "text",
    [
        f"services: {{web: {{image: a, env_file: [{', '.join('large' for _ in THOUSAND)}]}}}}",
        "configs: {"
        + ", ".join(f"c{n}: {{file: large}}" for n in THOUSAND)
        + "}\nservices: {web: {image: a}}",
        "services: {web: {image: a, env_file: many}, "
        + ", ".join(f"s{n}: {{extends: web}}" for n in THOUSAND)
        + "}",
        "services: {web: {image: a}, "
        + ", ".join(f"s{n}: {{extends: {{service: base, file: f{n}.yml}}}}" for n in THOUSAND)
        + "}",
    ],
    ids=["a large env_file again and again", "configs", "extended variables", "files that are extended"],
)
def test_a_few_lines_cannot_take_in_a_file_a_thousand_times(text: str) -> None:
    document = load_yaml(text.encode(), file="docker-compose.yml")
    read: list[str] = []

    def read_file(name: str) -> bytes:
        read.append(name)
        return LARGE if name == "large" else MANY

    def read_template(name: str) -> YamlDocument:
        read.append(name)
        return load_yaml(OTHER, file=name)

    with pytest.raises(DefinitionInvalidError) as refused:
        settle(document, template=document.value, read_file=read_file, read_template=read_template)

    assert [finding.rule for finding in refused.value.findings] == ["file-too-large"]
    assert len(read) < 20


def test_a_file_that_many_services_extend_is_read_once() -> None:
    text = (
        "services: {"
        + ", ".join(f"s{n}: {{extends: {{service: base, file: o.yml}}}}" for n in range(9))
        + "}"
    )
    document = load_yaml(text.encode(), file="docker-compose.yml")
    read: list[str] = []

    def read_template(name: str) -> YamlDocument:
        read.append(name)
        return load_yaml(OTHER, file=name)

    settle(document, template=document.value, read_file=lambda _name: b"", read_template=read_template)

    assert read == ["o.yml"]
