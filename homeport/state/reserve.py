"""Space held back beside the database, so that what makes room can be written down on a full disk.

It is held in two places, by the steward, where there is room. Blocks behind the end of SQLite's log: what is
committed goes there, and whoever fills the disk cannot have them (1,626 commits of a row went into 8 MiB on a
disk without one free block). And a file, for all else that a job writes: an uninstall, a cleanup or a cancel
lets go of some of it. New work is refused before it would eat into either.
"""

import ctypes
import errno
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
"""What must be free beside the reserve for new work: for its rows, events and log."""

JOURNAL_BYTES: Final = 8 * MIB
"""What SQLite's log has at least: twice what it grows to before it is copied into the database."""

_DRAWN: Final = 2 * MIB  # let go of at once: the log and the files of one job, with plenty to spare
_KEEP_SIZE: Final = 1  # fallocate(2), FALLOC_FL_KEEP_SIZE: SQLite sees nothing of it

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
        return _free(reserve_file(settings).parent) < _DRAWN
    except OSError:
        return False


def draw_on_reserve(settings: Settings) -> None:
    """Lets go of as much of the reserve as a job's writes need, where the disk has less than that.

    No more than that at once: whoever filled the disk may go on doing so, and the next step needs room too.
    Never fails; where it could not let go, the write that follows says why.
    """
    path = reserve_file(settings)
    with suppress(OSError):
        short = _DRAWN - _free(path.parent)
        if short > 0:
            _resize(path, max(0, path.stat().st_size - short))


def fill_reserve(settings: Settings) -> bool:
    """Makes the reserve as large as it shall be, where the disk has room for it and for work besides.

    SQLite's log has its part first, on a full disk out of the file.

    Returns:
        Whether the file has its size now.

    Raises:
        OSError: the file cannot be written.
    """
    path, wanted = reserve_file(settings), settings.reserve_bytes
    _hold_journal(settings, path)
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


def _hold_journal(settings: Settings, reserve: Path) -> None:
    """Gives SQLite's log its blocks; a file system that cannot promise any goes without.

    Not by `posix_fallocate`: where the file system has no such call, it writes into the file itself.
    """
    database = sqlite_path(settings.database)
    log = Path(f"{database}-wal")
    if database is None or not log.exists() or log.stat().st_blocks * 512 >= JOURNAL_BYTES:
        return
    if _allocate(log, JOURNAL_BYTES) == errno.ENOSPC and reserve.exists():
        _resize(reserve, max(0, reserve.stat().st_size - JOURNAL_BYTES))
        _allocate(log, JOURNAL_BYTES)


def _allocate(path: Path, size: int) -> int:
    """Blocks for so many bytes, whatever the file's size is; the error's number, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, _WRITING)
    try:
        failed = libc.fallocate(descriptor, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size))
        return ctypes.get_errno() if failed else 0
    finally:
        os.close(descriptor)


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
