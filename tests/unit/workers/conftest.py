"""An app's whole life on a machine in memory; files and the database lie in a folder of the test's own."""

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from homeport.caches import Ecosystem
from homeport.models import SHIPPED, App, Catalog, CatalogKind, Job, JobState, Queue
from homeport.plans import Control, Outcome, run_plan
from homeport.settings import Settings
from homeport.state import accept, apps, catalogs, jobs, leases
from homeport.state.database import Database, migrate
from homeport.state.journal import JobJournal, under_lease
from homeport.state.schema import CLAIMS, JOBS
from homeport.state.uploads import upload_path
from tests.unit.workers.fakes import Machine
from workers.operation import RunningJob
from workers.operations import operations_with

NOW = datetime(2026, 1, 1, tzinfo=UTC)

APP_YML = """
name: notes
title: Notes
version: "1.0"
web: {service: web, port: 80}
images: {web: {context: ./web}}
data: [files]
"""
TEMPLATE = """
services:
  web: {volumes: ["./files:/files"], depends_on: [db]}
  db: {image: "database:1", volumes: ["store:/store"]}
volumes: {store: {}}
"""


class NoStop:
    def check(self) -> None:
        pass


class Household:
    """A catalog with one definition, a machine, and its database."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            state_dir=folder / "state", run_dir=folder / "run", catalog_dir=folder / "catalog"
        )
        migrate(self.settings.database)
        self.database = Database(self.settings.database)
        self.machine = Machine(self.settings, self.database)
        self.machine.engine.registry.add("database:1")
        definition = self.settings.catalog_dir / "notes"
        (definition / "web").mkdir(parents=True)
        (definition / "app.yml").write_text(APP_YML)
        (definition / "docker-compose.yml").write_text(TEMPLATE)
        (definition / "web" / "Dockerfile").write_text("FROM scratch\n")
        self.project_dir = self.settings.projects_dir / "notes"

    def accept_install(
        self, *, upload: Mapping[str, str] | None = None, permissions: Sequence[str] = (),
        settings: Mapping[str, str] | None = None, catalog: str = SHIPPED,
    ) -> Job:  # fmt: skip
        """An install of a catalog's notes, or of an archive of these files, by their paths."""
        job_id = uuid4().hex
        if upload is not None:
            self.store_upload(job_id, upload)
        with self.database.write() as connection:
            return accept.accept_install(
                connection, job_id=job_id, identifier="notes", host_name="notes.localhost", app_id=None,
                definition="notes", queue=Queue.BUILDS, now=NOW, catalog=None if upload else catalog,
                upload=job_id if upload else None, permissions=permissions, settings=settings,
            )  # fmt: skip

    def store_upload(self, job_id: str, files: Mapping[str, str]) -> None:
        self.settings.uploads_dir.mkdir(exist_ok=True)
        with tarfile.open(upload_path(self.settings.uploads_dir, job_id), "w") as archive:
            for path, text in files.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))

    def install(self, control: Control | None = None) -> Outcome:
        return self.run(self.accept_install(), control)

    def uninstall(self, control: Control | None = None, **parameters: Any) -> Outcome:
        return self.run(self.accept_uninstall(**parameters), control)

    def accept_uninstall(self, **parameters: Any) -> Job:
        with self.database.write() as connection:
            return accept.accept_uninstall(
                connection, job_id=uuid4().hex, identifier="notes", parameters=parameters, now=NOW
            )

    def run_next(self) -> tuple[Job, Outcome]:
        """The job that was queued first, and how it ended."""
        with self.database.read() as connection:
            query = select(JOBS.c.id).where(JOBS.c.state == JobState.QUEUED).order_by(JOBS.c.seq)
            job = jobs.find_job(connection, connection.execute(query).scalars().first() or "")
        assert job is not None
        return job, self.run(job)

    def accept_build(
        self, *, upload: Mapping[str, str] | None = None, name: str = "notes",
        settings: Mapping[str, str] | None = None,
    ) -> Job:  # fmt: skip
        """A build of the catalog's definition, or of an archive of these files, by their paths."""
        job_id = uuid4().hex
        if upload is not None:
            self.store_upload(job_id, upload)
        with self.database.write() as connection:
            return accept.accept_build(
                connection, job_id=job_id, definition=None if upload else name,
                upload=job_id if upload else None, name=name, queue=Queue.BUILDS, now=NOW, settings=settings,
            )  # fmt: skip

    def add_catalog(self, name: str) -> None:
        with self.database.write() as connection:
            catalogs.add_catalog(
                connection, name=name, kind=CatalogKind.FOLDER, source=f"/srv/{name}", now=NOW
            )

    def catalog(self, name: str) -> Catalog:
        with self.database.read() as connection:
            found = catalogs.find_catalog(connection, name)
        assert found is not None
        return found

    def accept_refresh(self, *names: str) -> Job:
        with self.database.write() as connection:
            return accept.accept_refresh(connection, job_id=uuid4().hex, catalogs=names, now=NOW)

    def trim(self, *ecosystems: Ecosystem, to_bytes: int = 0) -> Outcome:
        with self.database.write() as connection:
            job = accept.accept_trim(
                connection, job_id=uuid4().hex, ecosystems=ecosystems, to_bytes=to_bytes, now=NOW
            )
        return self.run(job)

    def run(self, job: Job, control: Control | None = None) -> Outcome:
        """One run of the job, as a worker would do it."""
        with self.database.write() as connection:
            lease = leases.take(connection, job.id, owner="test", ttl_s=60, now=NOW)
        assert lease is not None
        self.log: list[str] = []
        journal = JobJournal(self.database, lease, log=self.log.append, now=lambda: NOW, publish=lambda: None)
        running = RunningJob(job=job, steps=journal.steps, writing=partial(under_lease, self.database, lease))
        plan, context = operations_with(self.machine.tools)[job.kind](running)
        try:
            outcome = run_plan(plan, context, journal, control or NoStop(), turned_back=job.problem)
        except BaseException:
            with self.database.write() as connection:
                leases.hand_back(connection, lease, NOW)
            raise
        with self.database.write() as connection:
            if outcome.problem is not None:
                context.give_up(connection)
            state = JobState(outcome.ending.value)
            self.result = context.result() if outcome.problem is None else None
            leases.finish(
                connection, lease, state=state, problem=outcome.problem, result=self.result, now=NOW
            )
        return outcome

    def app(self) -> App | None:
        with self.database.read() as connection:
            return apps.find_app(connection, "notes")

    def left(self) -> dict[str, Any]:
        """Everything of the app that is anywhere, images apart."""
        with self.database.read() as connection:
            claimed = [row.kind for row in connection.execute(CLAIMS.select())]
        engine = self.machine.engine
        found: dict[str, Any] = {
            "app": self.app(),
            "claims": claimed,
            "containers": sorted(engine.live),
            "networks": sorted(engine.nets),
            "volumes": sorted(engine.vols),
            "reserved": sorted(self.machine.reserved),
            "routes": sorted(self.machine.proxy.served),
            "files": sorted(path.name for path in self.settings.projects_dir.glob("*")),
            "sources": [
                path.name
                for folder in (self.settings.state_dir / "unpacked", self.settings.uploads_dir)
                for path in folder.glob("*")
            ],
        }
        return {name: things for name, things in found.items() if things}


@pytest.fixture
def household(tmp_path: Path) -> Iterator[Household]:
    household = Household(tmp_path)
    yield household
    household.database.close()
