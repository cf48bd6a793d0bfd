"""The interface's description in OpenAPI 3.1, made from the table of routes."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.routes import Answer, Route
from homeport.shapes import ProblemShape
from homeport.wire import KEY_FIELD

_REF: Final = "#/components/schemas/{model}"


def describe(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The document."""
    models: dict[str, type[BaseModel]] = {
        model.__name__: model for route in routes for model in _models(route)
    }
    models[ProblemShape.__name__] = ProblemShape
    wanted: list[tuple[type[BaseModel], Literal["validation"]]] = [
        (model, "validation") for model in models.values()
    ]
    references, schemas = models_json_schema(wanted, ref_template=_REF)
    shapes: dict[Any, Any] = {model: schema for (model, _), schema in references.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Homeport", "version": version, "description": "The app engine of a home server."},
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "responses": {"Problem": _body("application/problem+json", "A problem.", shapes[ProblemShape])},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _models(route: Route) -> list[type[BaseModel]]:
    answers = [answer for answer in route.answers.values() if isinstance(answer, type)]
    return [*answers, *(body for body in route.bodies.values() if body)]


def _operation(route: Route, shapes: dict[Any, Any]) -> dict[str, Any]:
    problems = sorted({*route.problems, *(() if route.is_open else (401,))})
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.handle.__module__.rpartition('.')[2]}_{route.handle.__name__}",
        "security": [] if route.is_open else [{"token": []}],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_key_parameter(route)],
        "responses": {
            **{str(status): _answer(status, answer, shapes) for status, answer in route.answers.items()},
            **{str(status): {"$ref": "#/components/responses/Problem"} for status in problems},
        },
    }
    if route.bodies:
        content = {kind: {"schema": shapes[body]} if body else {} for kind, body in route.bodies.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _key_parameter(route: Route) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    words = "Sent again within 24 h with the same request, it gives the same job."
    parameter = {"name": KEY_FIELD, "in": "header", "required": False, "schema": schema, "description": words}
    return [parameter] if route.takes_key else []


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema()
    parameters = []
    for name, shape in schema["properties"].items():
        parameter = {"name": name, "in": "query", "required": False}
        parameter["schema"] = _inlined(shape, schema.get("$defs", {}))
        if shape.get("type") == "array":
            parameter["explode"] = False  # one parameter with commas in it, not one for each item
        parameters.append(parameter)
    return parameters


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


def _answer(status: int, answer: Answer, shapes: dict[Any, Any]) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    match answer:
        case None:
            return {"description": phrase}
        case str():
            return {"description": phrase, "content": {media_type: {} for media_type in answer.split(",")}}
        case _:
            return _body("application/json", phrase, shapes[answer])


def _body(media_type: str, words: str, schema: Any) -> dict[str, Any]:
    return {"description": words, "content": {media_type: {"schema": schema}}}
