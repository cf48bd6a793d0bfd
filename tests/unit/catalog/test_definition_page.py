"""docs/definition.md against the code: each key of app.yml with its default, and an example that is taken."""

import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from homeport.catalog.definition import Definition
from homeport.catalog.reader import read_definition

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "definition.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z_.*]+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)
FILE = re.compile(r"^`hello/(\S+?)`.*?:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections_in(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models in a field's type, each with what stands for the names between."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    is_mapping = typing.get_origin(annotation) is Mapping
    for inner in typing.get_args(annotation):
        for between, model in sections_in(inner):
            yield (".*" if is_mapping else "") + between, model


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        yield key, field
        for between, section in sections_in(field.annotation):
            yield from keys_of(section, f"{key}{between}.")


def shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.get_default(call_default_factory=True):
        case bool() as value:
            return f"`{str(value).lower()}`"
        case str() as value:
            return f"`{value}`" if value else '`""`'
        case _:
            return "none"


def test_the_page_has_every_key_with_its_default_and_no_other() -> None:
    written = dict(ROW.findall(PAGE))
    expected = {key: shown_default(field) for key, field in keys_of(Definition)}

    assert written | {"main": "none"} == expected
    assert list(written) == list(expected)


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
