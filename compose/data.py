"""The folders of a project: made before the start, remembered, and removed only if we made them.

Docker would make missing ones too, without saying so. They belong to root with mode 0755; an image that runs
as another user changes the owner itself, which it may.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from compose.values import COMPOSE_FILE, RECORD_FILE, RenderedProject
from homeport.catalog.policy_rules import PROXY_LOGS
from homeport.host.files import contained, drafts_of, read_bounded, remove_tree, write_atomic

_RECORD_BYTES = 1024 * 1024


def missing_folders(project_dir: Path, rendered: RenderedProject) -> tuple[str, ...]:
    """The topmost folders that `create_data_folders` would make, relative to the project folder.

    Raises:
        ForeignObjectError: one leads out of the project folder, by a link.
    """
    found: dict[str, None] = {}
    for folder in (*rendered.data_folders, *rendered.bind_folders):
        contained(Path(folder), project_dir)
        if top := _first_missing(project_dir, folder):
            found[top] = None
    return tuple(found)


def create_data_folders(project_dir: Path, rendered: RenderedProject) -> tuple[str, ...]:
    """Makes the folders that the project mounts or calls its data, where they do not exist.

    A bind of a file that exists stays a file. What is made is written down first, so that a crash leaves
    nothing that nobody knows of.

    Returns:
        The topmost folders made now, relative to the project folder.

    Raises:
        ForeignObjectError: one leads out of the project folder, by a link.
    """
    project_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    missing = missing_folders(project_dir, rendered)
    if missing:
        _remember(project_dir, {*made_folders(project_dir), *missing})
    for folder in (*rendered.data_folders, *rendered.bind_folders):
        place = contained(Path(folder), project_dir)
        if not place.exists():
            place.mkdir(mode=0o755, parents=True)
    return missing


def made_folders(project_dir: Path) -> tuple[str, ...]:
    """The topmost folders in the project folder that we made, now or earlier."""
    try:
        stored = json.loads(read_bounded(project_dir / RECORD_FILE, _RECORD_BYTES))
    except FileNotFoundError:
        return ()
    return tuple(str(folder) for folder in stored["folders"])


def purge_folders(project_dir: Path, *, only: Sequence[str] | None = None) -> tuple[str, ...]:
    """Removes, with all that is in them, the folders that we made; whatever else lies there stays.

    Args:
        project_dir: the project folder; it need not exist.
        only: of these; None: all.

    Returns:
        Those removed, relative to the project folder.
    """
    made = made_folders(project_dir)
    chosen = [folder for folder in made if only is None or folder in only]
    for folder in chosen:
        remove_tree(project_dir / folder, within=project_dir)
    left = set(made) - set(chosen)
    if left:
        _remember(project_dir, left)
    else:
        remove_tree(project_dir / RECORD_FILE, within=project_dir)
    return tuple(chosen)


def remove_project_files(project_dir: Path, names: Iterable[str] = ()) -> None:
    """Removes the rendered compose file, Apache's logs of the app and the other names given; then the folder
    itself, if it is empty.
    """
    for name in (COMPOSE_FILE, *PROXY_LOGS, *names):
        remove_tree(project_dir / name, within=project_dir)
    for name in (COMPOSE_FILE, RECORD_FILE):  # of a writer that was killed
        for draft in project_dir.glob(drafts_of(name)):
            remove_tree(draft, within=project_dir)
    # A link is its owner's, who keeps the app's data on another disk.
    if project_dir.is_dir() and not project_dir.is_symlink() and not any(project_dir.iterdir()):
        project_dir.rmdir()


def _remember(project_dir: Path, folders: Iterable[str]) -> None:
    text = json.dumps({"folders": sorted(folders)}, indent=1) + "\n"
    write_atomic(project_dir / RECORD_FILE, text, mode=0o600)


def _first_missing(project_dir: Path, folder: str) -> str | None:
    """The topmost part of the path that does not exist."""
    parts = PurePosixPath(folder).parts
    for count in range(1, len(parts) + 1):
        above = PurePosixPath(*parts[:count])
        if not (project_dir / above).exists():
            return str(above)
    return None
