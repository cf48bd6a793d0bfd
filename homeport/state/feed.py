"""Knows the newest event, and wakes the streams of an asynchronous process that wait for one."""

import asyncio
import logging
from typing import Final

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from homeport.errors import HomeportError
from homeport.state.database import Database
from homeport.state.doorbell import CHANNEL_EVENTS
from homeport.state.events import latest_seq

_LOG = logging.getLogger(__name__)
_ANSWER_S: Final = 2.0  # Redis is on this machine: later is never
_POLL_S: Final = 1.0  # without Redis, the database is looked at so often
_CALM_S: Final = 2.0  # with it, should it hang or a message have been lost


def connect_redis(url: str) -> redis.asyncio.Redis:
    """A client that says at once that Redis is away: whoever asks comes back by itself."""
    return redis.asyncio.from_url(
        url, socket_connect_timeout=_ANSWER_S, socket_timeout=_ANSWER_S, retry=Retry(NoBackoff(), 0)
    )


class EventFeed:
    """Follows the events' table: woken by Redis, by looking every second while it is away."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis_url = redis_url
        self._latest = 0
        self._waiting = 0
        self._was_skipped = False
        self._grown = asyncio.Condition()

    async def latest(self) -> int:
        """The newest event's number, as the database has it now; wakes who waited for it."""
        self._was_skipped = False
        latest = await asyncio.to_thread(self._read)
        if latest > self._latest:
            self._latest = latest
            async with self._grown:
                self._grown.notify_all()
        return latest

    async def wait_beyond(self, seq: int, timeout_s: float) -> int:
        """The newest event's number, once it is above `seq` or the time is over."""
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                if self._was_skipped:
                    await self._look()
                async with self._grown:
                    await self._grown.wait_for(lambda: self._latest > seq)
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1
        return self._latest

    async def run(self) -> None:
        """Follows until it is cancelled."""
        while True:
            try:
                await self._follow_redis()
            except (RedisError, OSError) as error:
                _LOG.debug("no wake-up by Redis: %s", error)
            await self._look()
            await asyncio.sleep(_POLL_S)

    async def _follow_redis(self) -> None:
        client = connect_redis(self._redis_url)
        async with client, client.pubsub() as channel:
            await channel.subscribe(CHANNEL_EVENTS)
            while True:
                await self._look()
                await channel.get_message(timeout=_CALM_S)
                while await channel.get_message(timeout=0.002):  # a burst of events is looked at once
                    pass

    async def _look(self) -> None:
        """Looks for those who wait; whoever comes later knows that nobody looked."""
        if not self._waiting:
            self._was_skipped = True
            return
        try:
            await self.latest()
        except HomeportError as error:
            self._was_skipped = True
            _LOG.warning("events cannot be read: %s", error)

    def _read(self) -> int:
        with self._database.read() as connection:
            return latest_seq(connection)
