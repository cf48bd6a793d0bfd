"""The definitions that a box offers: those that are shipped, and those of the catalogs that were added."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from homeport.catalog.definition import APP_FILE, Definition
from homeport.catalog.loaded import LoadedDefinition, builds_images
from homeport.catalog.reader import read_definition
from homeport.catalog.sources import copy_folder
from homeport.errors import (
    DefinitionInvalidError,
    Finding,
    HomeportError,
    InvalidInputError,
    NotFoundError,
    PolicyRefusedError,
    Problem,
)
from homeport.models import SHIPPED, CatalogFolder
from homeport.names import is_label

__all__ = [
    "SHIPPED", "CatalogEntry", "CatalogFolder", "FoundDefinition", "builds_images", "check_name", "combine",
    "copy_definition", "find_definition", "find_in_force", "folder_of", "list_definitions", "qualified_name",
    "read_entries",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """One folder of a catalog: its definition, or what is wrong with it.

    `name` is what it is listed and asked for by: `bare`, or `catalog/bare` where two catalogs have it.
    """

    name: str
    catalog: str
    bare: str
    loaded: LoadedDefinition | None
    problem: Problem | None

    @property
    def definition(self) -> Definition | None:
        """app.yml, where the definition is sound."""
        return self.loaded.definition if self.loaded else None

    @property
    def qualified(self) -> str:
        """The name that no other definition of the box has."""
        return qualified_name(self.catalog, self.bare)


@dataclass(frozen=True, kw_only=True)
class FoundDefinition:
    """A definition, and the catalog that it was found in."""

    loaded: LoadedDefinition
    catalog: str

    @property
    def qualified(self) -> str:
        """The name that no other definition of the box has."""
        return qualified_name(self.catalog, self.loaded.definition.name)


def qualified_name(catalog: str, name: str) -> str:
    """`catalog/name`."""
    return f"{catalog}/{name}"


def list_definitions(folders: Iterable[CatalogFolder]) -> list[CatalogEntry]:
    """All definitions by name; a broken one is listed with its problem. A missing folder has none."""
    return combine(entry for folder in folders for entry in read_entries(folder))


def read_entries(folder: CatalogFolder) -> list[CatalogEntry]:
    """The definitions of one catalog, each by its bare name."""
    return [_entry(folder, name) for name in _names(folder)]


def combine(entries: Iterable[CatalogEntry]) -> list[CatalogEntry]:
    """Entries of all catalogs, with the names that they are listed by."""
    ordered = sorted(entries, key=lambda entry: (entry.bare, entry.catalog != SHIPPED, entry.catalog))
    count = Counter(entry.bare for entry in ordered)
    return [
        replace(entry, name=entry.qualified if count[entry.bare] > 1 else entry.bare) for entry in ordered
    ]


def find_in_force(folders: Callable[[], Sequence[CatalogFolder]], name: str) -> FoundDefinition:
    """As `find_definition`, where a refresh may replace the copies meanwhile."""
    while True:
        seen = folders()
        try:
            return find_definition(seen, name)
        except HomeportError:
            if folders() == seen:
                raise


def find_definition(folders: Sequence[CatalogFolder], name: str) -> FoundDefinition:
    """The definition of this name, `catalog/name` or bare.

    By a bare name, the shipped catalog's wins.

    Raises:
        NotFoundError: no catalog has it.
        InvalidInputError: several added catalogs have one of the bare name.
        DefinitionInvalidError: it is broken.
        PolicyRefusedError: its compose file asks for what is not allowed.
    """
    folder = folder_of(folders, name)
    bare = name.rpartition("/")[2]
    loaded = read_definition(folder.path / bare)
    check_name(loaded, bare)
    return FoundDefinition(loaded=loaded, catalog=folder.name)


def check_name(loaded: LoadedDefinition, name: str) -> None:
    """Returns if the definition is named like the folder that it was found in.

    Raises:
        DefinitionInvalidError: it is not.
    """
    if loaded.definition.name != name:
        what = f"The folder is named {name!r}, and the definition {loaded.definition.name!r}."
        finding = Finding(
            file=APP_FILE, key="name", line=None, rule="name-differs", what=what, remedy="Name both the same."
        )
        raise DefinitionInvalidError(f"The definition {name!r} is not valid.", [finding])


def copy_definition(folders: Callable[[], Sequence[CatalogFolder]], name: str, target: Path) -> None:
    """Copies the folder of the definition of that name, where a refresh may replace it meanwhile.

    Raises:
        NotFoundError, InvalidInputError, DefinitionInvalidError, DiskFullError: as `find_definition` and
            `copy_folder`.
    """
    while True:
        seen = folders()
        try:
            place = folder_of(seen, name).path / name.rpartition("/")[2]
            return copy_folder(place.resolve(), target)  # an owner may have put a link to it there
        except HomeportError:
            if folders() == seen:
                raise


def folder_of(folders: Sequence[CatalogFolder], name: str) -> CatalogFolder:
    """The catalog that has what is asked for by this name; nothing is read.

    Raises:
        NotFoundError, InvalidInputError: as `find_definition`.
    """
    catalog, slash, bare = name.rpartition("/")
    having = [
        folder
        for folder in folders
        if is_label(bare)
        and (folder.path / bare / APP_FILE).exists()
        and (not slash or folder.name == catalog)
    ]
    if not having:
        raise _not_found(folders, name)
    shipped = [folder for folder in having if folder.name == SHIPPED]
    if len(having) > 1 and not shipped:
        names = [qualified_name(folder.name, bare) for folder in having]
        raise InvalidInputError(
            f"Several catalogs have a definition {bare!r}.",
            why=f"They are {', '.join(names)}.",
            remedy="Say which one by its whole name.",
            errors=[{"pointer": "/definition", "detail": f"one of {', '.join(names)}"}],
        )
    return (shipped or having)[0]


def _names(folder: CatalogFolder) -> list[str]:
    return sorted(path.parent.name for path in folder.path.glob(f"*/{APP_FILE}"))


def _not_found(folders: Sequence[CatalogFolder], name: str) -> NotFoundError:
    known = {found: folder.name for folder in reversed(folders) for found in _names(folder)}
    names = [*known, *(qualified_name(catalog, found) for found, catalog in known.items())]
    near = difflib.get_close_matches(name[:127].lower(), names, n=1)
    return NotFoundError(
        f"The catalog has no definition {name!r}.",
        remedy=(f"Did you mean {near[0]!r}? " if near else "") + "`homeport catalog` lists what it has.",
        kind="definition",
        name=name,
    )


def _entry(folder: CatalogFolder, name: str) -> CatalogEntry:
    try:
        loaded = find_definition([folder], name).loaded
    except (DefinitionInvalidError, PolicyRefusedError, NotFoundError) as error:
        return CatalogEntry(name=name, catalog=folder.name, bare=name, loaded=None, problem=error.problem())
    return CatalogEntry(name=name, catalog=folder.name, bare=name, loaded=loaded, problem=None)
