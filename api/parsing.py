"""Untrusted text into values: bodies and query strings."""

from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from homeport.errors import InvalidInputError
from homeport.wire import refused_shape

MAX_BODY_BYTES = 1024 * 1024
"""The largest body: no request of ours needs a hundredth of it."""

Model = TypeVar("Model", bound=BaseModel)


async def read_body(request: web.Request, model: type[Model]) -> Model:
    """The request's JSON body as the model.

    Raises:
        InvalidInputError: it is no JSON, or a field is missing, wrong or unknown.
        web.HTTPRequestEntityTooLarge: it is above `MAX_BODY_BYTES`.
    """
    if (length := request.content_length or 0) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, length)  # aiohttp would read that much first
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        raise refused_shape("The request's body is not what this route takes.", error, "/") from error


def read_query(request: web.Request, model: type[Model]) -> Model:
    """The query string as the model.

    Raises:
        InvalidInputError: a parameter is wrong, unknown, or given twice.
    """
    if twice := sorted({name for name in request.query if len(request.query.getall(name)) > 1}):
        errors = [{"pointer": f"?{name}", "detail": "given more than once"} for name in twice]
        raise InvalidInputError("A parameter is given twice.", remedy="Give each once.", errors=errors)
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        raise refused_shape("The query is not what this route takes.", error, "?") from error
