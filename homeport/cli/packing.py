"""A folder as a tar archive that is made while it is sent: the same folder is always the same bytes."""

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from homeport.errors import InvalidInputError

LEFT_OUT: Final = frozenset({".git"})
"""What is not sent: a build needs no history, and it may be larger than all the rest."""

_CHUNK_BYTES: Final = 256 * 1024
_END: Final = bytes(2 * tarfile.BLOCKSIZE)  # POSIX's end of an archive


@dataclass(frozen=True, kw_only=True)
class _Packed:
    """An entry of the archive, and where its content lies."""

    header: bytes
    size: int
    path: Path


class PackedFolder:
    """The archive of a folder; its length is known before it is read.

    Names are sorted; owners and times are left out, links stay links.

    Raises:
        InvalidInputError: the folder cannot be read, or holds a pipe, a socket or a device.
    """

    def __init__(self, folder: Path) -> None:
        self._entries = [_packed(path, name) for name, path in _walk(folder, "")]

    def __len__(self) -> int:
        contents = sum(len(entry.header) + _padded(entry.size) for entry in self._entries)
        return contents + len(_END)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes.

        Raises:
            InvalidInputError: a file has changed its size, or is gone.
        """
        for entry in self._entries:
            yield entry.header
            if entry.size:
                yield from _content(entry)
                yield bytes(_padded(entry.size) - entry.size)
        yield _END


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(prefix or str(folder), error.strerror or "") from error
    for entry in found:
        if entry.name in LEFT_OUT:
            continue
        name = f"{prefix}{entry.name}"
        yield name, Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{name}/")


def _packed(path: Path, name: str) -> _Packed:
    status = path.lstat()
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode):
        member.size = status.st_size
    elif stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
    else:
        raise _unreadable(name, "It is neither a file, a folder nor a link.")
    return _Packed(header=member.tobuf(tarfile.PAX_FORMAT), size=member.size, path=path)


def _content(entry: _Packed) -> Iterator[bytes]:
    left = entry.size
    try:
        with entry.path.open("rb") as file:
            while left and (piece := file.read(min(_CHUNK_BYTES, left))):
                left -= len(piece)
                yield piece
    except OSError as error:
        raise _unreadable(str(entry.path), error.strerror or "") from error
    if left:
        raise _unreadable(str(entry.path), "It became shorter while it was read.")


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _unreadable(name: str, why: str) -> InvalidInputError:
    remedy = "Mend or move it, and try again."
    return InvalidInputError(f"{name} cannot be sent.", why=why, remedy=remedy)
