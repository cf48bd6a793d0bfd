"""Who carries out a job: one worker at a time, one job per subject at a time, in order of arrival.

A lease has a fencing number that grows with every take. Whatever its holder writes names owner and number,
so a worker that was thought dead and wakes up late is refused. Nothing here compares a lease with the wall's
clock, which may jump: who looks for lost workers says which leases are lost.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, case, or_, select, update

from homeport.errors import LeaseLostError, Problem, WorkerLostError
from homeport.events import EventKind
from homeport.jobs import app_of, shown_subject
from homeport.models import JobKind, JobState, StepState
from homeport.state.claims import release_claims_of
from homeport.state.events import append
from homeport.state.jobs import append_finished, append_queued, job_of, job_steps, release_waiting
from homeport.state.schema import APPS, JOBS

_ACTIVE: Final = (JobState.RUNNING, JobState.UNDOING)
_HELD: Final[list[ColumnElement[Any]]] = [JOBS.c.id, JOBS.c.owner, JOBS.c.fence, JOBS.c.lease_until]


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A worker's right to carry out a job, until it is lost."""

    job_id: str
    owner: str
    fence: int


@dataclass(frozen=True, kw_only=True)
class Held:
    """A lease as its row stands; another after every heartbeat."""

    job_id: str
    owner: str
    fence: int
    lease_until: datetime


def take(
    conn: Connection, job_id: str, *, owner: str, ttl_s: float, now: datetime, max_losses: int | None = None
) -> Lease | None:
    """Takes a job, if it is this job's turn.

    None: it is gone, ended, held by a worker, or another job of its subject comes first; in that case the job
    is marked as waiting for that one, and `finish` gives it back to be sent again. A job that had turned back
    goes on undoing: its state is `undoing` and its problem says why.

    A job that may not lose its worker once more runs beside no other of that kind: when the worker goes down
    with both, nobody knows which of them it was, and one would fail for the other.

    Args:
        conn: a transaction that writes.
        job_id: the job.
        owner: the worker's name, unique to the process.
        ttl_s: how long the lease lasts without a heartbeat, in seconds; it is written down for people, since
            who looks for silent workers measures by a clock of its own.
        now: the time.
        max_losses: how often a job may lose its worker; None: it does not matter.
    """
    row = conn.execute(select(JOBS).where(JOBS.c.id == job_id).with_for_update()).first()
    if row is None or row.state.is_terminal:
        return None
    if row.state in _ACTIVE:  # also where its worker is silent: `reclaim_lost` alone counts losses
        return None
    if (blocking := _blocking(conn, row) or _suspect(conn, row, max_losses)) is not None:
        _wait(conn, row, blocking, now)
        return None
    lease = Lease(job_id=job_id, owner=owner, fence=row.fence + 1)
    conn.execute(
        update(JOBS)
        .where(JOBS.c.id == job_id)
        .values(
            state=JobState.RUNNING if row.turned_back is None else JobState.UNDOING,
            owner=owner,
            fence=lease.fence,
            lease_until=now + timedelta(seconds=ttl_s),
            waiting_for=None,
            started_at=row.started_at or now,
        )
    )
    facts = {"attempt": row.attempt}
    append(conn, EventKind.JOB_STARTED, app=app_of(row.kind, row.subject), job=job_id, facts=facts, now=now)
    return lease


def heartbeat(conn: Connection, lease: Lease, ttl_s: float, now: datetime) -> bool:
    """Keeps the lease for another `ttl_s` seconds; whether somebody asked to cancel the job.

    Raises:
        LeaseLostError: another worker holds the job, or it was taken away.
    """
    row = _write(conn, lease, {"lease_until": now + timedelta(seconds=ttl_s)})
    return bool(row.cancel_requested)


def hand_back(conn: Connection, lease: Lease, now: datetime) -> None:
    """Queues the job again, because its worker is about to end; the next one goes on, or goes on undoing.

    Raises:
        LeaseLostError: another worker holds the job.
    """
    row = _write(conn, lease, _REQUEUED)
    append_queued(conn, job_id=row.id, kind=row.kind, subject=row.subject, attempt=row.attempt, now=now)


def finish(
    conn: Connection,
    lease: Lease,
    *,
    state: JobState,
    problem: Problem | None,
    result: Mapping[str, Any] | None,
    now: datetime,
) -> list[str]:
    """Ends the job in a terminal state; the ids of the jobs that waited for it and can be sent now.

    What an install that did not succeed has claimed is free again, unless its app is recorded.

    Raises:
        LeaseLostError: another worker holds the job.
    """
    if not state.is_terminal:
        raise ValueError(f"a job does not end as {state}")
    values = {
        "state": state,
        "problem": problem.as_json() if problem else None,
        "result": dict(result) if result is not None else None,
        "owner": None,
        "lease_until": None,
        "finished_at": now,
        **({"progress": 1.0, "detail": ""} if state is JobState.SUCCEEDED else {}),
    }
    row = _write(conn, lease, values)
    if state is not JobState.SUCCEEDED:
        _release_unused(conn, row)
    job = job_of(row)
    append_finished(conn, job, state=state, problem=problem, now=now)
    return release_waiting(conn, job.id)


def held_leases(conn: Connection) -> list[Held]:
    """The leases of all jobs that workers hold, by the jobs' arrival."""
    query = select(*_HELD).where(JOBS.c.state.in_(_ACTIVE)).order_by(JOBS.c.seq)
    return [_held(row) for row in conn.execute(query)]


def reclaim_lost(conn: Connection, lost: Collection[Held], *, now: datetime, max_losses: int) -> list[str]:
    """Queues again the jobs whose workers are lost, each with one loss more; their ids by arrival.

    A lease that was renewed or given back since it was looked at is left alone.

    A job with `max_losses` losses is not tried again: it goes on only to be undone, and fails as
    `worker_lost`. One with twice as many is not undone further either: it fails, saying what was not put
    back, and the jobs that waited for it are among those returned.
    """
    queued: list[str] = []
    query = select(JOBS).where(JOBS.c.id.in_({held.job_id for held in lost}), JOBS.c.state.in_(_ACTIVE))
    for row in conn.execute(query.order_by(JOBS.c.seq).with_for_update()).all():
        if _held(row) not in lost:
            continue
        losses = row.losses + 1
        turned_back = row.turned_back
        if turned_back is not None and losses >= 2 * max_losses:
            queued += _give_up(conn, row, losses, now)
            continue
        if turned_back is None and losses >= max_losses:
            turned_back = _worker_lost(row, losses).as_json()
        values = {**_REQUEUED, "losses": losses, "turned_back": turned_back}
        conn.execute(update(JOBS).where(JOBS.c.id == row.id).values(values))
        append_queued(
            conn, job_id=row.id, kind=row.kind, subject=row.subject, attempt=row.attempt + 1, now=now
        )
        queued.append(row.id)
    return queued


def _held(row: Row[Any]) -> Held:
    return Held(job_id=row.id, owner=row.owner, fence=row.fence, lease_until=row.lease_until)


def _give_up(conn: Connection, row: Row[Any], losses: int, now: datetime) -> list[str]:
    """Fails a job whose undo brings its worker down; what it holds stays claimed, if its app is recorded."""
    left = [
        step.name
        for step in job_steps(conn, row.id)
        if step.state not in (StepState.PENDING, StepState.UNDONE)
    ]
    remedy = f" `homeport uninstall {row.subject}` removes it." if _recorded(conn, row) else ""
    restored = f"Could not be put back, since the worker was lost {losses} times: {', '.join(left)}.{remedy}"
    problem = Problem.from_json(row.turned_back).with_restored(restored if left else "All was put back.")
    values = {"state": JobState.FAILED, "problem": problem.as_json(), "losses": losses, "finished_at": now}
    conn.execute(update(JOBS).where(JOBS.c.id == row.id).values(**values, owner=None, lease_until=None))
    _release_unused(conn, row)
    append_finished(conn, job_of(row), state=JobState.FAILED, problem=problem, now=now)
    return release_waiting(conn, row.id)


def check_lease(conn: Connection, lease: Lease) -> Row[Any]:
    """The job's row, if the lease is still good; to be asked in the transaction that writes.

    Raises:
        LeaseLostError: another worker holds the job, or it was taken away.
    """
    row = conn.execute(select(JOBS).where(_held_by(lease)).with_for_update()).first()
    if row is None:
        raise _lost(lease)
    return row


def _release_unused(conn: Connection, row: Row[Any]) -> None:
    """Gives back what an install claimed whose app is not recorded: nobody else would."""
    if row.kind is JobKind.INSTALL and _recorded(conn, row) is None:
        release_claims_of(conn, row.id)


def _recorded(conn: Connection, row: Row[Any]) -> Row[Any] | None:
    identifier = app_of(row.kind, row.subject)
    return conn.execute(select(APPS.c.app_id).where(APPS.c.identifier == identifier)).first()


def _write(conn: Connection, lease: Lease, values: Mapping[str, Any]) -> Row[Any]:
    """Changes the job under its lease; the row as it is afterwards."""
    row = conn.execute(update(JOBS).where(_held_by(lease)).values(values).returning(*JOBS.c)).first()
    if row is None:
        raise _lost(lease)
    return row


_REQUEUED: Final[Mapping[str, Any]] = {
    "state": JobState.QUEUED,
    "owner": None,
    "lease_until": None,
    "sent_at": None,
    "attempt": JOBS.c.attempt + 1,
}


def _held_by(lease: Lease) -> Any:
    # A job that is not active has no owner.
    return and_(JOBS.c.id == lease.job_id, JOBS.c.owner == lease.owner, JOBS.c.fence == lease.fence)


def _lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(
        f"The worker {lease.owner} no longer holds the job {lease.job_id}.",
        why="It was silent for longer than its lease, so the job was given to another.",
    )


def _blocking(conn: Connection, row: Row[Any]) -> str | None:
    """The job of the same subject that comes first: the active one, else the earliest that is queued."""
    active = JOBS.c.state.in_(_ACTIVE)
    earlier = and_(JOBS.c.state == JobState.QUEUED, JOBS.c.seq < row.seq)
    query = (
        select(JOBS.c.id)
        .where(JOBS.c.subject == row.subject, JOBS.c.id != row.id, or_(active, earlier))
        .order_by(case((active, 0), else_=1), JOBS.c.seq)
        .limit(1)
    )
    return conn.execute(query).scalar_one_or_none()


def _suspect(conn: Connection, row: Row[Any], max_losses: int | None) -> str | None:
    """The active job at its last chance that this one, at its own last, must not run beside."""
    if max_losses is None or row.losses == 0 or row.losses < max_losses - 1:
        return None
    query = (
        select(JOBS.c.id)
        .where(JOBS.c.state.in_(_ACTIVE), JOBS.c.losses >= max_losses - 1, JOBS.c.id != row.id)
        .order_by(JOBS.c.seq)
        .limit(1)
    )
    return conn.execute(query).scalar_one_or_none()


def _wait(conn: Connection, row: Row[Any], blocking: str, now: datetime) -> None:
    if row.waiting_for == blocking:
        return
    conn.execute(update(JOBS).where(JOBS.c.id == row.id).values(waiting_for=blocking))
    facts = {"waiting_for": blocking}
    append(conn, EventKind.JOB_WAITING, app=app_of(row.kind, row.subject), job=row.id, facts=facts, now=now)


def _worker_lost(row: Row[Any], losses: int) -> Problem:
    return WorkerLostError(
        f"The {row.kind} of {shown_subject(row.subject)!r} brought its worker down {losses} times.",
        why="Each time the process that carried it out ended without a word, or the machine went down.",
        remedy="Look at the end of the job's log and at the machine's memory, then try again.",
        attempts=losses,
    ).problem()
