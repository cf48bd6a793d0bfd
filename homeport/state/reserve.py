"""Space held back beside the database, so that what makes room can be written down on a full disk.

The reserve is a file that the steward fills where there is room. New work is refused before it would eat
into that space; an uninstall, a cleanup or a cancel takes from the file what its writes need, and the
steward fills it again once there is room.
"""

import os
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from homeport.errors import DiskFullError
from homeport.models import JobKind
from homeport.settings import MIB, Settings
from homeport.state.database import sqlite_path

WORK_BYTES: Final = 8 * MIB
"""What a job's own rows, events and log may need: with less than this free, the reserve is drawn upon."""

MAKES_ROOM: Final = frozenset({JobKind.UNINSTALL, JobKind.CLEANUP})
"""The kinds of jobs that are accepted and run out of the reserve."""

_WRITING: Final = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC  # root writes in a folder of the API's user


def reserve_file(settings: Settings) -> Path:
    """Where the space is held: beside SQLite's file, else where that would be."""
    return _reserve_file(settings.database, settings.state_dir / "db")


def require_room(settings: Settings) -> None:
    """Refuses new work on a disk that is full but for what is held back. Two system calls: cheap.

    Raises:
        DiskFullError: with the work, the reserve could not be kept or made whole again.
    """
    path = reserve_file(settings)
    try:
        left = _free(path.parent) + _held(path)
    except OSError:
        return  # a folder that cannot be asked cannot be written either, and whoever writes says why
    needed = settings.reserve_bytes + WORK_BYTES
    if left < needed:
        raise DiskFullError(
            "The disk is full: nothing new is begun.",
            why=f"{_mib(left)} are left at {path.parent}, of which {_mib(settings.reserve_bytes)} are kept "
            "for what makes room (reserve_bytes).",
            remedy="Make room: uninstall an app, trim the package caches ('homeport caches trim'), or remove "
            "files of your own. Uninstalling and trimming work while the disk is full.",
            path=str(path.parent),
            needed_bytes=needed,
            free_bytes=left,
        )


def is_short(settings: Settings) -> bool:
    """Whether the disk has less room than a job's writes may need."""
    try:
        return _free(reserve_file(settings).parent) < WORK_BYTES
    except OSError:
        return False


def draw_on_reserve(settings: Settings) -> None:
    """Lets go of as much of the reserve as a job's writes need, where the disk has less than that.

    No more than that at once: whoever filled the disk may go on doing so, and the next step needs room too.
    Never fails; where it could not let go, the write that follows says why.
    """
    path = reserve_file(settings)
    with suppress(OSError):
        short = WORK_BYTES - _free(path.parent)
        if short > 0:
            _resize(path, max(0, path.stat().st_size - short))


def fill_reserve(settings: Settings) -> bool:
    """Makes the reserve as large as it shall be, where the disk has room for it and for work besides.

    Returns:
        Whether it has its size now.

    Raises:
        OSError: the file cannot be written.
    """
    path, wanted = reserve_file(settings), settings.reserve_bytes
    missing = wanted - _held(path)
    if missing < 0:  # the setting was lowered
        _resize(path, wanted)
    if missing <= 0:
        return True
    if _free(path.parent) < missing + 2 * WORK_BYTES:  # else it would be let go of again at once
        return False
    folder = path.parent.stat()
    descriptor = os.open(path, _WRITING | os.O_CREAT, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        os.fchown(descriptor, folder.st_uid, folder.st_gid)  # the API, too, has to let go of it
        try:
            os.posix_fallocate(descriptor, 0, wanted)
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
    return True


@cache
def _reserve_file(url: str, otherwise: Path) -> Path:
    database = sqlite_path(url)
    return (database.parent if database else otherwise) / "reserve"


def _resize(path: Path, size: int) -> None:
    descriptor = os.open(path, _WRITING)
    try:
        os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _held(path: Path) -> int:
    """What the file really keeps from others: a copy of it may be sparse."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    return min(status.st_size, status.st_blocks * 512)


def _mib(size: int) -> str:
    return f"{size / MIB:,.0f} MiB"
