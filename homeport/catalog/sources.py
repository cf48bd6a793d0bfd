"""The files of a definition's folder: listed, bounded, digested, and never left."""

import ctypes
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Never

from homeport.errors import DefinitionInvalidError, DiskFullError, Finding

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
            _too_large(entry.name)
        kind, content = _content(folder, entry)
        total.update(f"{kind}\0{entry.name}\0{len(content)}\0".encode(errors="surrogateescape"))
        total.update(content)
    return total.hexdigest()


def copy_folder(folder: Path, target: Path) -> None:
    """Copies a definition's folder; the copy is there once all of it is.

    Files get mode 0644, or 0755 where they may be executed, folders 0755. Links are copied as they are, and
    what they lead to is not read: `digest_folder` judges them. Nothing outside the folder is read, whoever
    changes it meanwhile.

    Args:
        folder: the definition's.
        target: what becomes the copy; must not exist, the folder around it must.

    Raises:
        DefinitionInvalidError: it is too large or too deep, cannot be read, or holds a special file.
        DiskFullError: there is no space for the copy.
    """
    work = target.with_name(f".{target.name}.copying")
    shutil.rmtree(work, ignore_errors=True)  # a process before us may have died in it
    try:
        work.mkdir(mode=0o755)
        if not _copy_into(folder, work):
            _refuse(
                folder.name, "file-missing", "It is no folder, or an empty one.", "Put a definition there."
            )
        work.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"The disk is too full for a copy of {folder.name}.",
                why=f"It would lie in {target.parent}.",
                remedy="Make room, then try again.",
                path=str(target.parent),
            ) from error
        name = Path(str(error.filename or ".")).name
        _refuse(name, "file-unreadable", f"It cannot be copied: {error.strerror}.", "Mend it.")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def put_in_place(work: Path, target: Path) -> None:
    """Moves a complete folder to where it is trusted, so that also a power cut leaves all of it or nothing.

    What it holds is on the disk before it has its name, by one syncfs(2): 5,000 small files took 0.04 s so,
    and 10 s with an fsync of each.

    Raises:
        OSError: the disk does not take it.
    """
    opened = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(opened) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(work))
    finally:
        os.close(opened)
    work.rename(target)
    around = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(around)
    finally:
        os.close(around)


def _copy_into(folder: Path, work: Path) -> int:
    """Copies what the folder holds, which is nothing where it is a link; how many things that are."""
    count, left = 0, MAX_FOLDER_BYTES
    for place, folders, files, opened in os.fwalk(folder, onerror=_raise, follow_symlinks=False):
        relative = Path(place).relative_to(folder)
        if len(relative.parts) > MAX_LEVELS:
            _refuse(
                str(relative), "folder-too-deep", f"It is nested more than {MAX_LEVELS} deep.", "Nest less."
            )
        for name in (*folders, *files):
            count += 1
            left -= _copy_one(work / relative / name, str(relative / name), name, opened, left)
            if count > MAX_FILES:
                _too_large(str(relative / name))
    return count


def _copy_one(target: Path, shown: str, name: str, opened: int, left: int) -> int:
    """Makes one entry from that of the open folder; how many bytes it has."""
    mode = os.stat(name, dir_fd=opened, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        target.mkdir(mode=0o755)
        return 0
    if stat.S_ISLNK(mode):
        target.symlink_to(os.readlink(name, dir_fd=opened))
        return 0
    if not stat.S_ISREG(mode):
        what = "It is neither a file, a folder nor a link."
        _refuse(shown, "file-special", what, "Remove the pipe, socket or device.")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=opened), "rb") as source, target.open("xb") as file:
        while piece := source.read(_CHUNK_BYTES):
            file.write(piece)
            if file.tell() > left:
                _too_large(shown)
        os.fchmod(file.fileno(), 0o755 if mode & 0o111 else 0o644)
        return file.tell()


def _too_large(name: str) -> Never:
    what = f"The definition has more than {MAX_FILES:,} files or {MAX_FOLDER_BYTES // 2**20} MiB."
    _refuse(name, "folder-too-large", what, "Leave large files out; a Dockerfile can download them.")


def _raise(error: OSError) -> Never:
    raise error


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
