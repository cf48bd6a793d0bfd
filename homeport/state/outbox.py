"""Which jobs should be sent to the workers."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from homeport.models import Job, JobState
from homeport.state.jobs import job_of
from homeport.state.schema import JOBS


def sendable(conn: Connection, *, limit: int, sent_before: datetime) -> list[Job]:
    """Queued jobs that wait for no other, in order of arrival: never sent, or sent before that time."""
    query = (
        select(JOBS)
        .where(
            JOBS.c.state == JobState.QUEUED,
            JOBS.c.waiting_for.is_(None),
            or_(JOBS.c.sent_at.is_(None), JOBS.c.sent_at < sent_before),
        )
        .order_by(JOBS.c.seq)
        .limit(limit)
    )
    return [job_of(row) for row in conn.execute(query)]


def mark_sent(conn: Connection, job_ids: Collection[str], now: datetime) -> None:
    """Writes down that messages of these jobs are on their way."""
    conn.execute(
        update(JOBS).where(JOBS.c.id.in_(job_ids), JOBS.c.state == JobState.QUEUED).values(sent_at=now)
    )
