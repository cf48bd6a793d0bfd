"""Which apps should have a route and have none, and why."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select, update

from homeport.events import EventKind
from homeport.state import events
from homeport.state.schema import APPS


def note_route(conn: Connection, identifier: str, why: str, *, job: str | None, now: datetime) -> None:
    """Records why the proxy does not lead to the app, or that it does (""); told where that is new.

    Args:
        conn: a transaction that writes.
        identifier: the app's; one that is not recorded is passed over.
        why: what the proxy said.
        job: the job that asked the proxy.
        now: the time.
    """
    row = conn.execute(
        select(APPS.c.no_route, APPS.c.host_name).where(APPS.c.identifier == identifier)
    ).first()
    if row is None or row.no_route == why:
        return
    conn.execute(update(APPS).where(APPS.c.identifier == identifier).values(no_route=why))
    kind = EventKind.APP_NO_ROUTE if why else EventKind.APP_ROUTED
    facts = {"host_name": row.host_name, **({"why": why} if why else {})}
    events.append(conn, kind, app=identifier, job=job, facts=facts, now=now)


def noted_routes(conn: Connection) -> Mapping[str, str]:
    """Why apps have no route, by identifier; those that have theirs are not among them."""
    query = select(APPS.c.identifier, APPS.c.no_route).where(APPS.c.no_route != "")
    return {row.identifier: row.no_route for row in conn.execute(query)}
