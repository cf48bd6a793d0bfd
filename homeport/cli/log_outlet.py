"""Where the lines of all processes go: to standard output, or into one file that is rotated.

supervisor opens its output anew for each component. That works for a terminal, a pipe or a file of our own,
and not for a socket, which is what systemd gives a service. Where it does not, or where a file is wanted, a
small process stands between: it ends when the last that writes to it has ended.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path

_PIECE_BYTES = 64 * 1024  # a longer line is written in pieces


def lead_output(log_file: Path | None, *, max_bytes: int, files: int, environment: Mapping[str, str]) -> None:
    """Leads this process's standard output and error, and so its children's, into the file or onwards.

    Args:
        log_file: rotated at `max_bytes`, of which `files` are kept; None: where standard output goes now.
        max_bytes: the size of a file.
        files: how many, the one that is written included.
        environment: of the process between.
    """
    if log_file is not None:
        words = [sys.executable, "-P", "-m", __name__, str(log_file), str(max_bytes), str(files)]
    elif not can_be_reopened(1):
        words = ["cat"]
    else:
        return
    reading, writing = os.pipe()
    # In a session of its own: an interrupt on the terminal is for the supervisor, and its last words count.
    subprocess.Popen(words, stdin=reading, env=environment, start_new_session=True)
    os.close(reading)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.close(writing)


def can_be_reopened(descriptor: int) -> bool:
    """Whether `/dev/fd/N` can be opened for writing: not so for sockets and others' files."""
    try:
        os.close(os.open(f"/dev/fd/{descriptor}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def write_rotated(lines: Iterable[bytes], path: Path, *, max_bytes: int, files: int) -> None:
    """Appends the lines to the file; before it passes the size it becomes `FILE.1`, and another begins."""
    # With no older file kept, the handler would not bound the one.
    handler = RotatingFileHandler(path, maxBytes=max_bytes, backupCount=max(files - 1, 1), encoding="utf-8")
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\n")
        handler.emit(logging.makeLogRecord({"msg": "%s", "args": (text,)}))
    handler.close()


def main() -> None:
    """`python -m homeport.cli.log_outlet FILE MAX_BYTES FILES`: standard input, into the file."""
    logging.raiseExceptions = False  # a full disk loses lines, and stops nobody
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # it ends with its input
    path, max_bytes, files = sys.argv[1:]
    lines = iter(lambda: sys.stdin.buffer.readline(_PIECE_BYTES), b"")
    write_rotated(lines, Path(path), max_bytes=int(max_bytes), files=int(files))


if __name__ == "__main__":
    main()
