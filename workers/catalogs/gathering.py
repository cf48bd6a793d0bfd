"""What the fetchers have in common: definitions put side by side, within bounds, each on its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from homeport.catalog.addresses import hide_secrets, shown_source
from homeport.errors import (
    ArchiveRefusedError,
    CatalogUnavailableError,
    DefinitionInvalidError,
    Problem,
)
from homeport.names import is_label
from homeport.plans import Control
from homeport.settings import Settings

MAX_DEFINITIONS: Final = 1000
"""The most that a catalog may have: each takes some milliseconds to read when the catalog is listed."""

APPS_FOLDER: Final = "apps"
"""Definitions lie side by side, or side by side in this folder."""

Put = Callable[[Path], None]
"""Makes a definition's folder, of the path that it is given, or raises."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What there was: `revision` names its state, `problems` those definitions that could not be had."""

    revision: str
    problems: Mapping[str, Problem]


class FetchCatalog(Protocol):
    """Fetches a catalog's definitions from one kind of source."""

    def __call__(
        self,
        source: str,
        target: Path,
        work: Path,
        *,
        settings: Settings,
        control: Control,
        log: Callable[[str], None],
    ) -> Fetched:
        """Makes a folder in `target` for each definition that can be had.

        Args:
            source: where they come from.
            target: an empty folder.
            work: another one, for files on the way.
            settings: the box's.
            control: asked at least twice a second.
            log: gets lines for people.

        Raises:
            HomeportError: the source cannot be read at all, or holds too much.
        """


def gather(
    puts: Mapping[str, Put], target: Path, source: str, *, settings: Settings, control: Control
) -> dict[str, Problem]:
    """Puts every definition into the target; the problems of those that could not be.

    Raises:
        CatalogUnavailableError: there are none, too many, or together they are too large.
    """
    if not puts:
        raise unavailable(
            source,
            "There is no definition in it.",
            f"A definition is a folder with app.yml, at the top or in {APPS_FOLDER}.",
        )
    if len(puts) > MAX_DEFINITIONS:
        raise unavailable(source, f"It has {len(puts):,} definitions; {MAX_DEFINITIONS:,} are the most.")
    problems: dict[str, Problem] = {}
    size = 0
    for name, put in puts.items():
        control.check()
        try:
            if not is_label(name):
                raise unavailable(source, f"{name[:80]!r} is no label: a-z, 0-9 and hyphens inside.")
            put(target / name)
        except (ArchiveRefusedError, CatalogUnavailableError, DefinitionInvalidError) as error:
            problems[name] = error.problem()
            continue
        size += folder_bytes(target / name)
        if size > settings.catalog_max_bytes:
            raise too_large(source, settings)
    return problems


def folder_bytes(folder: Path) -> int:
    """What the files in the folder take of the disk together; those that vanish meanwhile take nothing."""
    return sum(_size(path) for path in folder.rglob("*"))


def unavailable(source: str, why: str, remedy: str = "") -> CatalogUnavailableError:
    """The error for a source of which something cannot be had."""
    shown = shown_source(source)
    return CatalogUnavailableError(
        f"Definitions cannot be fetched from {shown}.",
        why=hide_secrets(why, source),
        remedy=remedy or "Look at the source, then refresh the catalog again, or remove it.",
        source=shown,
    )


def too_large(source: str, settings: Settings) -> CatalogUnavailableError:
    """The error for a source that holds more than is taken."""
    return unavailable(
        source,
        f"It holds more than {settings.catalog_max_bytes // 2**20:,} MiB (catalog_max_bytes).",
        "Leave large files out of it, or raise the setting.",
    )


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:
        return 0
    return max(status.st_size, status.st_blocks * 512)  # a file of one byte has a whole block
