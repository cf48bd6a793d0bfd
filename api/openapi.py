"""The interface's description in OpenAPI 3.1, made from the table of routes."""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.routes import Route
from homeport.openapi_parts import KEY_PARTS, answer_part, body_part, query_parts
from homeport.shapes import ProblemShape

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
            "responses": {
                "Problem": body_part("application/problem+json", "A problem.", shapes[ProblemShape])
            },
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
        "parameters": [
            *_path_parameters(route),
            *query_parts(route.query),
            *(KEY_PARTS if route.takes_key else ()),
        ],
        "responses": {
            **{str(status): answer_part(status, answer, shapes) for status, answer in route.answers.items()},
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
