"""A box without Docker: a real database, a real Valkey, real workers, and operations made for the test."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest

from homeport.models import Job, JobKind, JobState, Queue, StepRow
from homeport.settings import Settings
from homeport.state import jobs
from homeport.state.database import Database, migrate
from homeport.state.doorbell import Doorbell
from tests.integration.workers.operations import World
from workers.job import JobRunner
from workers.run import create_runner, run_workers


class Valkey(Protocol):
    url: str

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def client(self) -> Any: ...


class WorkerBox:
    """A database, a doorbell, and workers that the test starts and stops."""

    def __init__(self, folder: Path, valkey: Valkey) -> None:
        self.settings = Settings(
            state_dir=folder / "state",
            run_dir=folder / "run",
            catalog_dir=folder / "catalog",
            redis_url=valkey.url,
            lease_s=2,
            app_threads=2,
        )
        migrate(self.settings.database)
        self.database = Database(self.settings.database)
        self.doorbell = Doorbell(valkey.url)
        self.world = World()

    def runner(self) -> JobRunner:
        operations = dict.fromkeys(JobKind, self.world.operation)
        return create_runner(self.settings, threading.Event(), operations=operations)

    @contextmanager
    def workers(self) -> Iterator[JobRunner]:
        """Workers that take jobs; at the end they are stopped as by SIGTERM, and must end in time."""
        runner = self.runner()
        ended: list[bool] = []
        thread = threading.Thread(target=lambda: ended.append(run_workers(self.settings, runner)))
        thread.start()
        try:
            yield runner
        finally:
            runner.stopping.set()
            thread.join(15)
            assert ended == [True], "the workers did not stop in time"
            runner.database.close()

    def add(self, subject: str = "wiki", *, queue: Queue = Queue.APPS, **parameters: Any) -> Job:
        with self.database.write() as connection:
            return jobs.add_job(
                connection,
                id=uuid4().hex,
                kind=JobKind.INSTALL,
                subject=subject,
                queue=queue,
                parameters=parameters,
                now=datetime.now(UTC),
            )

    def send(self, subject: str = "wiki", *, queue: Queue = Queue.APPS, **parameters: Any) -> Job:
        job = self.add(subject, queue=queue, **parameters)
        assert self.doorbell.ring([job])
        return job

    def job(self, job: Job) -> Job:
        with self.database.read() as connection:
            found = jobs.find_job(connection, job.id)
        assert found is not None
        return found

    def steps(self, job: Job) -> list[StepRow]:
        with self.database.read() as connection:
            return jobs.job_steps(connection, job.id)

    def cancel(self, job: Job) -> None:
        with self.database.write() as connection:
            jobs.request_cancel(connection, job.id, datetime.now(UTC))

    def until(self, is_so: Callable[[], bool], *, within_s: float = 10) -> float:
        """How long it took until it was so."""
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < within_s, f"not so within {within_s} s"
            time.sleep(0.005)
        return time.monotonic() - began

    def until_ended(self, job: Job, *, within_s: float = 10) -> Job:
        self.until(lambda: self.job(job).state.is_terminal, within_s=within_s)
        return self.job(job)

    def until_state(self, job: Job, state: JobState, *, within_s: float = 10) -> None:
        self.until(lambda: self.job(job).state is state, within_s=within_s)


@pytest.fixture
def box(tmp_path: Path, valkey: Valkey) -> Iterator[WorkerBox]:
    box = WorkerBox(tmp_path, valkey)
    yield box
    box.world.gate.set()
    box.doorbell.close()
    box.database.close()
