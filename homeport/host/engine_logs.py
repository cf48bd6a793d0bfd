"""A container's log: its last lines, or its lines as they come."""

import contextlib
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import docker

from homeport.host.lines import LineCutter

MAX_TAIL = 1000
"""The most lines of the past in one reading; the engine cuts each at 16 KiB, so that is 16 MiB at worst."""


def last_lines(client: docker.APIClient, container: str, tail: int) -> list[str]:
    """The last lines, at most `MAX_TAIL`, both streams in their order. Raises docker-py's errors."""
    raw: bytes = client.logs(container, stdout=True, stderr=True, tail=min(tail, MAX_TAIL))
    cutter = LineCutter()
    kept = deque(cutter.feed(raw), maxlen=tail)
    kept.extend(cutter.flush())
    return list(kept)


class LogStream:
    """A container's lines as they come. Iterate in one thread; `close` from any ends the iteration."""

    def __init__(
        self, client: docker.APIClient, container: str, *, tail: int, follow: bool, since: float | None
    ) -> None:
        self._client = client
        self._pieces: Any = client.logs(
            container,
            stdout=True,
            stderr=True,
            stream=True,
            follow=follow,
            tail=min(tail, MAX_TAIL),
            since=since or None,
        )

    def __iter__(self) -> Iterator[bytes]:
        """Each line as UTF-8 without its end, cut at 2000 characters, until the log ends or is closed."""
        cutter = LineCutter()
        for piece in self._pieces:
            for line in cutter.feed(piece):
                yield line.encode()
        for line in cutter.flush():
            yield line.encode()

    def close(self) -> None:
        """Ends the stream; a thread that waits for a line goes on."""
        with contextlib.suppress(OSError, AttributeError):  # it had ended: there is no socket any more
            self._pieces.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
