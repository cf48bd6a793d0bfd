"""Uploaded archives: what is in one, and unpacking it without trusting a byte of it.

Python's tarfile reads the headers; everything that it would believe is looked at here first, and it gets a
stream that goes forward only, so that no header can make it loop, jump, or read what is large into memory.
"""

import errno
import gzip
import os
import shutil
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, cast

from homeport.catalog.archive_tree import ArchiveTree, Entry, EntryKind, refused
from homeport.errors import ArchiveRefusedError, DiskFullError

MAX_RATIO: Final = 200
"""How much larger than the archive its content may be; source code is packed to a fifth or a tenth."""

_FREE_OF_RATIO: Final = 16 * 1024 * 1024  # a small archive of empty blocks has any ratio, and does no harm
_LARGEST_READ: Final = 64 * 1024  # also the largest header: a name of PATH_MAX and some attributes
_BLOCK: Final = 512
_HEADERS_PER_ENTRY: Final = 4  # a long name, a long link or a pax header, and the padding of the content
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BROKEN: Final = (
    tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, OverflowError, struct.error,
    RecursionError,  # tarfile follows a chain of headers by calling itself
)  # fmt: skip

Write = Callable[[Entry, Iterator[bytes]], None]


def survey_archive(
    file: Path, *, max_bytes: int, max_files: int, max_ratio: float = MAX_RATIO
) -> frozenset[str]:
    """The names of all files in a tar archive, plain or packed by gzip; nothing is written.

    An archive that holds nothing but one folder is taken as that folder.

    Raises:
        ArchiveRefusedError: as `unpack_archive`.
    """
    tree = _read(file, lambda _entry, _content: None, max_bytes, max_files, max_ratio)
    return tree.files()


def unpack_archive(
    file: Path,
    folder: Path,
    *,
    max_bytes: int,
    max_files: int,
    max_ratio: float = MAX_RATIO,
    spare_bytes: int = 0,
) -> None:
    """Unpacks a tar archive, plain or packed by gzip; the folder is there once all of it is unpacked.

    Files are made anew with mode 0644, or 0755 where they may be executed, folders with 0755; owners and
    times are not taken over. An archive that holds nothing but one folder is taken as that folder.

    Args:
        file: the archive.
        folder: what it becomes; must not exist, or be empty.
        max_bytes: the most that the contents may have together.
        max_files: the most entries, folders and links included.
        max_ratio: how often larger than the file its content may be.
        spare_bytes: what must stay free on the disk.

    Raises:
        ArchiveRefusedError: it is no tar archive, is broken, above a bound, or has an entry that must not be
            unpacked: an absolute name, one with `..`, a name twice, a link that leads out, a hard link to
            what was not unpacked before, a device, a pipe, a sparse file. Nothing is left of it.
        DiskFullError: there is no room for it.
    """
    work = folder.with_name(f".{folder.name}.unpacking")

    def write(entry: Entry, content: Iterator[bytes]) -> None:
        if shutil.disk_usage(work).free < spare_bytes + entry.size:
            raise _disk_full(folder)
        _write(work, entry, content)

    shutil.rmtree(work, ignore_errors=True)  # a process before us may have died in it
    try:
        work.mkdir(mode=0o755)
        tree = _read(file, write, max_bytes, max_files, max_ratio)
        for link in tree.links():
            path = work / link.name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            path.symlink_to(link.target)
        (work / tree.top).rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(folder) from error
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _read(file: Path, write: Write, max_bytes: int, max_files: int, max_ratio: float) -> ArchiveTree:
    """Goes through the archive once; the files and folders that pass are given to `write` as they come."""
    tree = ArchiveTree(max_bytes=max_bytes, max_files=max_files)
    packed_bytes = file.stat().st_size
    unpacked = max_bytes + max_files * _HEADERS_PER_ENTRY * _BLOCK + _FREE_OF_RATIO
    limit = min(unpacked, int(packed_bytes * max_ratio) + _FREE_OF_RATIO)
    with _opened(file) as source:
        stream = _Forward(source, limit)
        try:
            with tarfile.open(fileobj=stream, mode="r:", errorlevel=2) as tar:  # type: ignore[call-overload]
                while (member := tar.next()) is not None:
                    tar.members = []  # it would keep them all
                    entry = tree.add(member)
                    if entry is not None:
                        stream.seek(member.offset_data)
                        write(entry, stream.pieces(entry.size))
                stream.finish()
        except _BROKEN as error:
            raise ArchiveRefusedError(
                "The upload is no whole tar archive.",
                why=f"Reading it ended with: {str(error)[:200] or type(error).__name__}.",
                remedy="Send a tar archive, plain or packed by gzip: tar -cz -C FOLDER .",
                entry=tree.last,
            ) from error
    tree.finish()
    return tree


def _opened(file: Path) -> IO[bytes]:
    with file.open("rb") as begin:
        packed = begin.read(2) == _GZIP_MAGIC
    if packed:
        return cast(IO[bytes], gzip.open(file))
    return file.open("rb")


class _Forward:
    """A stream for tarfile: it goes forward only, gives little at a time, and ends at a limit."""

    def __init__(self, source: IO[bytes], limit: int) -> None:
        self._source = source
        self._limit = limit
        self._position = 0
        self._last = b""

    def tell(self) -> int:
        """How many bytes were read."""
        return self._position

    def seek(self, position: int) -> int:
        """Reads on to the position."""
        if position < self._position:
            raise tarfile.ReadError("a header leads back")  # or tarfile would go round for ever
        while self._position < position:
            if not self.read(min(_LARGEST_READ, position - self._position)):
                raise EOFError("it ends within an entry")
        return self._position

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        found = self._source.read(size)
        self._position += len(found)
        self._last = found
        if self._position > self._limit:
            raise refused("", f"It unpacks to more than {self._limit:,} bytes, for its size too much.")
        return found

    def finish(self) -> None:
        """Reads the rest, which a packed archive has its checksum in.

        Raises:
            ReadError: what tarfile took for the end is none: it is lenient there.
        """
        if self._last.strip(b"\0") or len(self._last) != _BLOCK:
            raise tarfile.ReadError("it breaks off, or goes on with what is no header")
        while self.read(_LARGEST_READ):
            pass

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes, piece by piece."""
        while size > 0:
            piece = self.read(min(_LARGEST_READ, size))
            if not piece:
                raise EOFError("it ends within an entry")
            size -= len(piece)
            yield piece


def _write(root: Path, entry: Entry, content: Iterator[bytes]) -> None:
    """Makes one entry; its folder is one that we made, never a link."""
    path = root / entry.name
    if entry.kind is EntryKind.FOLDER:
        path.mkdir(parents=True, exist_ok=True, mode=0o755)
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    if entry.kind is EntryKind.HARD_LINK:
        os.link(root / entry.target, path, follow_symlinks=False)
    elif entry.kind is EntryKind.FILE:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            for piece in content:
                file.write(piece)
            os.fchmod(file.fileno(), 0o755 if entry.is_executable else 0o644)


def _disk_full(folder: Path) -> DiskFullError:
    free = shutil.disk_usage(folder.parent).free
    return DiskFullError(
        "The disk is too full to unpack the upload.",
        why=f"{free // 2**20:,} MiB are free at {folder.parent}; some stay free (spare_bytes).",
        remedy="Make room, then send it again.",
        path=str(folder.parent),
        free_bytes=free,
    )
