"""Apps' logs over a Unix socket: read-only and bounded, for the API, which cannot reach Docker."""

import asyncio
import json
import logging
import os
import pwd
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from aiohttp import web

from compose.values import APP_LABEL
from homeport.errors import HomeportError, InvalidInputError, NotFoundError, NotPossibleNowError
from homeport.host.engine import ContainerState, Engine
from homeport.names import is_label
from workers.steward.log_feed import LogFeed

_log = logging.getLogger(__name__)

A = TypeVar("A")
R = TypeVar("R")

MAX_TAIL: Final = 10_000
_DEFAULT_TAIL: Final = 200
_MAX_READERS: Final = 32  # each follower keeps a thread for its reading and one per container
_WAIT_S: Final = 1.0  # how soon a reader who has gone is noticed while no line comes
_MODE: Final = 0o660
_STATUS: Final = {InvalidInputError.code: 422, NotFoundError.code: 404, NotPossibleNowError.code: 503}


class AppLogs:
    """The HTTP application: `GET /health`, `GET /apps/{identifier}/logs?tail=&follow=&service=`."""

    def __init__(self, engine: Engine, why_no_proxy: Callable[[], str]) -> None:
        self._engine = engine
        self._why_no_proxy = why_no_proxy
        self._readers = 0
        self._threads = ThreadPoolExecutor(max_workers=_MAX_READERS + 4, thread_name_prefix="app-log")

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application()
        application.add_routes(
            [web.get("/health", self._health), web.get("/apps/{identifier}/logs", self._logs)]
        )
        return application

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"ready": True, "proxy": self._why_no_proxy()})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        try:
            tail, follow = _tail_of(request), request.query.get("follow", "0") in ("1", "true")
            if self._readers >= _MAX_READERS:
                raise NotPossibleNowError(
                    "Too many logs are being read.", remedy="Close one and try again.", readers=self._readers
                )
            containers = await self._in_thread(self._containers, request)
        except HomeportError as error:
            return _problem(error)
        self._readers += 1
        feed = LogFeed(self._engine, containers, tail=tail, follow=follow)
        try:
            return await self._send(request, feed)
        finally:
            self._readers -= 1
            feed.close()

    async def _send(self, request: web.Request, feed: LogFeed) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        await answer.prepare(request)
        try:
            while (lines := await self._in_thread(feed.lines, _WAIT_S)) is not None:
                if lines:
                    await answer.write(b"".join(lines))
                elif request.transport is None or request.transport.is_closing():
                    return answer
            await answer.write_eof()
        except ConnectionError:
            _log.debug("the reader has gone")
        return answer

    async def _in_thread(self, call: Callable[[A], R], argument: A) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, argument)

    def _containers(self, request: web.Request) -> list[ContainerState]:
        """The app's containers, or the service's.

        Raises:
            NotFoundError: there are none.
        """
        identifier, service = request.match_info["identifier"], request.query.get("service")
        found = self._engine.containers({APP_LABEL: identifier}) if is_label(identifier) else []
        chosen = [container for container in found if service in (None, container.service)]
        if chosen:
            return chosen
        if found:
            raise NotFoundError(
                f"{identifier!r} has no service {service!r}.",
                why=f"It has {', '.join(sorted({container.service for container in found}))}.",
                kind="service",
                name=str(service),
            )
        raise NotFoundError(
            f"No container of {identifier!r} exists.",
            why="An install makes it when it starts the app; one that was removed by hand has no log.",
            remedy="See `homeport jobs`. To make it anew, uninstall the app and install it again.",
            kind="app",
            name=identifier,
        )


def _tail_of(request: web.Request) -> int:
    text = request.query.get("tail", str(_DEFAULT_TAIL))
    if text.isascii() and text.isdigit() and int(text[:6]) <= MAX_TAIL:
        return int(text)
    raise InvalidInputError(
        f"tail cannot be {text[:20]!r}.",
        why=f"It is a number of lines from 0 to {MAX_TAIL}.",
        errors=[{"pointer": "/tail", "detail": f"not a number from 0 to {MAX_TAIL}"}],
    )


def _problem(error: HomeportError) -> web.Response:
    problem = error.problem()
    return web.Response(
        status=_STATUS.get(problem.code, 503),
        text=json.dumps(problem.as_json()),
        content_type="application/problem+json",
    )


async def serve(application: web.Application, socket: Path, user: str, until: asyncio.Future[None]) -> None:
    """Answers on the socket until the future is done; the socket is the given user's group's.

    Raises:
        OSError: the socket cannot be made.
    """
    runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    old_mask = os.umask(0o777 & ~_MODE)
    try:
        await web.UnixSite(runner, str(socket)).start()
    finally:
        os.umask(old_mask)
    _give_to_group(socket, user)
    _log.info("ready: %s", socket)
    try:
        await until
    finally:
        await runner.cleanup()


def _give_to_group(socket: Path, user: str) -> None:
    if os.geteuid() != 0:
        return
    try:
        os.chown(socket, -1, pwd.getpwnam(user).pw_gid)
    except KeyError:
        _log.info("there is no user %s: the socket stays root's", user)
