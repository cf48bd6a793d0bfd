"""Following the events' table, with a real Valkey."""

import asyncio
import contextlib

import pytest

from homeport.state.doorbell import Doorbell
from homeport.state.feed import EventFeed
from tests.integration.conftest import PrivateValkey
from tests.integration.state.box import Box


def test_what_was_announced_while_nobody_waited_is_seen_by_the_next_who_does(
    valkey: PrivateValkey, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeport.state.feed._CALM_S", 3600.0)  # it never looks by itself

    async def follow() -> int:
        feed = EventFeed(box.database, valkey.url)
        following = asyncio.create_task(feed.run())
        await asyncio.sleep(0.3)  # it listens
        box.install("wiki")
        Doorbell(valkey.url).announce()
        await asyncio.sleep(0.3)  # it heard
        newest = await feed.wait_beyond(0, 20)
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        return newest

    assert asyncio.run(follow()) > 0


def test_who_waits_is_woken_by_an_announcement(valkey: PrivateValkey, box: Box) -> None:
    async def follow() -> int:
        feed = EventFeed(box.database, valkey.url)
        following = asyncio.create_task(feed.run())
        known = await feed.latest()
        waiting = asyncio.create_task(feed.wait_beyond(known, 30))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        box.install("wiki")
        Doorbell(valkey.url).announce()
        newest = await waiting
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        return newest - known

    assert asyncio.run(follow()) > 0
