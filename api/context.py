"""What a request's handler works with: one object per process, built by `create_app`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from aiohttp import web
from sqlalchemy import Connection

from api.streams import Streams
from homeport.catalog.remembered import Definitions
from homeport.metrics import RequestCounts
from homeport.settings import Settings
from homeport.state.admission import Admission
from homeport.state.database import Database
from homeport.state.feed import EventFeed
from homeport.state.ringer import Ringer
from homeport.state.steward import Steward
from homeport.state.token_check import TokenCheck
from homeport.state.writer import Writer

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Context:
    """The parts of the API's process."""

    settings: Settings
    database: Database
    writer: Writer
    admission: Admission
    ringer: Ringer
    feed: EventFeed
    steward: Steward
    streams: Streams
    tokens: TokenCheck
    definitions: Definitions
    requests: RequestCounts
    judging: asyncio.Semaphore
    """Held while an archive is looked through, or a text converted: that takes a core."""

    async def read(self, question: Callable[[Connection], T]) -> T:
        """What the question finds in the database, asked in a thread and in a transaction of its own.

        Raises:
            StateUnavailableError: the database cannot be read.
        """

        def ask() -> T:
            with self.database.read() as connection:
                return question(connection)

        return await asyncio.to_thread(ask)


CONTEXT: Final = web.AppKey("context", Context)
