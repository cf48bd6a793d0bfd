"""What only one app can have: identifier, app_id, host name, host ports. One table decides."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, tuple_

from homeport.errors import NotPossibleNowError, TakenError
from homeport.names import MAX_APP_ID, check_app_id, host_port
from homeport.state.schema import APP_IDS, APPS, CLAIMS


class ClaimKind(StrEnum):
    """Kinds of things that an app claims."""

    IDENTIFIER = "identifier"
    APP_ID = "app_id"
    HOST_NAME = "host_name"
    PORT = "port"
    """A port of the host: the app's own, and further ones that its definition publishes."""


_SHOWN: Final = {
    ClaimKind.IDENTIFIER: "identifier",
    ClaimKind.APP_ID: "app_id",
    ClaimKind.HOST_NAME: "host name",
    ClaimKind.PORT: "port",
}

_Claim = tuple[str, str]


def claim_app(
    conn: Connection,
    *,
    job_id: str,
    identifier: str,
    host_name: str,
    app_id: int | None,
    ports: Sequence[int] = (),
) -> int:
    """Claims all that a new app needs, or nothing.

    Args:
        conn: a transaction that writes.
        job_id: the install that needs it.
        identifier: the app's.
        host_name: its full host name.
        app_id: the one that the platform gave; None takes the next that was never in use.
        ports: further host ports; the app's own, 35000 + app_id, is claimed in any case.

    Returns:
        The app_id.

    Raises:
        TakenError: another app, or a waiting install, holds one of them; `facts["conflicts"]` lists all.
        InvalidInputError: no port belongs to that app_id.
        NotPossibleNowError: no app_id is left to be assigned.
    """
    assigned = app_id is None
    chosen = _next_app_id(conn) if app_id is None else check_app_id(app_id)
    wanted: list[_Claim] = [
        (ClaimKind.IDENTIFIER.value, identifier),
        (ClaimKind.APP_ID.value, str(chosen)),
        (ClaimKind.HOST_NAME.value, host_name),
        *((ClaimKind.PORT.value, str(port)) for port in sorted({host_port(chosen), *ports})),
    ]
    if held := _held(conn, wanted):
        raise _taken(conn, held)
    conn.execute(
        insert(CLAIMS),
        [
            {"kind": kind, "value": value, "identifier": identifier, "job_id": job_id}
            for kind, value in wanted
        ],
    )
    if assigned or conn.execute(select(APP_IDS.c.app_id).where(APP_IDS.c.app_id == chosen)).first() is None:
        conn.execute(insert(APP_IDS), {"app_id": chosen, "assigned": assigned})
    return chosen


def release_claims(conn: Connection, identifier: str) -> None:
    """Gives back whatever that identifier's app holds; its app_id stays used."""
    conn.execute(delete(CLAIMS).where(CLAIMS.c.identifier == identifier))


def _next_app_id(conn: Connection) -> int:
    """The smallest app_id above all that we assigned, never in use, whose port no app has taken."""
    last = conn.execute(
        select(func.coalesce(func.max(APP_IDS.c.app_id), 0)).where(APP_IDS.c.assigned)
    ).scalar_one()
    for candidate in range(last + 1, MAX_APP_ID + 1):
        used = exists().where(APP_IDS.c.app_id == candidate)
        claimed = exists().where(
            CLAIMS.c.kind == ClaimKind.PORT.value, CLAIMS.c.value == str(host_port(candidate))
        )
        if not conn.execute(select(used | claimed)).scalar_one():
            return candidate
    raise NotPossibleNowError(
        "No app_id is left.",
        why=f"An app_id is never given twice, and all up to {MAX_APP_ID} have been: ports end at 65535.",
        remedy="Give an app_id of your own that no installed app has.",
    )


def _held(conn: Connection, wanted: Iterable[_Claim]) -> Sequence[Row[Any]]:
    query = select(CLAIMS).where(tuple_(CLAIMS.c.kind, CLAIMS.c.value).in_(list(wanted)))
    return conn.execute(query).all()


def _taken(conn: Connection, held: Sequence[Row[Any]]) -> TakenError:
    order = list(ClaimKind)
    rows = sorted(held, key=lambda row: (order.index(ClaimKind(row.kind)), row.value))
    first = rows[0]
    installed = conn.execute(select(APPS.c.title).where(APPS.c.identifier == first.identifier)).first()
    shown = _SHOWN[ClaimKind(first.kind)]
    if installed is not None:
        why = f"The app {first.identifier!r} ({installed.title}) has it."
        remedy = f"Choose another {shown}, or uninstall {first.identifier!r} first."
    else:
        why = f"An install of {first.identifier!r} that has not ended yet has it (job {first.job_id})."
        remedy = f"Choose another {shown}, or cancel that install first."
    return TakenError(
        f"The {shown} {first.value!r} is taken.",
        why=why,
        remedy=remedy,
        kind=first.kind,
        value=first.value,
        holder=first.identifier,
        conflicts=[{"kind": row.kind, "value": row.value, "holder": row.identifier} for row in rows],
    )
