"""The event log: what happened, in order."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select

from homeport.events import EventKind
from homeport.models import StoredEvent
from homeport.state.prepared import Prepared
from homeport.state.schema import EVENTS

_INSERT: Final = Prepared(insert(EVENTS).returning(EVENTS.c.seq), ("at", "kind", "app", "job", "facts"))


def append(
    conn: Connection,
    kind: EventKind,
    *,
    app: str | None,
    job: str | None,
    facts: Mapping[str, Any],
    now: datetime,
) -> int:
    """Adds an event, in the transaction that makes it true; its place in the log."""
    values = {"at": now, "kind": kind.value, "app": app, "job": job, "facts": dict(facts)}
    return int(_INSERT.rows(conn, values)[0][0])


def events_after(
    conn: Connection, seq: int, *, app: str | None = None, job: str | None = None, limit: int = 500
) -> list[StoredEvent]:
    """The events behind that place, oldest first: of an app, of a job, or all."""
    query = select(EVENTS).where(EVENTS.c.seq > seq).order_by(EVENTS.c.seq).limit(limit)
    if app is not None:
        query = query.where(EVENTS.c.app == app)
    if job is not None:
        query = query.where(EVENTS.c.job == job)
    return [_event(row) for row in conn.execute(query)]


def has_told(conn: Connection, kind: EventKind, *, job: str) -> bool:
    """Whether the job has told that already."""
    query = select(EVENTS.c.seq).where(EVENTS.c.job == job, EVENTS.c.kind == kind.value).limit(1)
    return conn.execute(query).first() is not None


def latest_seq(conn: Connection) -> int:
    """The place of the newest event; 0 where there is none."""
    return int(conn.execute(select(func.coalesce(func.max(EVENTS.c.seq), 0))).scalar_one())


def _event(row: Row[Any]) -> StoredEvent:
    return StoredEvent(seq=row.seq, at=row.at, kind=row.kind, app=row.app, job=row.job, facts=row.facts)
