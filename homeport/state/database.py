"""Opening the database: transactions, durability, and its errors in our words.

All that is SQLite's own stands here; the rest of `state` is portable SQL.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from homeport.errors import InvalidInputError, StateUnavailableError

BUSY_S: Final = 10.0
"""How long a transaction waits for another process's write before it gives up; writes take milliseconds."""

_READING: Final = (f"PRAGMA busy_timeout={int(BUSY_S * 1000)}",)
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",  # readers go on while one writes
    "PRAGMA synchronous=FULL",  # with NORMAL a power cut loses every acknowledged commit
    "PRAGMA foreign_keys=ON",
    *_READING,
)
_MIGRATE: Final = "Run `python -m homeport.state migrate`; `homeport up` does so by itself."
_OUR_MISTAKES: Final = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)


class Database:
    """The database of a box, shared by the threads of a process. The first transaction connects."""

    def __init__(self, url: str) -> None:
        self._place = make_url(url).render_as_string(hide_password=True)
        self._readers = _make_engine(url, create=False)
        self._writers = self._readers.execution_options(writes=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its beginning; committed and synced when it ends.

        An exception rolls it back.

        Raises:
            StateUnavailableError: the database cannot be opened or written, or stays locked for `BUSY_S`.
        """
        with _in_our_words(self._place), self._writers.begin() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database, whatever others write meanwhile.

        Raises:
            StateUnavailableError: the database cannot be opened or read.
        """
        with _in_our_words(self._place), self._readers.begin() as conn:
            yield conn

    def close(self) -> None:
        """Closes the connections that no transaction holds."""
        self._readers.dispose()


def migrate(url: str) -> None:
    """Makes the database, if there is none, and brings its tables up to date. Harmless when repeated.

    SQLite's file and its folder are made as the user who calls: with mode 0750, so call it as the API's user.
    On a file system that is read-only, nothing is done to a database that is there: it may still be read.

    Raises:
        StateUnavailableError: it cannot be made, or a newer Homeport has written it.
    """
    # Alembic costs 12 MB, and processes that only use the database never need it.
    import alembic.command
    import alembic.config
    import alembic.util

    path = sqlite_path(url)
    if path is not None and path.exists() and is_read_only(path.parent):
        return
    place = make_url(url).render_as_string(hide_password=True)
    engine = _make_engine(url, create=True)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        _make_folder(url)
        with _in_our_words(place), engine.execution_options(writes=True).begin() as conn:
            config.attributes["connection"] = conn
            alembic.command.upgrade(config, "head")
    except alembic.util.CommandError as error:
        raise StateUnavailableError(
            f"The database {place} does not fit this Homeport.",
            why=f"A newer version has written it: {error}",
            remedy="Start the newer version again, or restore a copy of the database from before.",
        ) from error
    finally:
        engine.dispose()


def _make_folder(url: str) -> None:
    path = sqlite_path(url)
    if path is None:
        return
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise StateUnavailableError(
            f"The database's folder {path.parent} cannot be made.",
            why=error.strerror or str(error),
            remedy="Make it as the user who runs the API, or set another `state_dir`.",
        ) from error


def sqlite_path(url: str) -> Path | None:
    """SQLite's file; None for another database.

    Raises:
        InvalidInputError: it would lie in memory.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise InvalidInputError(
            f"{url!r} is no database that lasts.",
            why="Several processes share the database, so SQLite needs a file.",
            remedy="Set `database_url` to sqlite:////path/to/a/file, or leave it empty.",
            errors=[{"pointer": "/database_url", "detail": "names no file"}],
        )
    return Path(parsed.database).absolute()


def check_disk(url: str) -> None:
    """Looks whether the disk takes writes, without one: an ext4 that broke tells only those who sync.

    Raises:
        StateUnavailableError: it does not.
    """
    path = sqlite_path(url)
    if path is not None and (why := _why_no_writes(path)):
        raise StateUnavailableError(
            f"The disk takes no writes: {path}.",
            why=why,
            remedy="Look at its health, and whether its file system became read-only (dmesg, smartctl).",
        )


def _why_no_writes(path: Path) -> str:
    if is_read_only(path.parent):
        return os.strerror(errno.EROFS)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def is_read_only(folder: Path) -> bool:
    """Whether the folder's file system is mounted read-only; False also where that cannot be said."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _make_engine(url: str, *, create: bool) -> Engine:
    """The connection pool; for SQLite, with every connection durable and every transaction explicit."""
    path = sqlite_path(url)
    if path is None:
        return create_engine(url, pool_pre_ping=True, pool_timeout=BUSY_S)
    engine = create_engine(
        url, creator=_opener(path, create=create), pool_size=8, max_overflow=24, pool_timeout=BUSY_S
    )
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    event.listen(engine.pool, "checkout", _refuse_frozen(path))
    return engine


def _opener(path: Path, *, create: bool) -> Callable[[], sqlite3.Connection]:
    # Only `migrate` creates the file: one that another process of another user made would not be the API's.
    def connect() -> sqlite3.Connection:
        mode = "mode=rwc" if create else "mode=rw"
        kind = sqlite3.Connection
        if is_read_only(path.parent):
            kind, mode = _FrozenConnection, _frozen_mode(path)
        # isolation_level None leaves BEGIN to us; connections wander between the pool's threads.
        return sqlite3.connect(
            f"{path.as_uri()}?{mode}",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
            factory=kind,
        )

    return connect


class _FrozenConnection(sqlite3.Connection):
    """One that was opened on a read-only file system: it never writes, also when the disk may be written."""


def _frozen_mode(path: Path) -> str:
    # Readers of a WAL need its index. After a clean stop there is neither, and none can be made: then, and
    # only then, all is in the file itself, which nobody changes (sqlite.org/wal.html, "Read-Only Databases").
    log = Path(f"{path}-wal")
    return "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"


def _refuse_frozen(path: Path) -> Callable[[Any, ConnectionPoolEntry, Any], None]:
    def look(connection: Any, _record: ConnectionPoolEntry, _proxy: Any) -> None:
        if isinstance(connection, _FrozenConnection) and not is_read_only(path.parent):
            raise exc.DisconnectionError("the disk may be written again")  # the pool opens another

    return look


def _set_pragmas(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in _PRAGMAS if not isinstance(connection, _FrozenConnection) else _READING:
        connection.execute(pragma)


def _begin(conn: Connection) -> None:
    # A transaction that begins as a reader and then writes may find that another wrote in between, and fails.
    writes = conn.get_execution_options().get("writes", False)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _in_our_words(place: str) -> Iterator[None]:
    try:
        yield
    except _OUR_MISTAKES:
        raise
    except exc.DBAPIError as error:
        raise _unavailable(place, error.orig) from error
    except exc.TimeoutError as error:
        raise StateUnavailableError(
            f"The database {place} is too busy.",
            why="Every connection of this process is in use.",
            remedy="Try again in a moment.",
        ) from error


def _unavailable(place: str, cause: BaseException | None) -> StateUnavailableError:
    """The error for a driver's; SQLite's are told by their primary result code (sqlite.org/rescode.html)."""
    code = getattr(cause, "sqlite_errorcode", None)
    match code if code is None else code & 0xFF:
        case sqlite3.SQLITE_FULL:
            what, remedy = (
                "The disk is full",
                "Make room on the disk: remove what is not needed, then try again.",
            )
        case sqlite3.SQLITE_READONLY:
            what = "The database cannot be written"
            remedy = "Look whether its file system became read-only (dmesg), and who owns the file."
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            what = "The database is locked"
            remedy = "Try again; if it stays so, look for a program that holds the file open."
        case sqlite3.SQLITE_CANTOPEN:
            what, remedy = (
                "The database cannot be opened",
                f"{_MIGRATE} Then look at the rights of its folder.",
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            what, remedy = "The database is damaged", "Stop Homeport and restore the file from a backup."
        case sqlite3.SQLITE_IOERR:
            what = "The disk does not read or write"
            remedy = "Look at its health, and whether its file system became read-only (dmesg, smartctl)."
        case sqlite3.SQLITE_ERROR:
            what, remedy = "The database lacks what this version needs", _MIGRATE
        case _:
            what, remedy = "The database does not answer", "Look whether it runs and can be reached."
    return StateUnavailableError(f"{what}: {place}.", why=str(cause), remedy=remedy)
