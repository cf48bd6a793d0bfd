"""A small web app on a port of loopback, for what a reverse proxy has to carry: it says what it was asked."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import WSMsgType, web


@dataclass(frozen=True)
class WebApp:
    """An app that runs. Its answers are JSON objects: its name, and what of the request reached it."""

    name: str
    port: int


@contextmanager
def web_app(name: str, *, port: int = 0) -> Iterator[WebApp]:
    """Runs one in a thread until the block ends.

    `/ws` echoes websocket messages, `/stream?pieces=N` sends N pieces, each when the client says so with a
    POST to `/next`; everything else is answered with `{app, method, path, headers, received}`.
    """
    loop = asyncio.new_event_loop()
    started = threading.Event()
    found: list[int] = []

    def run() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(_start(name, port, found))
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, name=f"app {name}")
    thread.start()
    assert started.wait(10), "the app did not start"
    try:
        yield WebApp(name, found[0])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _start(name: str, port: int, found: list[int]) -> web.AppRunner:
    next_piece = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        received = 0
        async for piece in request.content.iter_any():
            received += len(piece)
        headers = {key.lower(): value for key, value in request.headers.items()}
        return web.json_response(
            {
                "app": name,
                "method": request.method,
                "path": request.raw_path,
                "headers": headers,
                "received": received,
            }
        )

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(f"{name}: {message.data}")
        return socket

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(int(request.query["pieces"])):
            await response.write(f"piece {number}\n".encode())
            await next_piece.wait()
            next_piece.clear()
        return response

    async def go_on(request: web.Request) -> web.Response:
        next_piece.set()
        return web.Response(text="ok")

    app = web.Application(client_max_size=2**40)
    app.router.add_get("/ws", echo)
    app.router.add_get("/stream", stream)
    app.router.add_post("/next", go_on)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    found.append(runner.addresses[0][1])
    return runner
