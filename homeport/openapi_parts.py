"""Parts of an OpenAPI 3.1 document: parameters, answers and bodies, made from models."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel

from homeport.wire import KEY_FIELD

KEY_PARTS: Final = (
    {
        "name": KEY_FIELD,
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "Sent again within 24 h with the same request, it gives the same job.",
    },
)
"""The parameters of every request that becomes a job."""


def query_parts(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    """The parameters of a query string."""
    if query is None:
        return []
    schema = query.model_json_schema()
    parameters = []
    for name, shape in schema["properties"].items():
        parameter = {"name": name, "in": "query", "required": False}
        parameter["schema"] = _inlined(shape, schema.get("$defs", {}))
        if shape.get("type") == "array":
            parameter["explode"] = False  # one parameter with commas in it, not one for each item
        parameters.append(parameter)
    return parameters


def answer_part(
    status: int, answer: type[BaseModel] | str | None, shapes: Mapping[Any, Any]
) -> dict[str, Any]:
    """An answer: a model's JSON, other media types (with commas between), or no body.

    Args:
        status: HTTP's.
        answer: what it holds.
        shapes: the schema of each model.
    """
    phrase = HTTPStatus(status).phrase
    match answer:
        case None:
            return {"description": phrase}
        case str():
            return {"description": phrase, "content": {media_type: {} for media_type in answer.split(",")}}
        case _:
            return body_part("application/json", phrase, shapes[answer])


def body_part(media_type: str, words: str, schema: Any) -> dict[str, Any]:
    """A body with its description."""
    return {"description": words, "content": {media_type: {"schema": schema}}}


def _inlined(shape: Any, definitions: dict[str, Any]) -> Any:
    """The shape without references into a document that it no longer stands in."""
    match shape:
        case {"$ref": str(reference)}:
            return definitions[reference.rpartition("/")[2]]
        case dict():
            return {key: _inlined(value, definitions) for key, value in shape.items()}
        case list():
            return [_inlined(value, definitions) for value in shape]
        case _:
            return shape
