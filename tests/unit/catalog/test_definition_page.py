"""The pages about definitions against the code: tables made from it, and an example that is taken."""

import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from homeport.catalog.definition import Definition
from homeport.catalog.policy_rules import ALLOWED, FORBIDDEN, FORBIDDEN_IN_SERVICE, REFUSED_LIMITS
from homeport.catalog.reader import read_definition
from homeport.catalog.reference import compose_tables, definition_tables, permission_tables
from homeport.cli.explain import TOPICS, topic_markdown
from homeport.cli.granting import RISK_WORDS
from homeport.permissions import NAMESPACES, SECURITY_OPTIONS, Permission, PermissionKind
from homeport.risks import Risk

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGES = {"app.yml": "definition.md", "compose": "compose-keys.md", "permissions": "permissions.md"}
PAGE = (DOCS / "definition.md").read_text(encoding="utf-8")
FILE = re.compile(r"^`hello/(\S+?)`.*?:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections_in(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models in a field's type, each with what stands for the names between."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    is_mapping = typing.get_origin(annotation) is Mapping
    for inner in typing.get_args(annotation):
        for between, model in sections_in(inner):
            yield (".*" if is_mapping else "") + between, model


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        yield key
        for between, section in sections_in(field.annotation):
            yield from keys_of(section, f"{key}{between}.")


@pytest.mark.parametrize("topic", TOPICS)
def test_the_page_has_the_tables_as_explain_prints_them(topic: str) -> None:
    text = (DOCS / PAGES[topic]).read_text(encoding="utf-8")

    assert topic_markdown(topic) in text, f"homeport explain {topic} --markdown prints them anew"


def test_the_table_has_every_key_of_app_yml_with_its_meaning() -> None:
    (table,) = definition_tables()

    assert [row[0] for row in table.rows] == [f"`{key}`" for key in keys_of(Definition)]
    assert all(len(row) == len(table.heads) and all(row) for row in table.rows)


def test_every_kind_of_permission_is_shown_with_its_risk() -> None:
    (table,) = permission_tables()
    shown = [Permission.parse(row[0].strip("`")) for row in table.rows]

    assert {permission.kind for permission in shown} == set(PermissionKind)
    for kind, values in (("namespace", NAMESPACES), ("security_opt", SECURITY_OPTIONS)):
        assert {permission.value for permission in shown if permission.kind == kind} == values
    assert {row[2] for row in table.rows} == {Risk.LOW, Risk.HIGH, Risk.FULL}


def test_the_page_has_the_ratings_in_the_words_that_owners_are_told() -> None:
    page = (DOCS / "permissions.md").read_text(encoding="utf-8")

    for risk in Risk:
        assert f"| {risk} | {RISK_WORDS[risk].partition(': ')[2]} |" in page


def test_every_key_that_the_policy_knows_is_in_the_tables() -> None:
    tables = compose_tables()
    taken = {key for table in tables for key in re.findall(r"`([^`]+)`", table.words)}
    refused = {row[0].strip("`") for table in tables if "refused" in table.heads for row in table.rows}

    assert taken == {key for keys in ALLOWED.values() for key in keys}
    assert refused == {*FORBIDDEN_IN_SERVICE, *REFUSED_LIMITS, *(key for _, key in FORBIDDEN)}


def test_the_example_of_the_page_is_taken(tmp_path: Path) -> None:
    files = dict(FILE.findall(PAGE))
    assert set(files) == {"app.yml", "docker-compose.yml", "web/Dockerfile"}
    folder = tmp_path / "hello"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    loaded = read_definition(folder)

    assert list(loaded.built_services) == ["web"]
    assert loaded.bind_folders == ("pages",)
