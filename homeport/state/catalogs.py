"""The catalogs that the owner added, and which of their fetched generations are in force."""

import shutil
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from homeport.errors import InvalidInputError, NotFoundError, Problem, TakenError
from homeport.models import SHIPPED, Catalog, CatalogFolder, CatalogKind, JobKind, JobState
from homeport.names import is_label
from homeport.settings import Settings
from homeport.state.database import Database
from homeport.state.schema import CATALOGS, JOBS

RESERVED: Final = (SHIPPED, "sources")
"""What no added catalog may be named: the shipped one's name, and a word of the API's paths."""


def add_catalog(conn: Connection, *, name: str, kind: CatalogKind, source: str, now: datetime) -> Catalog:
    """Adds a catalog, of which nothing is fetched yet; what its source is like was looked at before.

    Raises:
        InvalidInputError: the name is no label, or reserved.
        TakenError: there is one of the name.
    """
    if not is_label(name) or name in RESERVED:
        raise InvalidInputError(
            f"{name[:80]!r} cannot be a catalog's name.",
            why="A name is a label by RFC 1123 (a-z, 0-9 and hyphens inside, up to 63 characters), and "
            f"{' and '.join(RESERVED)} are kept.",
            remedy="Choose a name such as 'family'.",
            errors=[{"pointer": "/name", "detail": "no label, or reserved"}],
        )
    if find_catalog(conn, name) is not None:
        raise TakenError(
            f"There is a catalog {name!r} already.",
            remedy=f"Choose another name, or remove it first: `homeport catalog remove {name}`.",
            kind="catalog",
            value=name,
            holder=name,
        )
    added = Catalog(name=name, kind=kind, source=source, added_at=now)
    conn.execute(insert(CATALOGS), {**asdict(added), "problem": None})
    return added


def list_catalogs(conn: Connection) -> list[Catalog]:
    """The added catalogs by name."""
    return [_catalog(row) for row in conn.execute(select(CATALOGS).order_by(CATALOGS.c.name))]


def find_catalog(conn: Connection, name: str) -> Catalog | None:
    """The added catalog of that name."""
    row = conn.execute(select(CATALOGS).where(CATALOGS.c.name == name)).first()
    return None if row is None else _catalog(row)


def remove_catalog(conn: Connection, name: str) -> None:
    """Forgets a catalog; what was fetched of it is swept later, and its apps stay as they are.

    Raises:
        NotFoundError: there is none of the name.
    """
    if conn.execute(delete(CATALOGS).where(CATALOGS.c.name == name)).rowcount == 0:
        raise no_such_catalog(name)


def record_refresh(
    conn: Connection,
    catalog: Catalog,
    *,
    generation: str,
    revision: str,
    definitions: int,
    problem: Problem | None,
    now: datetime,
) -> None:
    """Puts what was fetched in force; `problem` says what of it could not be had.

    Raises:
        NotFoundError: the catalog was removed meanwhile, or removed and added anew.
    """
    values = {
        "generation": generation,
        "revision": revision,
        "definitions": definitions,
        "problem": problem.as_json() if problem else None,
        "refreshed_at": now,
    }
    _update(conn, catalog, values)


def record_refresh_failure(conn: Connection, catalog: Catalog, problem: Problem) -> None:
    """Writes down why nothing could be fetched; what was in force stays.

    Raises:
        NotFoundError: as `record_refresh`.
    """
    _update(conn, catalog, {"problem": problem.as_json()})


def catalog_folders(conn: Connection, settings: Settings) -> list[CatalogFolder]:
    """Where the definitions of all catalogs lie now, the shipped one's first."""
    fetched = [
        CatalogFolder(name=row.name, path=settings.catalogs_dir / row.name / row.generation, is_copy=True)
        for row in list_catalogs(conn)
        if row.generation
    ]
    return [CatalogFolder(name=SHIPPED, path=settings.catalog_dir), *fetched]


def stored_folders(database: Database, settings: Settings) -> list[CatalogFolder]:
    """As `catalog_folders`, in a transaction of its own."""
    with database.read() as conn:
        return catalog_folders(conn, settings)


def sweep_generations(database: Database, settings: Settings) -> list[str]:
    """Removes what was fetched and is not in force, unless something is just being fetched.

    Returns:
        What was removed, as `catalog/generation`.
    """
    found = [*settings.catalogs_dir.glob("*/*")]  # before the rows: what comes later is not looked at
    with database.read() as conn:
        fetching = select(JOBS.c.id).where(
            JOBS.c.kind == JobKind.REFRESH, JOBS.c.state.in_((JobState.RUNNING, JobState.UNDOING))
        )
        if conn.execute(fetching.limit(1)).first() is not None:
            return []
        in_force = {settings.catalogs_dir / row.name / row.generation for row in list_catalogs(conn)}
    swept = [path for path in found if path not in in_force]
    for path in swept:
        shutil.rmtree(path, ignore_errors=True)
    for folder in {path.parent for path in swept}:
        if not any(folder.iterdir()):
            folder.rmdir()
    return [f"{path.parent.name}/{path.name}" for path in swept]


def no_such_catalog(name: str) -> NotFoundError:
    """The error for a catalog that is not there."""
    return NotFoundError(
        f"There is no catalog {name!r}.",
        remedy="`homeport catalog list` shows those that were added.",
        kind="catalog",
        name=name,
    )


def _update(conn: Connection, catalog: Catalog, values: dict[str, Any]) -> None:
    query = update(CATALOGS).where(
        CATALOGS.c.name == catalog.name,
        CATALOGS.c.source == catalog.source,
        CATALOGS.c.added_at == catalog.added_at,
    )
    if conn.execute(query.values(values)).rowcount == 0:
        raise no_such_catalog(catalog.name)


def _catalog(row: Row[Any]) -> Catalog:
    stored = dict(row._mapping)
    stored["problem"] = Problem.from_json(stored["problem"]) if stored["problem"] else None
    return Catalog(**stored)
