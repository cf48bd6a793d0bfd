"""Whether a compose file has the compose-spec's shape (its JSON schema comes with check-jsonschema)."""

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Final

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from homeport.catalog.yaml12 import YamlDocument
from homeport.errors import Finding

_SCHEMA: Final = ("builtin_schemas", "vendor", "compose-spec.json")

# Keys that the schema does not know are the policy's to refuse, in better words; one wrong value in a service
# makes the schema complain about all its keys.
_LEFT_TO_POLICY: Final = frozenset({"additionalProperties", "unevaluatedProperties"})

_TYPES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def check_schema(document: YamlDocument) -> list[Finding]:
    """What in the document breaks the compose-spec schema, one finding a place; unknown keys are left out."""
    found: dict[tuple[str | int, ...], Finding] = {}
    for error in _validator().iter_errors(document.value):
        for leaf in _leaves(error):
            path = tuple(leaf.absolute_path)
            if path not in found:
                found[path] = _finding(document, path, leaf)
    return list(found.values())


@cache
def _validator() -> Any:
    text = resources.files("check_jsonschema").joinpath(*_SCHEMA).read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def _leaves(error: Any) -> Iterator[Any]:
    """The errors that say most: of alternatives, those of the one that the value comes nearest to."""
    if error.validator in _LEFT_TO_POLICY:
        return
    if error.validator not in ("oneOf", "anyOf") or not error.context:
        yield error
        return
    branches: dict[int, list[Any]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    near = [inner for inner in branches.values() if not any(_is_wrong_type(leaf, error) for leaf in inner)]
    if not near:
        yield error
        return
    for inner in near[0]:
        yield from _leaves(inner)


def _is_wrong_type(inner: Any, error: Any) -> bool:
    """Whether the alternative is of another type altogether (a list where a mapping stands)."""
    return inner.validator == "type" and len(inner.path) == 0 and inner.instance is error.instance


def _finding(document: YamlDocument, path: tuple[str | int, ...], error: Any) -> Finding:
    given = _shown(error.instance)
    match error.validator:
        case "type":
            remedy = f"Write {_types(error.validator_value)}."
            if error.validator_value == "string" and isinstance(error.instance, int | float):
                remedy = f'Put it in quotes: "{given}".'
            return document.finding(path, "schema-type", f"{given} has the wrong type.", remedy)
        case "required":
            missing = [key for key in error.validator_value if key not in error.instance]
            what = f"The key {missing[0]!r} is missing."
            return document.finding(path, "schema-missing", what, f"Add `{missing[0]}: …`.")
        case "enum":
            choices = ", ".join(str(choice) for choice in error.validator_value)
            return document.finding(
                path, "schema-value", f"{given} is not known here.", f"One of: {choices}."
            )
        case "uniqueItems":
            return document.finding(
                path, "schema-value", "An item stands in the list twice.", "Keep one of the two."
            )
        case "oneOf" | "anyOf":
            remedy = f"Write {_alternatives(error.validator_value)}."
            return document.finding(path, "schema-type", f"{given} has the wrong type.", remedy)
        case _:
            what = f"{given} does not fit the compose-spec."
            return document.finding(path, "schema-value", what, f"{str(error.message)[:200]}.")


def _types(types: str | list[str]) -> str:
    names = [types] if isinstance(types, str) else types
    return " or ".join(_TYPES.get(name, name) for name in names)


def _alternatives(schemas: list[dict[str, Any]]) -> str:
    store = _validator().schema["$defs"]
    found: list[str] = []
    for schema in schemas:
        target = store[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        kinds = target.get("type", "array" if "items" in target else "object")
        found += [kinds] if isinstance(kinds, str) else kinds
    return _types(list(dict.fromkeys(found)))


def _shown(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "A mapping"
        case list():
            return "A list"
        case bool():
            return str(value).lower()
        case _:
            text = str(value)
            return text if len(text) <= 60 else text[:57] + "…"
