"""The files that a proxy reads when it starts.

The one that runs was told already, so none of them is worth a failure.
"""

import logging
import re
from pathlib import Path
from typing import Final

from homeport.errors import DiskFullError
from homeport.host.files import write_atomic

_log = logging.getLogger(__name__)

_MODE: Final = 0o644
_PLAIN: Final = re.compile(r"/[A-Za-z0-9._/@+~-]*")


def is_plain(path: Path) -> bool:
    """Whether the path can stand in the configuration of every proxy: in no place does it need quoting."""
    return _PLAIN.fullmatch(str(path)) is not None


def keep_written(path: Path, text: str, *, mode: int = _MODE, owner: tuple[int, int] | None = None) -> None:
    """Makes the file hold this and nothing else, as far as that can be.

    What cannot be written is logged; the next look at the table, a few seconds later, tries it again.

    Args:
        path: the file.
        text: all of it.
        mode: its permissions, where it is written.
        owner: user and group, likewise.
    """
    try:
        if _read(path) != text.encode():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text, mode=mode, owner=owner)
    except (OSError, DiskFullError) as error:
        _log.warning("%s cannot be written: %s", path, error)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
