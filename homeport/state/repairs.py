"""Repairs: queueing them, and what the reconciler asks of the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from homeport.jobs import APP_JOBS
from homeport.models import App, Job, JobKind, JobState, Queue
from homeport.names import MAX_APP_ID
from homeport.state.apps import list_apps
from homeport.state.claims import ClaimKind
from homeport.state.jobs import add_job
from homeport.state.schema import APPS, CLAIMS, JOBS

_UNFINISHED = (JobState.QUEUED, JobState.RUNNING, JobState.UNDOING)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the database wants to be there: the apps, and which identifiers a job is about to change."""

    apps: dict[str, App]
    busy: frozenset[str]


def wanted(conn: Connection) -> Wanted:
    """What the database wants to be there now."""
    rows = conn.execute(
        select(JOBS.c.subject).where(JOBS.c.state.in_(_UNFINISHED), JOBS.c.kind.in_(APP_JOBS))
    )
    found = list_apps(conn, after=None, limit=MAX_APP_ID)
    return Wanted(apps={app.identifier: app for app in found}, busy=frozenset(rows.scalars()))


def repairs_ended(conn: Connection, identifier: str, since: datetime) -> list[datetime]:
    """When repairs of the app ended, later than that moment."""
    query = select(JOBS.c.finished_at).where(
        JOBS.c.subject == identifier, JOBS.c.kind == JobKind.REPAIR, JOBS.c.finished_at > since
    )
    return list(conn.execute(query).scalars())


def accept_repair(
    conn: Connection,
    *,
    job_id: str,
    identifier: str,
    is_orphan: bool,
    found: Sequence[str],
    now: datetime,
) -> Job | None:
    """Queues a repair, in the caller's transaction; None where a job is about to change the app anyway.

    Its parameters are `{"identifier", "orphan", "found": [words]}`.

    Args:
        conn: a transaction that writes.
        job_id: the job's id.
        identifier: the app's, or of the app that there was.
        is_orphan: whether the app is not recorded.
        found: what is not as it shall be, in words.
        now: the time.
    """
    if identifier in wanted(conn).busy:
        return None
    return add_job(
        conn,
        id=job_id,
        kind=JobKind.REPAIR,
        subject=identifier,
        queue=Queue.APPS,
        parameters={"identifier": identifier, "orphan": is_orphan, "found": list(found)},
        now=now,
    )


def claimed_ports(conn: Connection) -> set[int]:
    """Every port of the host that an app or a waiting install holds."""
    query = select(CLAIMS.c.value).where(CLAIMS.c.kind == ClaimKind.PORT.value)
    return {int(value) for value in conn.execute(query).scalars()}


def is_claimed(conn: Connection, identifier: str) -> bool:
    """Whether an app or a waiting install has the identifier."""
    query = select(CLAIMS.c.value).where(
        CLAIMS.c.kind == ClaimKind.IDENTIFIER.value, CLAIMS.c.value == identifier
    )
    return conn.execute(query).first() is not None


def stray_claims(conn: Connection) -> list[str]:
    """The identifiers that are claimed for neither an app nor a job that goes on."""
    held = select(CLAIMS.c.identifier).distinct()
    held = held.where(CLAIMS.c.identifier.not_in(select(APPS.c.identifier)))
    going = select(JOBS.c.id).where(JOBS.c.state.in_(_UNFINISHED))
    return list(conn.execute(held.where(CLAIMS.c.job_id.not_in(going))).scalars())


def release_stray_claims(conn: Connection) -> list[str]:
    """Gives back what is claimed for neither an app nor a job that goes on; the identifiers."""
    identifiers = stray_claims(conn)
    conn.execute(delete(CLAIMS).where(CLAIMS.c.identifier.in_(identifiers)))
    return identifiers
