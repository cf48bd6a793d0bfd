"""Uploaded archives: spooled, synced, and kept until their job has ended.

An upload has the id of the job that it belongs to, so what no unfinished job needs can be told by its name.
"""

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from homeport.errors import ComponentUnavailableError, DiskFullError, PayloadTooLargeError, StalledError
from homeport.state.jobs import find_job

_STALL_S: Final = 60.0  # a sender that is silent for so long has gone
_PIECE_BYTES: Final = 1024 * 1024  # written at once: few trips to a thread, little memory


def upload_path(uploads_dir: Path, upload_id: str) -> Path:
    """Where the upload lies."""
    return uploads_dir / f"{upload_id}.tar"


def remove_upload(uploads_dir: Path, upload_id: str) -> None:
    """Removes the upload; one that is not there, or cannot go now, is no matter: uploads are swept."""
    with suppress(OSError):
        upload_path(uploads_dir, upload_id).unlink()


def sweep_uploads(uploads_dir: Path, conn: Connection) -> None:
    """Removes what no unfinished job needs: parts of uploads that broke off with their process, say."""
    for path in uploads_dir.glob("*") if uploads_dir.is_dir() else ():
        job = find_job(conn, path.stem) if path.suffix == ".tar" else None
        if job is not None and not job.state.is_terminal:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # one that cannot be removed must not keep the API from starting
                path.unlink()


async def store_upload(
    uploads_dir: Path,
    upload_id: str,
    pieces: AsyncIterable[bytes],
    *,
    max_bytes: int,
    spare_bytes: int,
    announced_bytes: int | None = None,
    on_piece: Callable[[bytes], object] = lambda _piece: None,
) -> Path:
    """Writes the upload down as it comes; it is synced when this returns, and nothing is left where it fails.

    Args:
        uploads_dir: where uploads lie.
        upload_id: the id of the job that it will belong to.
        pieces: the archive's bytes.
        max_bytes: the most that it may have.
        spare_bytes: what must stay free on the disk.
        announced_bytes: how many the sender says there are; one that is too large is refused unread.
        on_piece: gets what is written, piece by piece, in a thread.

    Raises:
        PayloadTooLargeError: it is larger than `max_bytes`.
        DiskFullError: there is no room for it.
        StalledError: nothing came for a minute.
        ComponentUnavailableError: it cannot be written.
    """
    if announced_bytes is not None and announced_bytes > max_bytes:
        raise _too_large(max_bytes)
    part = uploads_dir / f"{upload_id}.part"
    try:
        _check_room(uploads_dir, spare_bytes + (announced_bytes or 0))
        with part.open("xb") as file:
            await _write(_Sink(file, on_piece), _without_stalls(pieces), max_bytes, spare_bytes)
            await asyncio.to_thread(_put_in_place, file, upload_path(uploads_dir, upload_id))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(uploads_dir, 0) from error
        if isinstance(error, ConnectionError):
            raise  # the sender's, not the disk's
        raise ComponentUnavailableError(
            "The upload cannot be stored.",
            why=f"{error.strerror}: {uploads_dir}",
            remedy="'homeport up' makes the folder; see 'homeport doctor'.",
            component="uploads",
        ) from error
    finally:
        with suppress(OSError):  # a disk that is read-only says so before it looks whether there is one
            part.unlink()
    return upload_path(uploads_dir, upload_id)


@dataclass(frozen=True)
class _Sink:
    file: BufferedWriter
    on_piece: Callable[[bytes], object]

    def write(self, piece: bytes) -> None:
        self.on_piece(piece)
        self.file.write(piece)


async def _write(sink: _Sink, pieces: AsyncIterator[bytes], max_bytes: int, spare_bytes: int) -> None:
    gathered = bytearray()
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        gathered += piece
        if len(gathered) >= _PIECE_BYTES:
            _check_room(Path(sink.file.name).parent, spare_bytes)
            await asyncio.to_thread(sink.write, bytes(gathered))
            gathered.clear()
    await asyncio.to_thread(sink.write, bytes(gathered))


async def _without_stalls(pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    iterator = aiter(pieces)
    while True:
        try:
            async with asyncio.timeout(_STALL_S):
                piece = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise StalledError(
                "The upload stalled.",
                why=f"Nothing came for {_STALL_S:g} s.",
                remedy="Send it again.",
                stall_s=_STALL_S,
            ) from error
        yield piece


def _put_in_place(file: BufferedWriter, path: Path) -> None:
    """Gives the file its name; file and name survive a power cut."""
    file.flush()
    os.fchmod(file.fileno(), 0o600)
    os.fsync(file.fileno())
    Path(file.name).rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_room(folder: Path, needed: int) -> None:
    if shutil.disk_usage(folder).free < needed:
        raise _disk_full(folder, needed)


def _too_large(max_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        "The upload is too large.",
        why=f"An archive may have {max_bytes // 2**20:,} MiB (upload_max_bytes).",
        remedy="Leave out what the build does not need, or raise the setting.",
        limit_bytes=max_bytes,
    )


def _disk_full(folder: Path, needed: int) -> DiskFullError:
    free = shutil.disk_usage(folder).free
    return DiskFullError(
        "The disk is too full for the upload.",
        why=f"{free // 2**20:,} MiB are free at {folder}, of which some are kept for the box (spare_bytes).",
        remedy="Make room, with 'homeport caches trim' say, and send it again.",
        path=str(folder),
        needed_bytes=needed,
        free_bytes=free,
    )
