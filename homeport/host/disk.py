"""How much space there is, and refusing before it runs out."""

import os
from pathlib import Path

from homeport.errors import DiskFullError

_MIB = 1024 * 1024


def free_bytes(path: Path) -> int:
    """The bytes that can still be written where the path lies, or will lie once its folders are made."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    figures = os.statvfs(place)
    return figures.f_bavail * figures.f_frsize


def require_space(path: Path, needed_bytes: int) -> None:
    """Returns if so many bytes can be written there.

    Raises:
        DiskFullError: they cannot.
    """
    free = free_bytes(path)
    if free < needed_bytes:
        raise DiskFullError(
            f"Too little space is left on the disk of {path}.",
            why=f"{needed_bytes / _MIB:.0f} MiB are needed, {free / _MIB:.0f} MiB are free.",
            remedy="Free some space: remove apps, images or files that are not needed.",
            path=str(path),
            needed_bytes=needed_bytes,
            free_bytes=free,
        )
