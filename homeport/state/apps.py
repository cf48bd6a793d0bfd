"""The installed apps."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from homeport.errors import NotFoundError
from homeport.models import App, AppState, Limits, WebPort
from homeport.state.schema import APPS

_FIELDS: Final = frozenset(field.name for field in fields(App))


def add_app(conn: Connection, app: App) -> None:
    """Records an app; its identifier and app_id must be claimed for it."""
    conn.execute(insert(APPS), _values({name: getattr(app, name) for name in _FIELDS}))


def find_app(conn: Connection, identifier: str) -> App | None:
    """The app of that identifier."""
    row = conn.execute(select(APPS).where(APPS.c.identifier == identifier)).first()
    return None if row is None else _app(row)


def list_apps(conn: Connection, *, after: str | None, limit: int) -> list[App]:
    """Apps by identifier, those behind `after` first."""
    query = select(APPS).order_by(APPS.c.identifier).limit(limit)
    if after is not None:
        query = query.where(APPS.c.identifier > after)
    return [_app(row) for row in conn.execute(query)]


def list_all(conn: Connection) -> list[App]:
    """All apps, by identifier."""
    return [_app(row) for row in conn.execute(select(APPS).order_by(APPS.c.identifier))]


def count_apps(conn: Connection) -> dict[AppState, int]:
    """How many apps there are in each state, where there are any."""
    query = select(APPS.c.state, func.count().label("apps")).group_by(APPS.c.state)
    return {row.state: row.apps for row in conn.execute(query)}


def update_app(conn: Connection, identifier: str, **changed: Any) -> None:
    """Changes fields of an app, given by the names that `App` has; say `updated_at` too.

    Raises:
        NotFoundError: there is no such app.
    """
    if unknown := changed.keys() - _FIELDS:
        raise TypeError(f"an app has no {', '.join(sorted(unknown))}")
    query = update(APPS).where(APPS.c.identifier == identifier).values(_values(changed))
    if conn.execute(query).rowcount == 0:
        raise no_such_app(identifier)


def remove_app(conn: Connection, identifier: str) -> None:
    """Forgets an app, if it is there; its claims are released apart."""
    conn.execute(delete(APPS).where(APPS.c.identifier == identifier))


def no_such_app(identifier: str) -> NotFoundError:
    """The error for an app that is not there."""
    return NotFoundError(
        f"There is no app {identifier!r}.",
        remedy="`homeport apps` lists those that are installed.",
        kind="app",
        name=identifier,
    )


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns' values of an app's fields."""
    return {name: _stored(value) for name, value in given.items()}


def _stored(value: Any) -> Any:
    match value:
        case Limits() | WebPort():
            return asdict(value)
        case tuple():
            return [_stored(item) for item in value]
        case Mapping():
            return {key: _stored(item) for key, item in value.items()}
        case _:
            return value


def _app(row: Row[Any]) -> App:
    stored = dict(row._mapping)
    stored["limits"] = Limits(**stored["limits"])
    stored["web"] = WebPort(**stored["web"]) if stored["web"] is not None else None
    stored["data"] = tuple(stored["data"])
    stored["ports"] = tuple(stored["ports"])
    stored["permissions"] = tuple(stored["permissions"])
    stored["aliases"] = tuple(stored["aliases"])
    return App(**stored)
