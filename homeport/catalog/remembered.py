"""The catalog as an asynchronous process asks for it: read in threads, remembered for a moment."""

import asyncio
import time
from pathlib import Path
from typing import Final

from homeport.catalog.catalog import CatalogEntry, find_definition, list_definitions
from homeport.catalog.loaded import LoadedDefinition

_FRESH_S: Final = 2.0  # workers read a definition again before they use it, so a moment's age does no harm


class Definitions:
    """Finds definitions. A hundred requests for one at the same moment read it once."""

    def __init__(self, catalog_dir: Path) -> None:
        self._catalog_dir = catalog_dir
        self._read: dict[str, tuple[float, asyncio.Task[LoadedDefinition]]] = {}

    async def find(self, name: str) -> LoadedDefinition:
        """The definition, read and checked.

        Raises:
            NotFoundError: the catalog has none of the name.
            DefinitionInvalidError: it cannot be read or breaks its schema.
            PolicyRefusedError: it asks for what the policy does not allow.
        """
        known = self._read.get(name)
        if known and known[0] > time.monotonic():
            return known[1].result() if known[1].done() else await asyncio.shield(known[1])
        task = asyncio.create_task(asyncio.to_thread(find_definition, self._catalog_dir, name))
        self._read[name] = (time.monotonic() + _FRESH_S, task)
        try:
            return await asyncio.shield(task)
        except Exception:
            self._read.pop(name, None)  # what was wrong may be mended at once
            raise

    async def entries(self) -> list[CatalogEntry]:
        """All definitions of the catalog; a broken one with what is wrong."""
        return list(await asyncio.to_thread(list_definitions, self._catalog_dir))
