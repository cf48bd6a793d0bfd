"""A real API on a real database, in a thread of the test's process; Redis is away unless a module has one."""

import asyncio
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web

from api.app import create_app
from homeport.models import App, AppState, DesiredState, Limits, WebPort
from homeport.settings import Settings
from homeport.state.apps import add_app
from homeport.state.database import Database, migrate
from homeport.state.outbox import sendable
from homeport.state.tokens import create_token

Event = dict[str, Any]

APP_YML = """\
name: {name}
title: {title}
version: "1.0"
description: Something to install.
web: {{service: web, port: 80}}
"""

COMPOSE_YML = """\
services:
  web:
    image: registry.example/web:1
    container_name: APP_IDENTIFIER
    ports: ["HOST_PORT:80"]
"""


class Box:
    """The API under test: its settings, its database, and requests to it with a token."""

    def __init__(self, settings: Settings, url: str, token: str) -> None:
        self.settings = settings
        self.url = url
        self.token = token
        self.database = Database(settings.database)
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=20, **options)

    def install(self, definition: str = "wiki", **fields: Any) -> requests.Response:
        return self.call("POST", "/v1/apps", json={"definition": definition, **fields})


class Stream:
    """An open event stream; iterating gives `{"id", "event", "data"}`, comments as `{"comment"}`."""

    def __init__(self, answer: requests.Response) -> None:
        self.answer = answer
        self._lines = (line.decode() for line in answer.iter_lines(chunk_size=None))

    def __iter__(self) -> Iterator[Event]:
        event: Event = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line:
                event["comment" if name == "" else name] = json.loads(value) if name == "data" else value
            elif event:
                yield event
                event = {}

    def next_events(self, count: int) -> list[Event]:
        found: list[Event] = []
        for event in self:
            if "data" in event:
                found.append(event)
            if len(found) == count:
                break
        return found


def write_definition(catalog_dir: Path, name: str, app_yml: str = "", compose_yml: str = COMPOSE_YML) -> Path:
    folder = catalog_dir / name
    folder.mkdir(parents=True)
    (folder / "app.yml").write_text(app_yml or APP_YML.format(name=name, title=name.title()))
    (folder / "docker-compose.yml").write_text(compose_yml)
    return folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "homeport.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def redis_url() -> str:
    return ""  # the private Valkey's socket, which nobody made


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path, redis_url: str) -> Settings:
    state, run, catalog = tmp_path / "state", tmp_path / "run", tmp_path / "catalog"
    for folder in (state / "db", state / "jobs", run, catalog):
        folder.mkdir(parents=True)
    shutil.copy(empty_database, state / "db" / "homeport.sqlite")
    write_definition(catalog, "wiki")
    write_definition(catalog, "blog")
    return Settings(
        state_dir=state,
        run_dir=run,
        catalog_dir=catalog,
        listen=f"127.0.0.1:{_free_port()}",
        domain="home.example",
        redis_url=redis_url,
    )


@pytest.fixture
def token(settings: Settings) -> str:
    database = Database(settings.database)
    with database.write() as connection:
        plain = create_token(connection, "tests", datetime.now(UTC))
    database.close()
    return plain


@pytest.fixture
def serve() -> Iterator[Callable[..., None]]:
    """Serves applications in threads until the test ends: `serve(app, port=…)` or `serve(app, path=…)`."""
    stops: list[Callable[[], None]] = []

    def start(app: web.Application, **where: Any) -> None:
        stops.append(_serve_in_thread(app, **where))

    yield start
    for stop in reversed(stops):
        stop()


@pytest.fixture
def box(settings: Settings, token: str, serve: Callable[..., None]) -> Iterator[Box]:
    port = int(settings.listen.rpartition(":")[2])
    serve(create_app(settings), port=port)
    box = Box(settings, f"http://127.0.0.1:{port}", token)
    yield box
    box.session.close()
    box.database.close()


def _serve_in_thread(app: web.Application, *, port: int = 0, path: str = "") -> Callable[[], None]:
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, shutdown_timeout=1)
    failures: list[BaseException] = []
    ready = threading.Event()

    async def begin() -> None:
        await runner.setup()
        site = web.UnixSite(runner, path) if path else web.TCPSite(runner, "127.0.0.1", port)
        await site.start()

    def work() -> None:
        try:
            loop.run_until_complete(begin())
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            ready.set()
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(20)
    assert not failures, failures

    def stop() -> None:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)

    return stop


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def define(settings: Settings) -> Callable[..., Path]:
    """Writes one more definition into the catalog."""

    def write(name: str, *, images: bool = False, **files: str) -> Path:
        app_yml = APP_YML.format(name=name, title=name.title())
        if images:
            app_yml += "images:\n  web: {context: ./web}\n"
        folder = write_definition(settings.catalog_dir, name, **{"app_yml": app_yml, **files})
        if images:
            (folder / "docker-compose.yml").write_text('services:\n  web:\n    ports: ["HOST_PORT:80"]\n')
            (folder / "web").mkdir()
            (folder / "web" / "Dockerfile").write_text("FROM debian:bookworm-slim\n")
        return folder

    return write


@pytest.fixture
def installed(box: Box) -> Callable[..., App]:
    """Records an app as if its install had succeeded."""

    def record(identifier: str, app_id: int = 1, **fields: Any) -> App:
        now = datetime.now(UTC)
        app = App(
            **{
                "app_id": app_id,
                "identifier": identifier,
                "definition": "wiki",
                "title": "Wiki",
                "version": "1.0",
                "host_name": f"{identifier}.home.example",
                "host_port": 35000 + app_id,
                "state": AppState.RUNNING,
                "desired": DesiredState.RUNNING,
                "limits": Limits(memory_bytes=1024**3),
                "web": WebPort(),
                "created_at": now,
                "updated_at": now,
                **fields,
            }
        )
        with box.database.write() as connection:
            add_app(connection, app)
        return app

    return record


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Waits up to 10 s for something to become true, and gives it."""

    def wait(question: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 10
        while not (found := question()):
            assert time.monotonic() < deadline, "it did not become true within 10 s"
            time.sleep(0.02)
        return found

    return wait


@pytest.fixture
def listen(box: Any) -> Iterator[Callable[..., Stream]]:
    opened: list[requests.Response] = []

    def start(query: str = "", **headers: str) -> Stream:
        answer = box.call("GET", f"/v1/events{query}", headers=headers, stream=True)
        assert answer.status_code == 200, answer.text
        opened.append(answer)
        return Stream(answer)

    yield start
    for answer in opened:
        answer.close()


@pytest.fixture
def unsent(settings: Settings) -> Callable[[], int]:
    """How many queued jobs nobody has rung for."""
    database = Database(settings.database)

    def count() -> int:
        with database.read() as connection:
            return len(sendable(connection, limit=10, sent_before=datetime.now(UTC) - timedelta(hours=1)))

    return count
