"""Forgetting what is old: jobs that ended with their steps, logs and events, further events, request keys.

In pieces, each a transaction of its own, so that nobody waits for it; what was interrupted is done again.
"""

from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Select, delete, select

from homeport.models import JobState
from homeport.state.idempotency import KEPT
from homeport.state.schema import EVENTS, IDEMPOTENCY_KEYS, JOBS, STEPS

PIECE: Final = 500
"""How many rows are forgotten at once."""

_ENDED: Final = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


def old_jobs(conn: Connection, *, before: datetime, keep: int, now: datetime) -> list[str]:
    """The ids of up to `PIECE` jobs that ended before that moment, or beyond the newest `keep` that ended.

    Jobs whose `Idempotency-Key` is still known are none of them: the same request must get the same job.
    """
    keyed = select(IDEMPOTENCY_KEYS.c.job_id).where(IDEMPOTENCY_KEYS.c.created_at > now - KEPT)
    ended = select(JOBS.c.id).where(JOBS.c.state.in_(_ENDED), JOBS.c.id.not_in(keyed))
    newest_first = select(JOBS.c.seq).where(JOBS.c.state.in_(_ENDED)).order_by(JOBS.c.seq.desc())
    beyond = conn.execute(_beyond(newest_first, keep)).scalar() or 0
    query = (
        ended.where((JOBS.c.seq <= beyond) | (JOBS.c.finished_at < before)).order_by(JOBS.c.seq).limit(PIECE)
    )
    return list(conn.execute(query).scalars())


def remove_logs(jobs_dir: Path, job_ids: list[str]) -> None:
    """Removes the logs of jobs that are about to be forgotten: before them, so that none is left over."""
    for job_id in job_ids:
        (jobs_dir / f"{job_id}.log").unlink(missing_ok=True)


def forget_jobs(conn: Connection, job_ids: list[str]) -> int:
    """Forgets jobs with their steps and events; how many there were."""
    conn.execute(delete(EVENTS).where(EVENTS.c.job.in_(job_ids)))
    conn.execute(delete(STEPS).where(STEPS.c.job_id.in_(job_ids)))
    return conn.execute(delete(JOBS).where(JOBS.c.id.in_(job_ids))).rowcount


def forget_events(conn: Connection, *, before: datetime, keep: int) -> int:
    """Forgets up to `PIECE` events that are older, or beyond the newest `keep`; how many."""
    beyond = conn.execute(_beyond(select(EVENTS.c.seq).order_by(EVENTS.c.seq.desc()), keep)).scalar() or 0
    # all are looked through (200,000 in 30 ms): what a clock that was ahead wrote may stand before the old
    is_old = (EVENTS.c.at < before) | (EVENTS.c.seq <= beyond)
    found = select(EVENTS.c.seq).where(is_old).order_by(EVENTS.c.seq).limit(PIECE)
    return conn.execute(delete(EVENTS).where(EVENTS.c.seq.in_(found))).rowcount


def forget_keys(conn: Connection, now: datetime) -> int:
    """Forgets the keys of requests that have expired; how many."""
    return conn.execute(delete(IDEMPOTENCY_KEYS).where(IDEMPOTENCY_KEYS.c.created_at < now - KEPT)).rowcount


def _beyond(newest_first: Select[tuple[int]], keep: int) -> Select[tuple[int]]:
    """The number of the first row that is not among the newest."""
    return newest_first.offset(keep).limit(1)
