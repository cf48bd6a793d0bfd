"""Transactions, durability and errors of a real SQLite file."""

import sqlite3
import stat
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from homeport.errors import InvalidInputError, StateUnavailableError
from homeport.events import EventKind
from homeport.state import database as module
from homeport.state.database import Database, migrate
from homeport.state.events import append, latest_seq
from tests.integration.state.box import Box


def _raw(box: Box) -> sqlite3.Connection:
    return sqlite3.connect(box.url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)


def _append_big(box: Box, *pragmas: str) -> None:
    with box.database.write() as conn:
        for pragma in pragmas:
            conn.exec_driver_sql(pragma)
        facts = {"filler": "x" * 5_000_000}
        append(conn, EventKind.JOB_PROGRESS, app=None, job=None, facts=facts, now=box.now)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10_000)],
)
def test_every_connection_is_set_to_be_durable(box: Box, pragma: str, value: object) -> None:
    with ExitStack() as stack:
        readers = [stack.enter_context(box.database.read()) for _ in range(3)]
        connections = [*readers, stack.enter_context(box.database.write())]

        assert [conn.exec_driver_sql(f"PRAGMA {pragma}").scalar() for conn in connections] == [value] * 4


def test_a_writing_transaction_holds_the_lock_from_its_beginning(box: Box) -> None:
    with (
        closing(_raw(box)) as other,
        box.database.write(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_a_reader_sees_one_state_while_another_writes(box: Box) -> None:
    with box.database.read() as conn:
        before = latest_seq(conn)
        box.install()

        assert latest_seq(conn) == before

    with box.database.read() as conn:
        assert latest_seq(conn) == before + 1


def test_an_exception_takes_everything_back(box: Box) -> None:
    def fail_after_writing() -> None:
        with box.database.write() as conn:
            append(conn, EventKind.JOB_QUEUED, app=None, job=None, facts={}, now=box.now)
            raise KeyError

    with pytest.raises(KeyError):
        fail_after_writing()

    assert box.events() == []


def test_a_database_that_was_never_made_is_not_made_by_opening_it(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    database = Database(f"sqlite:///{path}")

    with (
        pytest.raises(StateUnavailableError, match=r"cannot be opened.*homeport\.state migrate"),
        database.read(),
    ):
        pass

    assert not path.exists()


def test_an_empty_file_is_told_to_lack_the_tables(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    database = Database(f"sqlite:///{tmp_path}/empty.sqlite")

    with pytest.raises(StateUnavailableError, match="lacks what"), database.read() as conn:
        latest_seq(conn)


def test_a_lock_that_stays_is_told(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PRAGMAS", ("PRAGMA busy_timeout=50",))

    with closing(_raw(box)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnavailableError, match="is locked"), box.database.write():
            pass


def test_a_full_disk_is_told_and_nothing_is_stored(box: Box) -> None:
    with pytest.raises(StateUnavailableError, match="disk is full"):
        _append_big(box, "PRAGMA max_page_count=100")

    assert box.events() == []


def test_a_database_that_cannot_be_written_is_told_and_still_answers(box: Box) -> None:
    with pytest.raises(StateUnavailableError, match="cannot be written"):
        _append_big(box, "PRAGMA query_only=1")

    assert box.events() == []


def test_a_damaged_file_is_told(box: Box) -> None:
    path = Path(box.url.removeprefix("sqlite:///"))
    box.database.close()
    path.write_bytes(b"not a database " * 1000)

    with pytest.raises(StateUnavailableError, match="is damaged"), box.database.read() as conn:
        latest_seq(conn)


def test_migrating_makes_a_folder_that_others_cannot_look_into(box: Box) -> None:
    folder = Path(box.url.removeprefix("sqlite:///")).parent

    assert stat.S_IMODE(folder.stat().st_mode) & 0o007 == 0


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StateUnavailableError, match=r"folder .* cannot be made"):
        migrate(f"sqlite:///{tmp_path}/file/db.sqlite")


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="needs a file"):
        Database("sqlite://")
