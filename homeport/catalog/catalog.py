"""The definitions that a box offers: the folders of the catalog."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from homeport.catalog.definition import APP_FILE, Definition
from homeport.catalog.loaded import LoadedDefinition, builds_images
from homeport.catalog.reader import read_definition
from homeport.errors import DefinitionInvalidError, Finding, NotFoundError, PolicyRefusedError, Problem
from homeport.names import is_label

__all__ = ["CatalogEntry", "builds_images", "find_definition", "list_definitions"]


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """One folder of the catalog: its definition, or what is wrong with it."""

    name: str
    loaded: LoadedDefinition | None
    problem: Problem | None

    @property
    def definition(self) -> Definition | None:
        """app.yml, where the definition is sound."""
        return self.loaded.definition if self.loaded else None


def list_definitions(catalog_dir: Path) -> list[CatalogEntry]:
    """All definitions by name; a broken one is listed with its problem. Without the folder there are none."""
    if not catalog_dir.is_dir():
        return []
    names = sorted(path.parent.name for path in catalog_dir.glob(f"*/{APP_FILE}"))
    return [_entry(catalog_dir, name) for name in names]


def find_definition(catalog_dir: Path, name: str) -> LoadedDefinition:
    """The definition of this name.

    Raises:
        NotFoundError: the catalog has none of the name.
        DefinitionInvalidError: it is broken.
        PolicyRefusedError: its compose file asks for what is not allowed.
    """
    folder = catalog_dir / name
    if not is_label(name) or not (folder / APP_FILE).exists():
        raise NotFoundError(
            f"The catalog has no definition {name!r}.",
            remedy=_nearest(catalog_dir, name) + "`homeport catalog` lists what it has.",
            kind="definition",
            name=name,
        )
    loaded = read_definition(folder)
    if loaded.definition.name != name:
        what = f"The folder is named {name!r}, and the definition {loaded.definition.name!r}."
        finding = Finding(
            file=APP_FILE, key="name", line=None, rule="name-differs", what=what, remedy="Name both the same."
        )
        raise DefinitionInvalidError(f"The definition {name!r} is not valid.", [finding])
    return loaded


def _nearest(catalog_dir: Path, name: str) -> str:
    names = [path.parent.name for path in catalog_dir.glob(f"*/{APP_FILE}")]
    near = difflib.get_close_matches(name[:63].lower(), names, n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


def _entry(catalog_dir: Path, name: str) -> CatalogEntry:
    try:
        return CatalogEntry(name=name, loaded=find_definition(catalog_dir, name), problem=None)
    except (DefinitionInvalidError, PolicyRefusedError, NotFoundError) as error:
        return CatalogEntry(name=name, loaded=None, problem=error.problem())
