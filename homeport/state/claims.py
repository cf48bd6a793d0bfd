"""What only one app can have: identifier, app_id, host name, host ports. One table decides."""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, exists, func, insert, or_, select

from homeport.errors import NotPossibleNowError, TakenError
from homeport.models import AppState
from homeport.names import BASE_PORT, MAX_APP_ID, check_app_id, host_port
from homeport.state.prepared import Prepared
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

# Built once: these are asked at every install that is accepted.
_FIRST: Final = (
    select((func.coalesce(func.max(APP_IDS.c.app_id), 0) + 1).label("app_id"))
    .where(APP_IDS.c.assigned)
    .subquery("first")
)
_FIRST_AND_WHETHER_USED: Final = Prepared(
    select(_FIRST.c.app_id, exists().where(APP_IDS.c.app_id == _FIRST.c.app_id).label("used"))
)
_CLAIM: Final = Prepared(insert(CLAIMS), ("kind", "value", "identifier", "job_id"))
_ASSIGN: Final = Prepared(insert(APP_IDS), ("app_id", "assigned"))


def claim_app(
    conn: Connection,
    *,
    job_id: str,
    identifier: str,
    host_names: Sequence[str],
    app_id: int | None,
    ports: Sequence[int] = (),
) -> int:
    """Claims all that a new app needs, or nothing.

    Args:
        conn: a transaction that writes.
        job_id: the install that needs it.
        identifier: the app's.
        host_names: its full host names.
        app_id: the one that the platform gave; None takes the next that was never in use.
        ports: further host ports; the app's own, 35000 + app_id, is claimed in any case.

    Returns:
        The app_id.

    Raises:
        TakenError: another app, or a waiting install, holds one of them; `facts["conflicts"]` lists all.
        InvalidInputError: no port belongs to that app_id.
        NotPossibleNowError: no app_id is left to be assigned.
    """
    chosen = _next_app_id(conn) if app_id is None else check_app_id(app_id)
    all_ports = sorted({host_port(chosen), *ports})
    claims = [
        (ClaimKind.IDENTIFIER, identifier),
        (ClaimKind.APP_ID, str(chosen)),
        *((ClaimKind.HOST_NAME, name) for name in host_names),
        *((ClaimKind.PORT, str(port)) for port in all_ports),
    ]
    wanted = {f"kind{n}": kind.value for n, (kind, _) in enumerate(claims)}
    wanted |= {f"value{n}": value for n, (_, value) in enumerate(claims)}
    statement, is_held = _held(len(claims))
    if is_held.rows(conn, wanted):
        raise _taken(conn, conn.execute(statement, wanted).all())
    _CLAIM.execute_all(
        conn,
        [
            {"kind": kind.value, "value": value, "identifier": identifier, "job_id": job_id}
            for kind, value in claims
        ],
    )
    if app_id is None:
        _ASSIGN.rows(conn, {"app_id": chosen, "assigned": True})
    others = {port - BASE_PORT for port in all_ports if port > BASE_PORT and port != host_port(chosen)}
    if app_id is not None:
        others.add(app_id)
    if others:
        _mark_used(conn, others)
    return chosen


def release_claims(conn: Connection, identifier: str) -> None:
    """Gives back whatever that identifier's app holds; its app_id stays used."""
    conn.execute(delete(CLAIMS).where(CLAIMS.c.identifier == identifier))


def release_claims_of(conn: Connection, job_id: str) -> None:
    """Gives back whatever that install claimed; its app_id stays used."""
    conn.execute(delete(CLAIMS).where(CLAIMS.c.job_id == job_id))


def holds_claims(conn: Connection, job_id: str) -> bool:
    """Whether what that install claimed is still claimed by it.

    After it was given back, the same names may be another install's: whoever gives back asks this first.
    """
    return conn.execute(select(CLAIMS.c.value).where(CLAIMS.c.job_id == job_id).limit(1)).first() is not None


@cache
def _held(count: int) -> tuple[Select[Any], Prepared]:
    """Those of so many claims that are held already; the second, which is asked first, is the quicker."""
    wanted = [
        and_(CLAIMS.c.kind == bindparam(f"kind{n}"), CLAIMS.c.value == bindparam(f"value{n}"))
        for n in range(count)
    ]
    held = select(CLAIMS).where(or_(*wanted))
    return held, Prepared(held)


def _next_app_id(conn: Connection) -> int:
    """The smallest app_id above all that we assigned which was never in use."""
    ((app_id, used),) = _FIRST_AND_WHETHER_USED.rows(conn, {})
    if used:
        following = APP_IDS.alias("following")
        last_of_run = (
            select(func.min(APP_IDS.c.app_id))
            .where(APP_IDS.c.app_id >= app_id)
            .where(~exists().where(following.c.app_id == APP_IDS.c.app_id + 1))
        )
        app_id = conn.execute(last_of_run).scalar_one() + 1
    if app_id <= MAX_APP_ID:
        return int(app_id)
    raise NotPossibleNowError(
        "No app_id is left.",
        why=f"An app_id is never given twice, and all up to {MAX_APP_ID} have been: ports end at 65535.",
        remedy="Give an app_id of your own that no installed app has.",
    )


def _mark_used(conn: Connection, app_ids: set[int]) -> None:
    """Keeps us from ever assigning these: platform-given ones, and those whose port an app publishes."""
    known = set(conn.execute(select(APP_IDS.c.app_id).where(APP_IDS.c.app_id.in_(app_ids))).scalars())
    if new := app_ids - known:
        conn.execute(insert(APP_IDS), [{"app_id": app_id, "assigned": False} for app_id in sorted(new)])


def _taken(conn: Connection, held: Sequence[Row[Any]]) -> TakenError:
    order = list(ClaimKind)
    rows = sorted(held, key=lambda row: (order.index(ClaimKind(row.kind)), row.value))
    first = rows[0]
    holder = select(APPS.c.title, APPS.c.state).where(APPS.c.identifier == first.identifier)
    installed = conn.execute(holder).first()
    shown = _SHOWN[ClaimKind(first.kind)]
    if installed is not None and installed.state == AppState.UNINSTALLING:
        why = f"The app {first.identifier!r} ({installed.title}) has it, and is being uninstalled."
        remedy = f"Choose another {shown}, or wait until that has ended."
    elif installed is not None and installed.state != AppState.INSTALLING:
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
