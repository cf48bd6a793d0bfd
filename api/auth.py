"""Who asks: bearer tokens, looked up by their hash and remembered for a few seconds."""

import asyncio
import hashlib
import time
from datetime import UTC, datetime
from typing import Final

from homeport.errors import UnauthorizedError
from homeport.state.database import Database
from homeport.state.tokens import verify_token

_FRESH_S: Final = 5.0  # how long a revoked token may still be taken by another process of ours
_REMEMBERED: Final = 1024  # tokens in memory; a box has a handful


class TokenCheck:
    """Tells a token's name. What it remembers, it remembers by hash."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[str, float]] = {}

    async def name_of(self, authorization: str | None) -> str:
        """The name of the token in an `Authorization` header.

        Raises:
            UnauthorizedError: there is none, or it is wrong.
        """
        scheme, _, plain = (authorization or "").partition(" ")
        plain = plain.strip()
        if scheme.lower() != "bearer" or not plain:
            raise UnauthorizedError(
                "This needs a token.",
                why="The request has no header 'Authorization: Bearer TOKEN'.",
                remedy="'homeport token create NAME' makes one; the first lies in the state folder.",
            )
        digest = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known and known[1] > time.monotonic():
            return known[0]
        name = await asyncio.to_thread(self._look_up, plain)
        if name is None:
            raise UnauthorizedError(
                "The token is wrong.",
                why="No token of this box is like it; it may have been revoked.",
                remedy="'homeport token create NAME' makes a new one.",
            )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[digest] = (name, time.monotonic() + _FRESH_S)
        return name

    def forget(self) -> None:
        """Looks every token up anew: one was revoked."""
        self._known.clear()

    def _look_up(self, plain: str) -> str | None:
        with self._database.read() as connection:
            return verify_token(connection, plain, datetime.now(UTC))
