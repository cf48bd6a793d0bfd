"""An app's log as one feed: the lines of all its containers, each with its service's name."""

import logging
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from homeport.errors import HomeportError, NotFoundError
from homeport.host.engine import ContainerState, Engine, LogStream

_log = logging.getLogger(__name__)

_WAITING_LINES = 1000  # what a slow reader may leave unread before the engine is made to wait
_LOOK_S = 0.5
_ALL = 10_000  # the engine's adapter has its own bound below


class LogFeed:
    """Reads containers' logs in threads of its own, into one bounded queue, until it is closed.

    Args:
        engine: where the containers run.
        containers: whose logs.
        tail: how many lines of the past, of each container.
        follow: goes on with what comes, also over a container's restarts, until the container is removed.
    """

    def __init__(
        self, engine: Engine, containers: Sequence[ContainerState], *, tail: int, follow: bool
    ) -> None:
        self._engine = engine
        self._tail = tail
        self._follow = follow
        self._lines: queue.Queue[bytes] = queue.Queue(maxsize=_WAITING_LINES)
        self._closed = threading.Event()
        self._streams: set[LogStream] = set()
        self._threads = [
            threading.Thread(target=self._read, args=(container,), daemon=True) for container in containers
        ]
        for thread in self._threads:
            thread.start()

    def lines(self, wait_s: float) -> list[bytes] | None:
        """What has come, waiting for the first line at most so long; None when nothing will come any more."""
        has_ended = not any(thread.is_alive() for thread in self._threads)
        try:
            found = [self._lines.get(block=not has_ended, timeout=wait_s)]
        except queue.Empty:
            return None if has_ended else []
        with suppress(queue.Empty):
            while len(found) < _WAITING_LINES:
                found.append(self._lines.get_nowait())
        return found

    def close(self) -> None:
        """Ends all threads."""
        self._closed.set()
        for stream in list(self._streams):
            stream.close()

    def _read(self, container: ContainerState) -> None:
        """Reads the container's log; when following, again from where it ended, as long as it exists."""
        prefix = f"{container.service or container.name} | ".encode()
        tail, since = self._tail, None
        try:
            while not self._closed.is_set():
                self._read_once(container.id, prefix, tail, since)
                if not self._follow:
                    return
                while not self._closed.wait(_LOOK_S):
                    now = self._engine.container_named(container.id)
                    if now is None:
                        return
                    if now.state == "running":
                        tail, since = _ALL, datetime.fromisoformat(now.finished_at).timestamp()
                        break
        except NotFoundError:
            return
        except HomeportError as error:
            _log.info("the log of %s ended: %s", container.name, error)
        except Exception:
            if not self._closed.is_set():  # closing it from outside breaks the read in many ways
                _log.exception("the log of %s broke off", container.name)

    def _read_once(self, container_id: str, prefix: bytes, tail: int, since: float | None) -> None:
        stream = self._engine.stream_log(container_id, tail=tail, follow=self._follow, since=since)
        with stream:
            self._streams.add(stream)
            try:
                if self._closed.is_set():
                    return
                for line in stream:
                    if not self._put(prefix + line + b"\n"):
                        return
            finally:
                self._streams.discard(stream)

    def _put(self, line: bytes) -> bool:
        """Waits for room; False when the feed was closed meanwhile."""
        while not self._closed.is_set():
            try:
                self._lines.put(line, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False
