"""The names of tokens, looked up by their hash and remembered for a few seconds."""

import asyncio
import hashlib
import time
from datetime import UTC, datetime
from functools import partial
from typing import Final

from homeport.state.database import Database
from homeport.state.tokens import verify_token

_FRESH_S: Final = 5.0  # how long a revoked token may still be taken by another process of ours
_REMEMBERED: Final = 1024  # tokens in memory; a box has a handful


class TokenCheck:
    """Tells a token's name. What it remembers, it remembers by hash."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[str, float]] = {}
        self._asking: dict[bytes, asyncio.Task[str | None]] = {}

    async def name_of(self, plain: str) -> str | None:
        """The token's name; None where no token of this box is like it.

        Raises:
            StateUnavailableError: the database cannot be read.
        """
        digest = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known and known[1] > time.monotonic():
            return known[0]
        if (asking := self._asking.get(digest)) is None:  # of many at once, one asks for all
            asking = self._asking[digest] = asyncio.create_task(asyncio.to_thread(self._look_up, plain))
            asking.add_done_callback(partial(self._remember, digest))
        return await asyncio.shield(asking)

    def forget(self) -> None:
        """Looks every token up anew: one was revoked."""
        self._known.clear()
        self._asking.clear()

    def _remember(self, digest: bytes, asked: asyncio.Task[str | None]) -> None:
        if self._asking.get(digest) is not asked:  # forgotten meanwhile
            return
        del self._asking[digest]
        if asked.cancelled() or asked.exception() or (name := asked.result()) is None:
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[digest] = (name, time.monotonic() + _FRESH_S)

    def _look_up(self, plain: str) -> str | None:
        with self._database.read() as connection:
            return verify_token(connection, plain, datetime.now(UTC))
