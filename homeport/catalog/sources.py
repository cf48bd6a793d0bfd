"""The files of a definition's folder: listed, bounded, digested, and never left."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Never

from homeport.errors import DefinitionInvalidError, Finding

MAX_FILES: Final = 2_000
MAX_FOLDER_BYTES: Final = 64 * 1024 * 1024
"""A definition is text and small files; what is large is downloaded by its Dockerfile."""
MAX_LEVELS: Final = 32
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class _Entry:
    name: str
    """Relative to the folder, with `/`."""
    path: Path
    status: os.stat_result


def digest_folder(folder: Path) -> str:
    """The SHA-256 over names, kinds, execute bits and contents of all that the folder holds.

    Raises:
        DefinitionInvalidError: it is too large, or holds a link that leaves it or a special file.
    """
    total = hashlib.sha256()
    size = 0
    for count, entry in enumerate(_walk(folder, folder, ""), start=1):
        size += entry.status.st_size if stat.S_ISREG(entry.status.st_mode) else 0
        if count > MAX_FILES or size > MAX_FOLDER_BYTES:
            what = f"The definition has more than {MAX_FILES:,} files or {MAX_FOLDER_BYTES // 2**20} MiB."
            _refuse(
                entry.name, "folder-too-large", what, "Leave large files out; a Dockerfile can download them."
            )
        kind, content = _content(folder, entry)
        total.update(f"{kind}\0{entry.name}\0{len(content)}\0".encode(errors="surrogateescape"))
        total.update(content)
    return total.hexdigest()


def read_text(folder: Path, name: str, *, limit_bytes: int) -> bytes:
    """What a file of the folder holds, one byte more than the limit at most.

    Raises:
        DefinitionInvalidError: there is no such file in the folder.
    """
    path = find_inside(folder, name)
    if path is None or not path.is_file():
        _refuse(
            name, "file-missing", "There is no such file in the definition.", f"Add {name} to the folder."
        )
    with path.open("rb") as file:
        return file.read(limit_bytes + 1)


def find_inside(folder: Path, name: str) -> Path | None:
    """What the name leads to, links followed; None where that does not exist or lies outside the folder."""
    try:
        path = (folder / name).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    return path if path.is_relative_to(folder.resolve()) else None


def _walk(root: Path, folder: Path, prefix: str) -> Iterator[_Entry]:
    if prefix.count("/") > MAX_LEVELS:
        _refuse(prefix, "folder-too-deep", f"Folders are nested more than {MAX_LEVELS} deep.", "Nest less.")
    try:
        found = sorted(os.scandir(folder), key=lambda item: item.name)
    except OSError as error:
        _refuse(prefix or ".", "file-unreadable", f"The folder cannot be read: {error.strerror}.", "Mend it.")
    for item in found:
        name = f"{prefix}{item.name}"
        yield _Entry(name=name, path=Path(item.path), status=item.stat(follow_symlinks=False))
        if item.is_dir(follow_symlinks=False):
            yield from _walk(root, Path(item.path), f"{name}/")


def _content(folder: Path, entry: _Entry) -> tuple[str, bytes]:
    mode = entry.status.st_mode
    if stat.S_ISDIR(mode):
        return "folder", b""
    if stat.S_ISLNK(mode):
        target = str(entry.path.readlink())
        _check_link(folder, entry, target)
        return "link", os.fsencode(target)
    if not stat.S_ISREG(mode):
        what = "It is neither a file, a folder nor a link."
        _refuse(entry.name, "file-special", what, "Remove the pipe, socket or device.")
    return ("program" if mode & 0o111 else "file"), _read(entry)


def _read(entry: _Entry) -> bytes:
    # The kind was looked at a moment ago; what stands there now is opened without following or waiting.
    try:
        opened = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            return file.read(MAX_FOLDER_BYTES)
    except OSError as error:
        _refuse(
            entry.name, "file-unreadable", f"It cannot be read: {error.strerror}.", "Mend its permissions."
        )


def _check_link(folder: Path, entry: _Entry, target: str) -> None:
    inside = find_inside(folder, entry.name)
    if PurePosixPath(target).is_absolute() or inside is None:
        what = f"The link leads to {target[:80]}, which is outside the definition or nowhere."
        _refuse(entry.name, "link-outside", what, "Put a copy of the file in its place.")


def _refuse(name: str, rule: str, what: str, remedy: str) -> Never:
    finding = Finding(file=name, key="file", line=None, rule=rule, what=what, remedy=remedy)
    raise DefinitionInvalidError("The definition's folder cannot be used.", [finding])
