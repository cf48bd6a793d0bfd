"""Answers that go on: they end cleanly at shutdown and when the client has gone."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from aiohttp import web

from homeport.errors import HomeportError

_LOG = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
"""A quiet event stream says something at least so often, so that both ends notice a dead connection."""

EVENT_STREAM = "text/event-stream"
PLAIN_TEXT = "text/plain"


class Streams:
    """The open streams of this process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._ending = False

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._tasks)

    def end_all(self) -> None:
        """Ends every open stream, and lets no new one begin."""
        self._ending = True
        for task in self._tasks:
            task.cancel()

    async def send(
        self, request: web.Request, pieces: AsyncGenerator[bytes], *, content_type: str
    ) -> web.StreamResponse:
        """Sends the pieces as they come, each once the client has taken the one before.

        An empty piece is a pause: nothing is sent, and the stream ends if the client has gone.
        """
        response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.content_type = content_type
        response.charset = "utf-8"
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has one
        self._tasks.add(task)
        try:
            async with aclosing(pieces):
                await response.prepare(request)
                await self._pass_on(request, response, pieces)
            await response.write_eof()
        except asyncio.CancelledError:
            if not self._ending:
                raise
            with suppress(ConnectionError):
                await response.write_eof()
        except ConnectionError:
            pass  # the client has gone: there is nobody to tell
        except HomeportError as error:
            _LOG.warning("%s breaks off: %s", request.path, error)
            if request.transport is not None:  # the status is sent: a cut connection says that more was due
                request.transport.close()
        finally:
            self._tasks.discard(task)
        return response

    async def _pass_on(
        self, request: web.Request, response: web.StreamResponse, pieces: AsyncGenerator[bytes]
    ) -> None:
        async for piece in pieces:
            if self._ending or request.transport is None or request.transport.is_closing():
                return
            if piece:
                await response.write(piece)
