"""The jobs: adding, finding, listing and cancelling them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from homeport.errors import CancelledError, NotFoundError, NotPossibleNowError, Problem
from homeport.events import EventKind
from homeport.jobs import APP_JOBS, app_of, shown_subject
from homeport.models import Job, JobKind, JobState, Queue, StepRow
from homeport.state.claims import release_claims_of
from homeport.state.events import append
from homeport.state.prepared import Prepared
from homeport.state.schema import JOBS, STEPS

_INSERT: Final = Prepared(
    insert(JOBS).returning(JOBS.c.seq),
    (
        *("id", "kind", "subject", "queue", "parameters", "state", "progress", "step", "detail"),
        *("attempt", "cancel_requested", "created_at", "fence", "losses"),
    ),
)


def add_job(
    conn: Connection,
    *,
    id: str,  # noqa: A002 - the job's own word for it
    kind: JobKind,
    subject: str,
    queue: Queue,
    parameters: Mapping[str, Any],
    now: datetime,
) -> Job:
    """Queues a job, with the event that says so."""
    values: dict[str, Any] = {
        "id": id,
        "kind": kind,
        "subject": subject,
        "queue": queue,
        "parameters": dict(parameters),
        "state": JobState.QUEUED,
        "progress": 0.0,
        "step": "",
        "detail": "",
        "attempt": 0,
        "cancel_requested": False,
        "created_at": now,
    }
    ((seq,),) = _INSERT.rows(conn, {**values, "fence": 0, "losses": 0})
    append_queued(conn, job_id=id, kind=kind, subject=subject, attempt=0, now=now)
    return Job(seq=int(seq), **values)


def find_job(conn: Connection, job_id: str) -> Job | None:
    """The job of that id."""
    row = conn.execute(select(JOBS).where(JOBS.c.id == job_id)).first()
    return None if row is None else job_of(row)


def list_jobs(
    conn: Connection,
    *,
    before_seq: int | None,
    limit: int,
    app: str | None = None,
    state: JobState | None = None,
) -> list[Job]:
    """Jobs, newest first: those older than `before_seq`, of one app, in one state."""
    query = select(JOBS).order_by(JOBS.c.seq.desc()).limit(limit)
    if before_seq is not None:
        query = query.where(JOBS.c.seq < before_seq)
    if app is not None:
        query = query.where(JOBS.c.subject == app, JOBS.c.kind.in_(APP_JOBS))
    if state is not None:
        query = query.where(JOBS.c.state == state)
    return [job_of(row) for row in conn.execute(query)]


def job_steps(conn: Connection, job_id: str) -> list[StepRow]:
    """The job's steps that have begun, in the plan's order."""
    query = select(STEPS).where(STEPS.c.job_id == job_id).order_by(STEPS.c.position)
    return [_step(row) for row in conn.execute(query)]


def count_jobs(conn: Connection) -> dict[tuple[JobKind, JobState], int]:
    """How many jobs there are of each kind in each state, where there are any."""
    query = select(JOBS.c.kind, JOBS.c.state, func.count()).group_by(JOBS.c.kind, JOBS.c.state)
    return {(kind, state): count for kind, state, count in conn.execute(query)}


def request_cancel(conn: Connection, job_id: str, now: datetime) -> Job:
    """Cancels a job: at once where no step of it has begun, else by asking its worker to turn back.

    A waiting install that is cancelled at once gives back what it had claimed. Asking twice is harmless.

    Raises:
        NotFoundError: there is no such job.
        NotPossibleNowError: it has ended.
    """
    job = find_job(conn, job_id)
    if job is None:
        raise no_such_job(job_id)
    if job.state.is_terminal:
        has_made_an_app = job.kind is JobKind.INSTALL and job.state is JobState.SUCCEEDED
        raise NotPossibleNowError(
            f"The {job.kind} of {shown_subject(job.subject)!r} has ended: it {_ENDED[job.state]}.",
            why="Only a job that waits or runs can be cancelled.",
            remedy="Uninstall the app, if it is not wanted." if has_made_an_app else "",
            state=job.state.value,
        )
    # What had begun and was handed back has something to undo, so a worker must take it once more.
    untouched = job.state is JobState.QUEUED and job.problem is None and not job_steps(conn, job_id)
    if untouched:
        _end_untouched(conn, job, now)
    else:
        conn.execute(update(JOBS).where(JOBS.c.id == job_id).values(cancel_requested=True))
    cancelled = find_job(conn, job_id)
    return job if cancelled is None else cancelled


_ENDED: Final = {
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "was cancelled",
}


def _end_untouched(conn: Connection, job: Job, now: datetime) -> None:
    what = f"The {job.kind} of {shown_subject(job.subject)!r} was cancelled before it began."
    problem = CancelledError(what).problem()
    problem = problem.with_restored("Nothing had been changed.")
    conn.execute(
        update(JOBS)
        .where(JOBS.c.id == job.id)
        .values(
            state=JobState.CANCELLED,
            cancel_requested=True,
            problem=problem.as_json(),
            waiting_for=None,
            finished_at=now,
        )
    )
    if job.kind is JobKind.INSTALL:
        release_claims_of(conn, job.id)
    append_finished(conn, job, state=JobState.CANCELLED, problem=problem, now=now)
    release_waiting(conn, job.id)


def release_waiting(conn: Connection, job_id: str) -> list[str]:
    """Lets the jobs that waited for this one be sent again, as new messages; their ids by arrival."""
    waiting = select(JOBS.c.id).where(JOBS.c.waiting_for == job_id).order_by(JOBS.c.seq)
    released = list(conn.execute(waiting).scalars())
    if released:
        conn.execute(
            update(JOBS)
            .where(JOBS.c.waiting_for == job_id)
            .values(waiting_for=None, attempt=JOBS.c.attempt + 1, sent_at=None)
        )
    return released


def append_queued(
    conn: Connection, *, job_id: str, kind: JobKind, subject: str, attempt: int, now: datetime
) -> None:
    """Writes down that a job is queued, for the first time or again."""
    facts = {"kind": kind.value, "subject": subject, "attempt": attempt}
    append(conn, EventKind.JOB_QUEUED, app=app_of(kind, subject), job=job_id, facts=facts, now=now)


def append_finished(
    conn: Connection, job: Job, *, state: JobState, problem: Problem | None, now: datetime
) -> None:
    """Writes down how a job ended."""
    facts = {
        "kind": job.kind.value,
        "subject": job.subject,
        "state": state.value,
        "problem": problem.as_json() if problem else None,
    }
    app = app_of(job.kind, job.subject)
    append(conn, EventKind.JOB_FINISHED, app=app, job=job.id, facts=facts, now=now)


def no_such_job(job_id: str) -> NotFoundError:
    """The error for a job that is not there."""
    return NotFoundError(
        f"There is no job {job_id!r}.",
        remedy="`homeport jobs` lists those that are kept.",
        kind="job",
        name=job_id,
    )


def job_of(row: Row[Any]) -> Job:
    """The job of a row of all of the table's columns; its problem may be what it is being undone for."""
    problem = row.problem if row.problem is not None else row.turned_back
    return Job(
        id=row.id,
        seq=row.seq,
        kind=row.kind,
        subject=row.subject,
        queue=row.queue,
        parameters=row.parameters,
        state=row.state,
        progress=row.progress,
        step=row.step,
        detail=row.detail,
        waiting_for=row.waiting_for,
        attempt=row.attempt,
        cancel_requested=row.cancel_requested,
        result=row.result,
        problem=Problem.from_json(problem) if problem is not None else None,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _step(row: Row[Any]) -> StepRow:
    return StepRow(
        name=row.name,
        state=row.state,
        started_at=row.started_at,
        finished_at=row.finished_at,
        attempts=row.attempts,
        detail=row.detail,
        record=row.record,
    )
