"""The catalogs as an asynchronous process asks for them: read in threads, remembered for a moment."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from homeport.catalog.catalog import (
    CatalogEntry,
    CatalogFolder,
    FoundDefinition,
    combine,
    find_in_force,
    read_entries,
)

_YOUNG_S: Final = 1.0  # what is older and still asked for is read again while it is answered with
_FRESH_S: Final = 2.0  # workers read a definition again before they use it, so a moment's age does no harm


@dataclass(frozen=True)
class _Read:
    """A definition that was read, or is being read, and how old it is."""

    task: asyncio.Task[FoundDefinition]
    began_at: float = field(default_factory=time.monotonic)

    def is_younger_than(self, seconds: float) -> bool:
        return time.monotonic() < self.began_at + seconds


class Definitions:
    """Finds definitions. A hundred requests for one at the same moment read it once.

    One that is asked for all the time is read again behind the answers' backs, so that none waits for it.

    Args:
        folders: says where the catalogs lie now; called in threads.
    """

    def __init__(self, folders: Callable[[], Sequence[CatalogFolder]]) -> None:
        self._folders = folders
        self._read: dict[str, _Read] = {}
        self._renewed: dict[str, _Read] = {}
        self._copies: dict[Path, list[CatalogEntry]] = {}

    async def find(self, name: str) -> FoundDefinition:
        """The definition of that name, `catalog/name` or bare; read and checked.

        Raises:
            NotFoundError: no catalog has one of the name.
            InvalidInputError: several have.
            DefinitionInvalidError: it cannot be read or breaks its schema.
            PolicyRefusedError: it asks for what the policy does not allow.
        """
        known = self._read.get(name)
        if known is None or not known.is_younger_than(_FRESH_S):
            known = self._read[name] = self._begin(name)
        elif known.task.done() and not known.is_younger_than(_YOUNG_S):
            self._renew(name)
        if known.task.done():
            return known.task.result()
        try:
            return await asyncio.shield(known.task)
        except Exception:
            self._read.pop(name, None)  # what was wrong may be mended at once
            raise

    def _begin(self, name: str) -> _Read:
        return _Read(asyncio.create_task(asyncio.to_thread(find_in_force, self._folders, name)))

    def _renew(self, name: str) -> None:
        if name in self._renewed:
            return
        read = self._renewed[name] = self._begin(name)

        def take(_: object) -> None:
            if self._renewed.get(name) is not read:  # forgotten meanwhile
                return
            del self._renewed[name]
            if read.task.cancelled() or read.task.exception():
                self._read.pop(name, None)  # who asks next is told what is wrong now
            else:
                self._read[name] = read

        read.task.add_done_callback(take)

    def forget(self) -> None:
        """Reads anew from now on: a catalog is no more."""
        self._read.clear()
        self._renewed.clear()

    async def entries(self) -> list[CatalogEntry]:
        """All definitions of all catalogs; a broken one with what is wrong."""
        return await asyncio.to_thread(self._entries)

    def _entries(self) -> list[CatalogEntry]:
        folders = self._folders()
        while True:
            read = {folder.path: self._copies.get(folder.path) or read_entries(folder) for folder in folders}
            before, folders = folders, self._folders()
            if folders == before:  # else a refresh may have removed what was being read
                break
        self._copies = {folder.path: read[folder.path] for folder in folders if folder.is_copy}
        return combine(entry for entries in read.values() for entry in entries)
