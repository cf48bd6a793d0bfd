"""The steward, over its Unix socket: apps' logs, which the API cannot read itself."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from homeport.errors import (
    ComponentUnavailableError,
    EngineUnavailableError,
    HomeportError,
    NotFoundError,
    NotPossibleNowError,
    Problem,
)

_CHUNK_BYTES: Final = 64 * 1024
_RELAYED: Final[dict[str, type[HomeportError]]] = {
    error.code: error for error in (NotFoundError, NotPossibleNowError, EngineUnavailableError)
}
_QUIET_S: Final = 15.0  # after so long without a line the client is looked at: it may have gone


class Steward:
    """A client of the steward."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def health(self) -> Mapping[str, Any] | None:
        """What it says of itself within a second, `{ready, proxy}`; None where it says nothing.

        `proxy` is why the reverse proxy does not serve what it shall; "" where it does.
        """
        try:
            async with (
                self._session(aiohttp.ClientTimeout(total=1)) as session,
                session.get("http://steward/health") as answer,
            ):
                said = await answer.json() if answer.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None
        return said if isinstance(said, dict) else None

    async def app_log(
        self, identifier: str, *, tail: int, follow: bool, service: str | None
    ) -> AsyncGenerator[bytes]:
        """The log's bytes as they come; an empty piece once the steward has agreed, and in every pause.

        Raises:
            NotFoundError: the app has no container, or no such service.
            NotPossibleNowError: too many logs are being read.
            EngineUnavailableError: the steward does not reach Docker.
            ComponentUnavailableError: the steward does not answer, or not as it should.
        """
        query = {"tail": str(tail), "follow": str(int(follow)), **({"service": service} if service else {})}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2)
        try:
            async with (
                self._session(timeout) as session,
                session.get(f"http://steward/apps/{identifier}/logs", params=query) as answer,
            ):
                if answer.status != 200:
                    raise _relayed(await answer.content.read(_CHUNK_BYTES))
                yield b""
                while not answer.content.at_eof():
                    piece = await _next_piece(answer.content)
                    if piece or not answer.content.at_eof():  # the end is no pause
                        yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _away(str(error)) from error

    def _session(self, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket)), timeout=timeout)


async def _next_piece(content: aiohttp.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(_QUIET_S):
            return await content.read(_CHUNK_BYTES)
    except TimeoutError:
        return b""


def _relayed(text: bytes) -> HomeportError:
    """The problem that the steward tells instead of a log."""
    try:
        problem = Problem.from_json(json.loads(text))
    except (ValueError, TypeError):
        return _away(f"It answered: {text[:200]!r}")
    error = _RELAYED.get(problem.code, ComponentUnavailableError)
    return error(problem.what, why=problem.why, remedy=problem.remedy, **problem.facts)


def _away(why: str) -> ComponentUnavailableError:
    return ComponentUnavailableError(
        "The steward does not give the app's log.",
        why=why,
        remedy="See 'homeport doctor', and try again in a few seconds.",
        component="steward",
    )
