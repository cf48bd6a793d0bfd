"""What happens around every request: its id and its line in the log, its problems, who asks."""

import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from api.auth import TOKEN, authenticated
from api.context import CONTEXT
from api.problems import problem_response, refusal_response
from homeport.errors import HomeportError, unforeseen
from homeport.logs import bound

_LOG = logging.getLogger("api.access")
_REQUEST_ID: Final = web.RequestKey("request_id", str)
_PROCESS: Final = secrets.token_hex(4)  # random once: a system call gives the GIL away
_NUMBERS: Final = itertools.count(1)
OPEN_PATHS: Final = frozenset({"/livez", "/readyz"})

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def observe(request: web.Request, handler: Next) -> web.StreamResponse:
    """Gives the request an id, which stands in the answer and in every line that it logs; counts it."""
    request[_REQUEST_ID] = f"{_PROCESS}-{next(_NUMBERS):x}"
    began = time.perf_counter()
    status = 499  # what nginx writes where the client has gone before the answer
    with bound(request=request[_REQUEST_ID]):
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            seconds = time.perf_counter() - began
            resource = request.match_info.route.resource
            route = resource.canonical if resource else "none"
            request.app[CONTEXT].requests.add(request.method, route, status, seconds)
            _LOG.info("%s %s %d %.1f ms", request.method, request.rel_url.raw_path, status, seconds * 1000)


@web.middleware
async def tell_problems(request: web.Request, handler: Next) -> web.StreamResponse:
    """Every error becomes a problem document; one that nobody foresaw says no more than the id in the log."""
    try:
        return await handler(request)
    except HomeportError as error:
        return problem_response(error.problem())
    except web.HTTPException as refusal:
        return refusal_response(refusal, request.path)
    except Exception:
        _LOG.exception("%s %s failed", request.method, request.rel_url.raw_path)
        return problem_response(unforeseen(request[_REQUEST_ID]))


@web.middleware
async def authenticate(request: web.Request, handler: Next) -> web.StreamResponse:
    """Lets nobody in without a token, but to what is open."""
    if request.path not in OPEN_PATHS:
        given = request.headers.get("Authorization")
        request[TOKEN] = await authenticated(request.app[CONTEXT].tokens, given)
    return await handler(request)


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Sends the request's id along; called before an answer's headers are sent."""
    if request_id := request.get(_REQUEST_ID):
        response.headers["X-Request-Id"] = request_id


MIDDLEWARES: Final = (observe, tell_problems, authenticate)
