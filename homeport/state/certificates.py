"""The certificates that the owner gave, with their keys."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from homeport.errors import NotFoundError, NotPossibleNowError, TakenError
from homeport.models import Certificate
from homeport.settings import Settings
from homeport.state.schema import CERTIFICATES


def list_certificates(conn: Connection) -> list[Certificate]:
    """All of them, by name."""
    return [_certificate(row) for row in conn.execute(select(CERTIFICATES).order_by(CERTIFICATES.c.name))]


def put_certificate(conn: Connection, certificate: Certificate) -> None:
    """Keeps it in the place of one of the same name.

    Raises:
        TakenError: another one has a name of its names: nobody could say which is served.
    """
    for other in list_certificates(conn):
        shared = sorted({*other.names} & {*certificate.names})
        if other.name != certificate.name and shared:
            raise TakenError(
                f"There is a certificate for {shared[0]!r} already.",
                why=f"It is called {other.name!r}, and covers {', '.join(other.names)}.",
                remedy=f"Put this one in its place, under the name {other.name!r}, or remove that one first.",
                kind="certificate",
                value=shared[0],
                holder=other.name,
            )
    conn.execute(delete(CERTIFICATES).where(CERTIFICATES.c.name == certificate.name))
    values: Mapping[str, Any] = {**asdict(certificate), "names": list(certificate.names)}
    conn.execute(insert(CERTIFICATES), values)


def require_https(settings: Settings) -> None:
    """Returns where certificates are served.

    Raises:
        NotPossibleNowError: the box's proxy takes none.
    """
    if settings.proxy != "haproxy":
        raise NotPossibleNowError(
            "This box serves no certificates.",
            why=f"Its proxy is {settings.proxy}; Apache has HTTPS in its own configuration.",
            remedy='Set proxy to "haproxy".',
            proxy=settings.proxy,
        )


def certificate_problems(conn: Connection) -> Mapping[str, str]:
    """Why certificates are not served, by name; those that are, are not among them."""
    query = select(CERTIFICATES.c.name, CERTIFICATES.c.problem).where(CERTIFICATES.c.problem != "")
    return {row.name: row.problem for row in conn.execute(query)}


def note_certificates(conn: Connection, problems: Mapping[str, str]) -> None:
    """Records why certificates are not served; of all others, that they are."""
    conn.execute(update(CERTIFICATES).values(problem=""))
    for name, why in problems.items():
        conn.execute(update(CERTIFICATES).where(CERTIFICATES.c.name == name).values(problem=why))


def remove_certificate(conn: Connection, name: str) -> None:
    """Forgets it.

    Raises:
        NotFoundError: there is none of that name.
    """
    if conn.execute(delete(CERTIFICATES).where(CERTIFICATES.c.name == name)).rowcount == 0:
        raise NotFoundError(
            f"There is no certificate {name!r}.",
            remedy="`homeport certificate list` lists those that there are.",
            kind="certificate",
            name=name,
        )


def _certificate(row: Row[Any]) -> Certificate:
    return Certificate(**{**row._mapping, "names": tuple(row.names)})
