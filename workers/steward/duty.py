"""A duty of the steward: something done again and again, which no failure ends."""

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Duty:
    """A thread that does its turn, waits, and does it again, until the process stops.

    Args:
        name: for the log.
        turn: one turn. What it raises is logged, once until a turn succeeds, and the next turn comes.
        wait: waits until the next turn; it returns early when the process stops.
        stopping: ends the thread between two turns.
        is_awaited: whether the process lets a turn end before it ends itself.
    """

    def __init__(
        self,
        name: str,
        *,
        turn: Callable[[], object],
        wait: Callable[[], object],
        stopping: threading.Event,
        is_awaited: bool = True,
    ) -> None:
        self._name = name
        self._is_awaited = is_awaited
        self._turn = turn
        self._wait = wait
        self._stopping = stopping
        self._failed = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Whether the thread ended within the time, or need not."""
        if not self._is_awaited:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:  # a duty outlives its failures
                if str(error) != self._failed:
                    _log.warning("%s: %s", self._name, error)
                self._failed = str(error)
            else:
                if self._failed:
                    _log.info("%s: works again", self._name)
                self._failed = ""
            self._wait()
