"""A database of the test's own, and the requests that tests make of it."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from homeport.errors import Problem
from homeport.events import EventKind
from homeport.models import App, AppState, DesiredState, Job, JobState, Limits, Queue, StoredEvent, WebPort
from homeport.names import host_port
from homeport.state.accept import accept_install, accept_uninstall
from homeport.state.apps import add_app
from homeport.state.claims import claim_app
from homeport.state.database import Database
from homeport.state.events import events_after
from homeport.state.jobs import find_job, request_cancel
from homeport.state.journal import JobJournal
from homeport.state.leases import Lease, finish, hand_back, held_leases, reclaim_lost, take

PROBLEM = Problem(code="start_failed", what="It did not start.")


class Box:
    """The database with a clock that stands still until it is moved."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url)
        self.now = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def install(
        self, identifier: str = "wiki", *, app_id: int | None = None, ports: Sequence[int] = ()
    ) -> Job:
        with self.database.write() as conn:
            return accept_install(
                conn,
                job_id=uuid.uuid4().hex,
                identifier=identifier,
                host_name=f"{identifier}.localhost",
                app_id=app_id,
                definition="dokuwiki",
                queue=Queue.APPS,
                ports=ports,
                now=self.now,
            )

    def uninstall(self, identifier: str = "wiki") -> Job:
        with self.database.write() as conn:
            parameters = {"purge": True}
            return accept_uninstall(
                conn, job_id=uuid.uuid4().hex, identifier=identifier, parameters=parameters, now=self.now
            )

    def add_app(self, identifier: str = "wiki", **changed: Any) -> App:
        """An installed app with its claims."""
        with self.database.write() as conn:
            app_id = claim_app(
                conn, job_id="old", identifier=identifier, host_names=[f"{identifier}.localhost"], app_id=None
            )
            fields = {
                "app_id": app_id,
                "identifier": identifier,
                "definition": "dokuwiki",
                "title": "DokuWiki",
                "version": "1.0",
                "host_name": f"{identifier}.localhost",
                "host_port": host_port(app_id),
                "state": AppState.RUNNING,
                "desired": DesiredState.RUNNING,
                "limits": Limits(cpus=0.5, memory_bytes=2**33),
                "web": WebPort(path="/wiki"),
                "created_at": self.now,
                "updated_at": self.now,
            }
            app = App(**{**fields, **changed})
            add_app(conn, app)
        return app

    def take(self, job: Job, *, owner: str = "w1", ttl_s: float = 15) -> Lease | None:
        with self.database.write() as conn:
            return take(conn, job.id, owner=owner, ttl_s=ttl_s, now=self.now)

    def taken(self, job: Job, *, owner: str = "w1") -> Lease:
        lease = self.take(job, owner=owner)
        assert lease is not None
        return lease

    def hand_back(self, lease: Lease) -> None:
        with self.database.write() as conn:
            hand_back(conn, lease, self.now)

    def finish(self, lease: Lease, state: JobState = JobState.SUCCEEDED) -> list[str]:
        problem = None if state is JobState.SUCCEEDED else PROBLEM
        with self.database.write() as conn:
            return finish(conn, lease, state=state, problem=problem, result=None, now=self.now)

    def reclaim(self, *, max_losses: int = 3) -> list[str]:
        """The steward's look, if its clock has gone as the box's has since each worker's last word."""
        with self.database.write() as conn:
            lost = [held for held in held_leases(conn) if held.lease_until < self.now]
            return reclaim_lost(conn, lost, now=self.now, max_losses=max_losses)

    def cancel(self, job: Job) -> Job:
        with self.database.write() as conn:
            return request_cancel(conn, job.id, self.now)

    def job(self, job: Job) -> Job:
        with self.database.read() as conn:
            found = find_job(conn, job.id)
        assert found is not None
        return found

    def journal(self, lease: Lease) -> JobJournal:
        return JobJournal(
            self.database, lease, log=lambda _line: None, now=lambda: self.now, publish=lambda: None
        )

    def events(self, job: Job | None = None) -> list[StoredEvent]:
        with self.database.read() as conn:
            return events_after(conn, 0, job=job.id if job else None)

    def kinds(self, job: Job) -> list[EventKind]:
        return [EventKind(event.kind) for event in self.events(job)]
