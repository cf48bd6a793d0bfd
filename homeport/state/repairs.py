"""Repairs: queueing them, and what the reconciler asks of the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, select

from homeport.events import EventKind
from homeport.jobs import APP_JOBS
from homeport.models import App, AppState, Job, JobKind, JobState, Queue
from homeport.names import MAX_APP_ID
from homeport.state.accept import accept_uninstall
from homeport.state.apps import list_apps
from homeport.state.claims import ClaimKind
from homeport.state.events import append
from homeport.state.jobs import add_job
from homeport.state.schema import APPS, CLAIMS, JOBS

_UNFINISHED: Final = (JobState.QUEUED, JobState.RUNNING, JobState.UNDOING)
_CHANGING: Final = select(JOBS.c.subject).where(JOBS.c.state.in_(_UNFINISHED), JOBS.c.kind.in_(APP_JOBS))
_FOUND: Final = "found"  # the parameter of those jobs that nobody asked for


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the database wants to be there: the apps, and which identifiers a job is about to change."""

    apps: dict[str, App]
    busy: frozenset[str]


def wanted(conn: Connection) -> Wanted:
    """What the database wants to be there now."""
    busy = conn.execute(_CHANGING).scalars()
    found = list_apps(conn, after=None, limit=MAX_APP_ID)
    return Wanted(apps={app.identifier: app for app in found}, busy=frozenset(busy))


def tries_ended(conn: Connection, identifier: str, since: datetime) -> list[datetime]:
    """When what was queued to put the app right ended, later than that moment."""
    query = select(JOBS.c.finished_at, JOBS.c.kind, JOBS.c.parameters).where(
        JOBS.c.subject == identifier,
        JOBS.c.kind.in_((JobKind.REPAIR, JobKind.UNINSTALL)),
        JOBS.c.finished_at > since,
    )
    return [
        row.finished_at
        for row in conn.execute(query)
        if row.kind is JobKind.REPAIR or _FOUND in row.parameters  # not the uninstalls of the owner
    ]


def accept_repair(
    conn: Connection,
    *,
    job_id: str,
    identifier: str,
    is_orphan: bool,
    found: Sequence[str],
    now: datetime,
    queue: Queue = Queue.APPS,
) -> Job | None:
    """Queues a repair, in the caller's transaction.

    None where a job is about to change the app anyway, or has done so since. The job's parameters are
    `{"identifier", "orphan", "found": [words]}`.

    Args:
        conn: a transaction that writes.
        job_id: the job's id.
        identifier: the app's, or of the app that there was.
        is_orphan: whether the app is not recorded.
        found: what is not as it shall be, in words.
        now: the time.
        queue: `builds`, if an image has to be built.
    """
    if _is_busy(conn, identifier) or _state_of(conn, identifier) is not _repaired_in(is_orphan):
        return None
    return queue_repair(
        conn, job_id=job_id, identifier=identifier, is_orphan=is_orphan, found=found, queue=queue, now=now
    )


def queue_repair(
    conn: Connection,
    *,
    job_id: str,
    identifier: str,
    found: Sequence[str],
    now: datetime,
    is_orphan: bool = False,
    queue: Queue = Queue.APPS,
) -> Job:
    """Queues a repair, whatever else there is to change the app before it; see `accept_repair`."""
    return add_job(
        conn,
        id=job_id,
        kind=JobKind.REPAIR,
        subject=identifier,
        queue=queue,
        parameters={"identifier": identifier, "orphan": is_orphan, _FOUND: list(found)},
        now=now,
    )


def accept_clearing(
    conn: Connection, *, job_id: str, identifier: str, found: Sequence[str], now: datetime
) -> Job | None:
    """Queues the uninstall of an app whose install or uninstall was broken off, and tells why.

    Data and images stay. None where a job is about to change the app anyway, or has done so since. `found`
    joins the parameters of the job.
    """
    if _is_busy(conn, identifier) or _state_of(conn, identifier) in (None, AppState.RUNNING):
        return None
    parameters = {"purge": False, "remove_images": False, _FOUND: list(found)}
    job = accept_uninstall(conn, job_id=job_id, identifier=identifier, parameters=parameters, now=now)
    facts = {_FOUND: list(found)}
    append(conn, EventKind.BOX_REPAIRED, app=identifier, job=job_id, facts=facts, now=now)
    return job


def _repaired_in(is_orphan: bool) -> AppState | None:
    """The state in which an app is repaired: what is in the middle of a job's work is no repair's."""
    return None if is_orphan else AppState.RUNNING


def _state_of(conn: Connection, identifier: str) -> AppState | None:
    return conn.execute(select(APPS.c.state).where(APPS.c.identifier == identifier)).scalar_one_or_none()


def _is_busy(conn: Connection, identifier: str) -> bool:
    return conn.execute(_CHANGING.where(JOBS.c.subject == identifier)).first() is not None


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
