"""What the API remembers for a moment: definitions and tokens, asked for by many at once."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homeport.catalog import remembered
from homeport.catalog.remembered import Definitions
from homeport.errors import NotFoundError
from homeport.state import token_check
from homeport.state.database import Database, migrate
from homeport.state.token_check import TokenCheck


class Readings:
    """Stands for the reading of a definition: each gives its number, once it is let go on."""

    def __init__(self) -> None:
        self.count = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.gone = False

    def __call__(self, _folders: object, _name: str) -> Any:
        self.count += 1
        number = self.count
        assert self.may_go_on.wait(10)
        if self.gone:
            raise NotFoundError("There is none.", kind="definition", name="wiki")
        return number


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    """Definitions that are old at once, and never too old."""
    found = Readings()
    monkeypatch.setattr(remembered, "find_in_force", found)
    monkeypatch.setattr(remembered, "_YOUNG_S", 0)
    monkeypatch.setattr(remembered, "_FRESH_S", 60)
    return found


async def _settled(definitions: Definitions) -> None:
    """Once nothing is read any more."""
    while definitions._renewed:
        await asyncio.sleep(0.001)


def test_who_asks_for_what_is_read_again_is_answered_with_what_is_known(readings: Readings) -> None:
    async def ask() -> list[Any]:
        definitions = Definitions(list)
        first = await definitions.find("wiki")
        readings.may_go_on.clear()
        meanwhile = [await definitions.find("wiki") for _ in range(3)]
        readings.may_go_on.set()
        await _settled(definitions)
        return [first, *meanwhile, await definitions.find("wiki")]

    assert asyncio.run(ask()) == [1, 1, 1, 1, 2]


def test_what_goes_meanwhile_is_told_to_who_asks_next(readings: Readings) -> None:
    async def ask() -> None:
        definitions = Definitions(list)
        await definitions.find("wiki")
        readings.gone = True
        await definitions.find("wiki")
        await _settled(definitions)
        await definitions.find("wiki")

    with pytest.raises(NotFoundError):
        asyncio.run(ask())


def test_what_was_being_read_when_a_catalog_went_is_not_remembered(readings: Readings) -> None:
    async def ask() -> Any:
        definitions = Definitions(list)
        await definitions.find("wiki")
        readings.may_go_on.clear()
        await definitions.find("wiki")
        definitions.forget()
        readings.may_go_on.set()
        return await definitions.find("wiki")

    assert asyncio.run(ask()) == 3


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    url = f"sqlite:///{tmp_path}/db/homeport.sqlite"
    migrate(url)
    database = Database(url)
    yield database
    database.close()


def test_many_requests_with_one_token_look_it_up_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    def verify(_connection: object, plain: str, _now: object) -> str:
        looked_up.append(plain)
        return "owner"

    monkeypatch.setattr(token_check, "verify_token", verify)

    async def ask() -> list[str | None]:
        check = TokenCheck(database)
        names = await asyncio.gather(*(check.name_of("hp_secret") for _ in range(20)))
        return [*names, await check.name_of("hp_secret")]

    assert asyncio.run(ask()) == ["owner"] * 21
    assert looked_up == ["hp_secret"]


def test_a_token_that_is_revoked_while_it_is_looked_up_is_not_remembered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["owner", None])
    monkeypatch.setattr(token_check, "verify_token", lambda *_: next(names))

    async def ask() -> list[str | None]:
        check = TokenCheck(database)
        asking = asyncio.create_task(check.name_of("hp_secret"))
        await asyncio.sleep(0)
        check.forget()
        return [await asking, await check.name_of("hp_secret")]

    assert asyncio.run(ask()) == ["owner", None]
