"""Reading the log that a job's worker writes: all of it or the end, and what comes."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from io import BufferedReader
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 64 * 1024
_LOOK_S: Final = 0.25  # a followed log is looked at so often


async def read_log(
    path: Path, has_ended: Callable[[], Awaitable[bool]], *, tail: int | None
) -> AsyncGenerator[bytes]:
    """The log's bytes as they come, and an empty piece in every pause, until `has_ended` says so.

    A job that has not begun has no log yet.
    """
    file: BufferedReader | None = None
    try:
        while True:
            ended = await has_ended()  # before reading: what was written last is read then
            if file is None:
                file = await asyncio.to_thread(open_log, path, tail=tail)
            while file is not None and (piece := await asyncio.to_thread(file.read, _CHUNK_BYTES)):
                yield piece
            if ended:
                return
            yield b""
            await asyncio.sleep(_LOOK_S)
    finally:
        if file is not None:
            file.close()


def open_log(path: Path, *, tail: int | None) -> BufferedReader | None:
    """The log, open where to read from: its start, or the last `tail` lines; None where it has none yet."""
    try:
        file = path.open("rb")
    except (FileNotFoundError, PermissionError):  # a worker of root's makes it, and lets us read it next
        return None
    if tail is not None:
        file.seek(_start_of_tail(file, tail))
    return file


def _start_of_tail(file: BufferedReader, lines: int) -> int:
    """Where the last so many lines begin; read backwards in bounded pieces."""
    position = end = file.seek(0, os.SEEK_END)
    if lines == 0:
        return end
    file.seek(max(0, end - 1))
    wanted = lines + (file.read(1) == b"\n")  # the last line's own end begins no line
    while position > 0:
        start = max(0, position - _CHUNK_BYTES)
        file.seek(start)
        piece = file.read(position - start)
        if (found := piece.count(b"\n")) >= wanted:
            at = len(piece)
            for _ in range(wanted):
                at = piece.rindex(b"\n", 0, at)
            return start + at + 1
        wanted -= found
        position = start
    return 0
