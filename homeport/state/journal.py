"""A job's journal: its steps, written down under its lease."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from homeport.errors import Problem
from homeport.events import EventKind
from homeport.jobs import app_of
from homeport.models import JobState, StepRow, StepState
from homeport.plans import Journal
from homeport.state.database import Database
from homeport.state.events import append
from homeport.state.jobs import job_steps
from homeport.state.leases import Lease, check_lease
from homeport.state.schema import JOBS, STEPS

_SHOWN_SHARE: Final = 0.01
_SHOWN_S: Final = 0.5


@contextmanager
def under_lease(database: Database, lease: Lease) -> Iterator[Connection]:
    """A transaction of the worker that holds the lease; whatever a job writes, it writes in one of these.

    Raises:
        LeaseLostError: another worker holds the job; nothing is written.
    """
    with database.write() as connection:
        check_lease(connection, lease)
        yield connection


class JobJournal(Journal):
    """The journal of one job, for the worker that holds its lease.

    Every write is one transaction that first checks the lease. Progress is thinned out: it is written where
    it moved by a hundredth, or half a second after the last time.

    Args:
        database: where it is written.
        lease: the worker's right to write.
        log: takes a line for the job's log.
        now: the time.
        publish: called after each commit that appended an event.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        log: Callable[[str], None],
        now: Callable[[], datetime],
        publish: Callable[[], object],
    ) -> None:
        self._database = database
        self._lease = lease
        self._log = log
        self._now = now
        self._publish = publish
        self._shown = -1.0
        self._shown_at: datetime | None = None
        self._told: tuple[str, float, str] | None = None

    def steps(self) -> Sequence[StepRow]:
        """See `Journal.steps`."""
        with self._database.read() as conn:
            return job_steps(conn, self._lease.job_id)

    def begun(self, step: str) -> None:
        """See `Journal.begun`."""
        with self._writing() as (conn, now):
            known = conn.execute(
                update(STEPS)
                .where(self._is_row_of(step))
                .values(state=StepState.RUNNING, attempts=STEPS.c.attempts + 1, detail="", finished_at=None)
            )
            if known.rowcount == 0:
                self._insert(conn, step, now)
            self._set_job(conn, step=step, detail="")
            self._append_step(conn, step, StepState.RUNNING, now)

    def saved(self, step: str, record: Mapping[str, Any]) -> None:
        """See `Journal.saved`."""
        with under_lease(self._database, self._lease) as conn:
            conn.execute(update(STEPS).where(self._is_row_of(step)).values(record=dict(record)))

    def done(self, step: str, record: Mapping[str, Any]) -> None:
        """See `Journal.done`."""
        self._end(step, StepState.DONE, record=dict(record))

    def failed(self, step: str, problem: Problem) -> None:
        """See `Journal.failed`."""
        self._end(step, StepState.FAILED, detail=problem.what)

    def undoing(self, problem: Problem) -> None:
        """See `Journal.undoing`; outlives this worker."""
        with self._writing() as (conn, now):
            self._set_job(conn, state=JobState.UNDOING, turned_back=problem.as_json(), detail=problem.what)
            self._append_progress(conn, now)

    def undone(self, step: str) -> None:
        """See `Journal.undone`."""
        self._end(step, StepState.UNDONE)

    def progress(self, step: str, overall: float, detail: str) -> None:
        """See `Journal.progress`; never falls, also when a job is resumed."""
        now, told = self._now(), (step, overall, detail)
        if told == self._told:
            return
        waited_s = (now - self._shown_at).total_seconds() if self._shown_at else _SHOWN_S
        if overall - self._shown < _SHOWN_SHARE and waited_s < _SHOWN_S:
            return
        with self._writing() as (conn, _):
            stored = conn.execute(select(JOBS.c.progress).where(self._is_job())).scalar_one()
            self._set_job(conn, progress=max(stored, overall), step=step, detail=detail)
            self._append_progress(conn, now)
        self._shown, self._shown_at, self._told = overall, now, told

    def log(self, line: str) -> None:
        """See `Journal.log`."""
        self._log(line)

    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection, datetime]]:
        """A transaction under the lease that appends an event, and the news of it."""
        with under_lease(self._database, self._lease) as conn:
            yield conn, self._now()
        self._publish()

    def _end(self, step: str, state: StepState, **values: Any) -> None:
        with self._writing() as (conn, now):
            query = update(STEPS).where(self._is_row_of(step))
            conn.execute(query.values(state=state, finished_at=now, **values))
            self._append_step(conn, step, state, now)

    def _insert(self, conn: Connection, step: str, now: datetime) -> None:
        begun = select(func.count()).where(STEPS.c.job_id == self._lease.job_id)
        values = {
            "job_id": self._lease.job_id,
            "name": step,
            "position": conn.execute(begun).scalar_one(),
            "state": StepState.RUNNING,
            "started_at": now,
            "attempts": 1,
            "detail": "",
            "record": {},
        }
        conn.execute(insert(STEPS), values)

    def _set_job(self, conn: Connection, **values: Any) -> None:
        conn.execute(update(JOBS).where(self._is_job()).values(**values))

    def _append_step(self, conn: Connection, step: str, state: StepState, now: datetime) -> None:
        self._append(conn, EventKind.JOB_STEP, {"step": step, "state": state.value}, now)

    def _append_progress(self, conn: Connection, now: datetime) -> None:
        query = select(JOBS.c.progress, JOBS.c.step, JOBS.c.detail, JOBS.c.state).where(self._is_job())
        row = conn.execute(query).one()
        self._append(conn, EventKind.JOB_PROGRESS, {**row._mapping, "state": row.state.value}, now)

    def _append(self, conn: Connection, kind: EventKind, facts: Mapping[str, Any], now: datetime) -> None:
        row = conn.execute(select(JOBS.c.kind, JOBS.c.subject).where(self._is_job())).one()
        append(conn, kind, app=app_of(row.kind, row.subject), job=self._lease.job_id, facts=facts, now=now)

    def _is_job(self) -> ColumnElement[bool]:
        return JOBS.c.id == self._lease.job_id

    def _is_row_of(self, step: str) -> ColumnElement[bool]:
        return and_(STEPS.c.job_id == self._lease.job_id, STEPS.c.name == step)
