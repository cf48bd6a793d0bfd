"""The steward's duties on a real database and a real Valkey, and its socket."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from homeport.host.engine import ContainerState
from homeport.models import JobState
from homeport.state import leases
from tests.integration.workers.conftest import Valkey, WorkerBox
from tests.unit.workers.fakes import container_state
from workers.routing import create_routes
from workers.steward.app_logs import AppLogs, serve
from workers.steward.outbox import send_queued
from workers.steward.reclaim import LeaseWatch, reclaim_lost
from workers.steward.routes import RouteKeeper
from workers.steward.run import create_duties


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def duties(box: WorkerBox) -> Iterator[None]:
    stopping = threading.Event()
    keeper = RouteKeeper(routes=create_routes(box.settings, box.database), now=now)
    running = create_duties(box.settings, box.database, box.doorbell, keeper, stopping)
    for duty in running:
        duty.start()
    try:
        yield
    finally:
        stopping.set()
        assert all(duty.join(5) for duty in running)


def test_a_job_for_which_nobody_rang_is_sent(box: WorkerBox) -> None:
    job = box.add("wiki")

    with box.workers(), duties(box):
        ended = box.until_ended(job, within_s=5)

    assert ended.state is JobState.SUCCEEDED


def test_a_queued_job_is_sent_again_after_redis_was_emptied(box: WorkerBox, valkey: Valkey) -> None:
    job = box.add("wiki")
    send_queued(box.database, box.doorbell, now)
    with valkey.client() as client:
        client.flushall()

    with box.workers(), duties(box):
        ended = box.until_ended(job, within_s=8)

    assert ended.state is JobState.SUCCEEDED


def test_a_message_that_lies_in_its_queue_is_not_sent_twice(box: WorkerBox, valkey: Valkey) -> None:
    box.add("wiki")

    send_queued(box.database, box.doorbell, now)
    send_queued(box.database, box.doorbell, lambda: now() + timedelta(minutes=1))

    with valkey.client() as client:
        assert client.llen("dramatiq:apps") == 1


def test_jobs_stay_unsent_while_redis_is_away(box: WorkerBox, valkey: Valkey) -> None:
    box.add("wiki")
    valkey.kill()

    sent = send_queued(box.database, box.doorbell, now)

    valkey.start()
    assert sent == 0
    assert send_queued(box.database, box.doorbell, now) == 1


def test_a_job_of_a_silent_worker_is_carried_out_by_another(box: WorkerBox) -> None:
    job = box.add("wiki")
    with box.database.write() as connection:
        assert leases.take(connection, job.id, owner="dead", ttl_s=1, now=now())

    with box.workers(), duties(box):
        ended = box.until_ended(job, within_s=10)

    assert ended.state is JobState.SUCCEEDED


def test_a_job_that_brought_its_worker_down_too_often_is_turned_back(box: WorkerBox) -> None:
    job = box.add("wiki")
    watch = LeaseWatch(lease_s=0)
    for _ in range(box.settings.worker_losses):
        with box.database.write() as connection:
            assert leases.take(connection, job.id, owner="dead", ttl_s=15, now=now())
        reclaim_lost(box.database, box.doorbell, watch, now, max_losses=box.settings.worker_losses)

    with box.workers(), duties(box):
        ended = box.until_ended(job)

    assert ended.state is JobState.FAILED
    assert ended.problem is not None
    assert ended.problem.code == "worker_lost"


class Stream:
    """A container's log: some lines, and then silence until it is closed."""

    def __init__(self, lines: Sequence[bytes], *, follow: bool) -> None:
        self._lines = lines
        self._closed = threading.Event()
        if not follow:
            self._closed.set()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        yield from self._lines
        self._closed.wait(30)

    def close(self) -> None:
        self._closed.set()


class LogEngine:
    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.container = container_state("wiki", "homeport-wiki", {"homeport.app": "wiki"})

    def containers(self, labels: dict[str, str]) -> list[ContainerState]:
        return [self.container] if labels == self.container.labels else []

    def container_named(self, _name: str) -> ContainerState:
        return self.container

    def stream_log(self, _id: str, *, tail: int, follow: bool, since: float | None) -> Stream:
        stream = Stream([b"line %d" % number for number in range(tail)], follow=follow)
        self.streams.append(stream)
        return stream


def ask(folder: Path, engine: LogEngine, path: str, *, read: int = -1) -> tuple[int, str]:
    """One request to the socket; a reader that wants `read` bytes goes away after them."""

    async def run() -> tuple[int, str]:
        socket = folder / "s.sock"
        until = asyncio.get_running_loop().create_future()
        fake: Any = engine
        serving = asyncio.create_task(
            serve(AppLogs(fake, lambda: "away").application(), socket, "nobody-of-this-name", until)
        )
        while not socket.exists():
            await asyncio.sleep(0.01)
        connector = aiohttp.UnixConnector(str(socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://steward{path}") as answer,
        ):
            text = (await answer.content.readexactly(read) if read >= 0 else await answer.read()).decode()
            status = answer.status
        await asyncio.sleep(1.5)
        until.set_result(None)
        await serving
        return status, text

    return asyncio.run(run())


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def test_an_apps_log_names_the_service_of_every_line(short_path: Path) -> None:
    assert ask(short_path, LogEngine(), "/apps/wiki/logs?tail=2") == (200, "web | line 0\nweb | line 1\n")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/apps/nobody/logs", 404),
        ("/apps/wiki/logs?service=db", 404),
        ("/apps/wiki/logs?tail=10001", 422),
        ("/apps/wiki/logs?tail=-1", 422),
        ("/apps/..%2Fwiki/logs", 404),
    ],
)
def test_a_wrong_request_is_told_as_a_problem(short_path: Path, path: str, status: int) -> None:
    found, text = ask(short_path, LogEngine(), path)

    assert found == status
    assert '"code"' in text


def test_the_reading_ends_when_the_client_goes(short_path: Path) -> None:
    engine = LogEngine()

    ask(short_path, engine, "/apps/wiki/logs?tail=1&follow=1", read=13)

    assert all(stream._closed.is_set() for stream in engine.streams)
    assert not [thread for thread in threading.enumerate() if "_read" in thread.name]
