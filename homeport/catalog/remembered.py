"""The catalogs as an asynchronous process asks for them: read in threads, remembered for a moment."""

import asyncio
import time
from collections.abc import Callable, Sequence
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

_FRESH_S: Final = 2.0  # workers read a definition again before they use it, so a moment's age does no harm


class Definitions:
    """Finds definitions. A hundred requests for one at the same moment read it once.

    Args:
        folders: says where the catalogs lie now; called in threads.
    """

    def __init__(self, folders: Callable[[], Sequence[CatalogFolder]]) -> None:
        self._folders = folders
        self._read: dict[str, tuple[float, asyncio.Task[FoundDefinition]]] = {}
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
        if known and known[0] > time.monotonic():
            return known[1].result() if known[1].done() else await asyncio.shield(known[1])
        task = asyncio.create_task(asyncio.to_thread(find_in_force, self._folders, name))
        self._read[name] = (time.monotonic() + _FRESH_S, task)
        try:
            return await asyncio.shield(task)
        except Exception:
            self._read.pop(name, None)  # what was wrong may be mended at once
            raise

    def forget(self) -> None:
        """Reads anew from now on: a catalog is no more."""
        self._read.clear()

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
