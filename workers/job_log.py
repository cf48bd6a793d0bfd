"""A job's log file: every line with its time, bounded, readable by the API's user."""

import logging
import os
import pwd
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

_log = logging.getLogger(__name__)

_LINE_LENGTH = 4000  # a build can print a whole file as one line
_MODE = 0o640


class JobLog:
    """Appends lines to one file until it is as large as it may become; safe to call from threads.

    The job matters more than its log: a file that cannot be opened is told once, in the process's log, and
    lines that cannot be written are dropped.
    """

    def __init__(self, path: Path, *, limit_bytes: int, user: str, now: Callable[[], datetime]) -> None:
        self._limit = limit_bytes
        self._now = now
        self._lock = threading.Lock()
        self._file = _open(path)
        self._size = os.fstat(self._file).st_size if self._file >= 0 else 0
        self._is_full = self._size >= limit_bytes
        if self._file >= 0 and os.geteuid() == 0:
            self._give_to_group(user)

    def write(self, line: str) -> None:
        """Adds the line; at the limit says so once, and drops what follows."""
        for part in line.splitlines() or [""]:
            self._append(part[:_LINE_LENGTH])

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
            self._file = -1

    def _append(self, text: str) -> None:
        moment = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        encoded = f"{moment} {text}\n".encode(errors="replace")
        with self._lock:
            if self._file < 0 or self._is_full:
                return
            if self._size + len(encoded) > self._limit:
                self._is_full = True
                encoded = f"{moment} The log ends here: it has reached {self._limit} bytes.\n".encode()
            try:
                self._size += os.write(self._file, encoded)
            except OSError:
                return

    def _give_to_group(self, user: str) -> None:
        try:
            os.fchmod(self._file, _MODE)
            os.fchown(self._file, -1, pwd.getpwnam(user).pw_gid)
        except (KeyError, OSError):
            return  # no user of the API's own on this machine: root's group it is


def _open(path: Path) -> int:
    """The file's descriptor; -1 where it cannot be opened."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, _MODE)
    except OSError as error:
        _log.warning("the job goes on without its log: %s", error)
        return -1
