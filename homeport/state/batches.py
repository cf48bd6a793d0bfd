"""Several changes in one durable transaction, so that one sync to the disk serves them all."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from homeport.errors import StateUnavailableError
from homeport.state.database import Database
from homeport.state.prepared import execute_text


def commit_batch(
    database: Database, changes: Sequence[Callable[[Connection], Any]]
) -> list[tuple[Any, Exception | None]]:
    """Each change's value or its error, in order, once all that succeeded is committed and synced.

    Each change runs in a savepoint of its own: one that fails leaves nothing and spoils no other.

    Raises:
        StateUnavailableError: the database broke; nothing of any change is stored.
    """
    with database.write() as connection:
        return [_attempt(connection, change) for change in changes]


def _attempt(connection: Connection, change: Callable[[Connection], Any]) -> tuple[Any, Exception | None]:
    """The change's value or its error. What breaks the database itself is raised: it ends the whole batch."""
    execute_text(connection, "SAVEPOINT change")
    try:
        value = change(connection)
    except Exception as error:
        if _ends_the_batch(error):
            raise  # without a rollback to the savepoint: on a full disk SQLite has dropped it already
        execute_text(connection, "ROLLBACK TO SAVEPOINT change")
        return None, error
    execute_text(connection, "RELEASE SAVEPOINT change")
    return value, None


def _ends_the_batch(error: Exception) -> bool:
    return isinstance(error, (StateUnavailableError, DBAPIError)) and not isinstance(error, IntegrityError)
