"""Running one job: take its lease, carry out its plan, write down how it ended, wake who waited for it."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from homeport.errors import HandedBackError, HomeportError, LeaseLostError
from homeport.jobs import app_of
from homeport.logs import bound
from homeport.models import Job, JobKind
from homeport.settings import Settings
from homeport.state import jobs, leases, outbox
from homeport.state.database import Database
from homeport.state.doorbell import Doorbell
from homeport.state.fail_points import fail_points_in
from homeport.state.journal import JobJournal
from homeport.state.leases import Lease
from homeport.state.reserve import MAKES_ROOM, draw_on_reserve, is_short
from workers.job_log import JobLog
from workers.job_run import JobRun
from workers.lease_keeper import LeaseKeeper, RunningControl, UndoingControl
from workers.operation import Operation
from workers.process import owner_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JobRunner:
    """Runs jobs by id, in whatever thread calls it.

    `operations` has one entry per kind; `stopping` is set when the process is about to end; `now` gives
    aware times in UTC.
    """

    settings: Settings
    database: Database
    doorbell: Doorbell
    operations: Mapping[JobKind, Operation]
    stopping: threading.Event
    now: Callable[[], datetime]

    def run(self, job_id: str) -> None:
        """Runs the job to its end, or not at all: where it has ended, runs elsewhere or must wait.

        No exception leaves it: a job that cannot be carried out is failed with the reason, and one that
        cannot even be written to is left to whoever finds its lease expired.
        """
        if self.stopping.is_set():
            return
        try:
            self._make_way(job_id)
            taken = self._take(job_id)
        except HomeportError as error:
            _log.warning("job %s was not begun: %s", job_id, error)
            return
        if taken is not None:
            job, lease = taken
            with bound(job=job.id, app=app_of(job.kind, job.subject)):
                self._run_leased(job, lease)

    def _make_way(self, job_id: str) -> None:
        """Draws on the reserve where the disk is full and the job will make room, or is turned back."""
        if not is_short(self.settings):
            return
        with self.database.read() as connection:
            job = jobs.find_job(connection, job_id)
        if job is not None and (job.kind in MAKES_ROOM or job.problem is not None):
            draw_on_reserve(self.settings)

    def _take(self, job_id: str) -> tuple[Job, Lease] | None:
        with self.database.write() as connection:
            lease = leases.take(
                connection,
                job_id,
                owner=owner_name(),
                ttl_s=self.settings.lease_s,
                now=self.now(),
                max_losses=self.settings.worker_losses,
            )
            job = jobs.find_job(connection, job_id) if lease else None
        self.doorbell.announce()
        return (job, lease) if job and lease else None

    def _run_leased(self, job: Job, lease: Lease) -> None:
        _log.info("%s begins, attempt %d", job.kind, job.attempt)
        control = RunningControl(self.stopping)
        if job.cancel_requested:  # while it was queued again: the keeper would see it, but may be too late
            control.cancelled.set()
        keeper = LeaseKeeper(self.database, lease, control, lease_s=self.settings.lease_s, now=self.now)
        try:
            with keeper, closing(self._log_of(job)) as log:
                run = JobRun(
                    job=job,
                    lease=lease,
                    database=self.database,
                    journal=self._journal(lease, log),
                    control=control,
                    undo_control=UndoingControl(control, self.stopping),
                    now=self.now,
                    make_way=partial(draw_on_reserve, self.settings),
                    stall_s=self.settings.stall_s,
                    fail_points=fail_points_in(self.settings.fail_points),
                )
                waiting = run.to_its_end(self.operations)
        except HandedBackError:
            self._hand_back(lease)
        except LeaseLostError:
            _log.warning("%s: another worker holds it now", job.kind)
        except BaseException:
            _log.exception("%s could not be written down; its lease will expire", job.kind)
        else:
            _log.info("%s ended", job.kind)
            self._wake(waiting)

    def _log_of(self, job: Job) -> JobLog:
        return JobLog(
            self.settings.jobs_dir / f"{job.id}.log",
            limit_bytes=self.settings.job_log_max_bytes,
            user=self.settings.api_user,
            now=self.now,
        )

    def _journal(self, lease: Lease, log: JobLog) -> JobJournal:
        return JobJournal(self.database, lease, log=log.write, now=self.now, publish=self.doorbell.announce)

    def _hand_back(self, lease: Lease) -> None:
        try:
            with self.database.write() as connection:
                leases.hand_back(connection, lease, self.now())
        except HomeportError as error:
            _log.warning("the job was not handed back, its lease will expire: %s", error)
            return
        _log.info("handed back")
        self._wake([lease.job_id])  # to the next worker; this one fetches nothing any more

    def _wake(self, job_ids: list[str]) -> None:
        """Announces what was written, and sends the jobs that may run now; else the outbox will."""
        self.doorbell.announce()
        if not job_ids:
            return
        try:
            with self.database.read() as connection:
                found = [jobs.find_job(connection, job_id) for job_id in job_ids]
            if self.doorbell.ring([job for job in found if job is not None]):
                with self.database.write() as connection:
                    outbox.mark_sent(connection, job_ids, self.now())
        except HomeportError as error:
            _log.warning("waiting jobs were not sent, the outbox will: %s", error)
