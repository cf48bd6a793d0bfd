"""A catalog that is a folder of the box: its definitions are copied."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from homeport.catalog.definition import APP_FILE
from homeport.catalog.sources import copy_folder, digest_folder
from homeport.errors import DefinitionInvalidError, Finding
from homeport.plans import Control
from homeport.settings import Settings
from workers.catalogs.gathering import APPS_FOLDER, Fetched, Put, gather, unavailable


def fetch_folder(
    source: str,
    target: Path,
    work: Path,
    *,
    settings: Settings,
    control: Control,
    log: Callable[[str], None],
) -> Fetched:
    """See `FetchCatalog`."""
    root = Path(source)
    try:
        puts: dict[str, Put] = {}
        for place in (*_definitions(root), *_apps_of(root)):
            puts.setdefault(place.name, partial(_copy, place))
    except OSError as error:
        raise unavailable(source, f"{error.filename or source}: {error.strerror}.") from error
    problems = gather(puts, target, source, settings=settings, control=control)
    return Fetched(revision=_revision(target), problems=problems)


def _apps_of(root: Path) -> list[Path]:
    """The definitions below the top, where there is such a folder."""
    apps = root / APPS_FOLDER
    return _definitions(apps) if apps.is_dir() else []


def _definitions(root: Path) -> list[Path]:
    """The folders that have an app.yml, by name."""
    return sorted(
        place for place in root.iterdir() if not place.name.startswith(".") and (place / APP_FILE).exists()
    )


def _copy(place: Path, target: Path) -> None:
    if place.is_symlink():
        what = "The definition's folder is a link."
        finding = Finding(
            file=place.name,
            key="file",
            line=None,
            rule="link-outside",
            what=what,
            remedy="Put a folder there.",
        )
        raise DefinitionInvalidError("The definition's folder cannot be used.", [finding])
    digest_folder(place)  # refuses links that lead out of it, before anything is copied
    copy_folder(place, target)


def _revision(target: Path) -> str:
    """SHA-256 over what was copied."""
    total = hashlib.sha256()
    for place in sorted(target.iterdir()):
        total.update(f"{place.name}\0{digest_folder(place)}\0".encode())
    return total.hexdigest()
