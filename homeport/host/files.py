"""Files that matter: written whole or not at all, read with a bound, removed only where they may be."""

import contextlib
import errno
import os
import secrets
import shlex
import shutil
import stat
from pathlib import Path

import psutil

from homeport.errors import DiskFullError, ForeignObjectError, InvalidInputError
from homeport.host.disk import free_bytes

_DRAFT_BYTES = 6  # what makes a draft's name its own


def write_atomic(
    path: Path, content: str | bytes, *, mode: int = 0o644, owner: tuple[int, int] | None = None
) -> None:
    """Writes the file so that after a crash it has its old content or the new one; durable on return.

    Args:
        path: the file; its folder exists.
        content: text is written as UTF-8.
        mode: the permissions, whatever the umask.
        owner: user and group id; None leaves them to the process.

    Raises:
        DiskFullError: there is no space for it; the old file is as it was.
        OSError: it cannot be written for another reason; likewise.
    """
    raw = content.encode() if isinstance(content, str) else content
    draft = path.with_name(_draft_name(path.name, secrets.token_hex(_DRAFT_BYTES)))
    try:
        _write_synced(draft, raw, mode, owner)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(path, len(raw)) from error
        raise
    _sync_folder(path.parent)


def drafts_of(name: str) -> str:
    """The pattern, for `Path.glob`, of what a killed `write_atomic` leaves beside a file of that name."""
    return _draft_name(name, "?" * 2 * _DRAFT_BYTES)


def read_bounded(path: Path, limit_bytes: int) -> bytes:
    """The content of a regular file of at most so many bytes.

    Raises:
        InvalidInputError: it is larger, or no regular file.
        OSError: it cannot be read; `FileNotFoundError` if there is none.
    """
    # without O_NONBLOCK, opening a FIFO would wait for its writer for ever
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unreadable(path, "It is not a regular file.")
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise _unreadable(path, f"It is larger than {limit_bytes} bytes.")
    return content


def contained(path: Path, within: Path) -> Path:
    """The path, resolved; a relative one starts at `within`.

    Raises:
        ForeignObjectError: it leads out of `within`, by `..` or by a link.
    """
    root = within.resolve()
    place = (root / path).resolve()
    if not place.is_relative_to(root):
        raise _foreign_path(path, f"It leads out of {root}, to {place}.")
    return place


def remove_tree(path: Path, *, within: Path) -> None:
    """Removes a file or a folder with all that is in it. What is absent is removed already.

    A link is removed, not followed, at the top as below.

    Raises:
        ForeignObjectError: it does not lie inside `within`, or is `within` itself, or something is mounted
            in it, or another user owns some of it, as an app's containers may, and we are not root.
        OSError: something in it cannot be removed.
    """
    root = within.resolve()
    place = path.parent.resolve() / path.name
    if path.name in ("", "..") or place == root or not place.is_relative_to(root):
        raise _foreign_path(path, f"It does not lie inside {root}.")
    if place.is_symlink() or not place.is_dir():
        place.unlink(missing_ok=True)
        return
    if mounted := _mounts_in(place):
        raise _foreign_path(path, f"{mounted[0]} is mounted in it, and may be somebody's data.")
    try:
        shutil.rmtree(place)
    except PermissionError as error:
        raise _of_another_user(path, error) from error


def _draft_name(name: str, own: str) -> str:
    return f".{name[:200]}.{own}.draft"  # a name has at most 255 bytes


def _write_synced(path: Path, raw: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        file.write(raw)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable: it is written in the folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mounts_in(folder: Path) -> list[Path]:
    points = [Path(partition.mountpoint) for partition in psutil.disk_partitions(all=True)]
    return [point for point in points if point.is_relative_to(folder)]


def _no_space(path: Path, needed_bytes: int) -> DiskFullError:
    return DiskFullError(
        f"{path} could not be written.",
        why="No space is left on its disk.",
        remedy="Free some space: remove apps, images or files that are not needed.",
        path=str(path),
        needed_bytes=needed_bytes,
        free_bytes=free_bytes(path.parent),
    )


def _unreadable(path: Path, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"{path} cannot be taken.",
        why=why,
        remedy="Replace it by a smaller regular file.",
        errors=[{"pointer": str(path), "detail": why}],
    )


def _of_another_user(path: Path, error: PermissionError) -> ForeignObjectError:
    return ForeignObjectError(
        f"{path} could not be removed whole.",
        why=f"{error.filename or path}: permission denied. An app's containers write as users of their own, "
        "whose files root alone may remove, and Homeport does not run as root.",
        remedy=f"Remove it by hand (sudo rm -r {shlex.quote(str(path))}), and ask for it again.",
        kind="path",
        name=str(path),
    )


def _foreign_path(path: Path, why: str) -> ForeignObjectError:
    return ForeignObjectError(
        f"{path} is not ours to touch.",
        why=why,
        remedy="Look at what lies there, and remove it by hand if it is not needed.",
        kind="path",
        name=str(path),
    )
