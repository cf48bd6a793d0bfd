"""The one writer: savepoints within a batch, and what ends a whole batch."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection

from homeport.errors import StateUnavailableError
from homeport.settings import Settings
from homeport.state.database import Database
from homeport.state.tokens import create_token, list_tokens
from homeport.state.writer import Writer


async def _write_at_once(database: Database, changes: list[Callable[[Connection], Any]]) -> list[Any]:
    """All changes in one batch: they wait before the writer begins."""
    writer = Writer(database)
    waiting = [asyncio.create_task(writer.write(change)) for change in changes]
    await asyncio.sleep(0)
    running = asyncio.create_task(writer.run())
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    running.cancel()
    writer.close()
    return outcomes


def _add(name: str) -> Callable[[Connection], Any]:
    return lambda connection: create_token(connection, name, datetime.now(UTC))


def _fill_the_disk(connection: Connection) -> None:
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 1}")
    connection.exec_driver_sql("CREATE TABLE filler AS SELECT zeroblob(1000000) AS bytes")


def test_a_change_that_fails_half_way_leaves_nothing_and_spoils_no_other(settings: Settings) -> None:
    def half(connection: Connection) -> None:
        _add("half")(connection)
        raise ValueError("a mistake of ours")

    outcomes = asyncio.run(_write_at_once(Database(settings.database), [_add("a"), half, _add("b")]))

    assert [type(outcome) for outcome in outcomes] == [str, ValueError, str]
    assert _names(settings) == ["a", "b"]


def test_a_full_disk_is_told_to_everyone_in_the_batch_and_nothing_is_stored(settings: Settings) -> None:
    outcomes = asyncio.run(
        _write_at_once(Database(settings.database), [_add("a"), _fill_the_disk, _add("b")])
    )

    assert [type(outcome) for outcome in outcomes] == [StateUnavailableError] * 3
    assert "disk is full" in outcomes[0].what
    assert _names(settings) == []


def test_the_writer_goes_on_after_a_batch_that_failed(settings: Settings) -> None:
    async def twice() -> Any:
        writer = Writer(Database(settings.database))
        running = asyncio.create_task(writer.run())
        with pytest.raises(StateUnavailableError):
            await writer.write(_fill_the_disk)
        await writer.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 100000"))
        stored = await writer.write(_add("later"))
        running.cancel()
        writer.close()
        return stored

    assert asyncio.run(twice()).startswith("hp_")
    assert _names(settings) == ["later"]


def _names(settings: Settings) -> list[str]:
    database = Database(settings.database)
    with database.read() as connection:
        return [token.name for token in list_tokens(connection)]
