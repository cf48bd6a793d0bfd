"""A duty: what the package caches did is added up, and their log of requests does not grow for ever."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from build_cache.traffic import log_files, read_since
from homeport.state.caches import add_traffic, log_position
from homeport.state.database import Database

LOOK_S = 5.0
"""How often it looks."""

SPARE_S = 3600.0
"""How much longer than the longest build a file is kept: a build reads what was written while it ran."""

_AT_ONCE: Final = 16 * 1024 * 1024  # bytes of the log for each transaction


def add_new_traffic(database: Database, log_dir: Path, now: Callable[[], datetime], *, keep_s: float) -> None:
    """Adds to the totals what the log has gained, and removes its files that are read and old.

    Args:
        database: where the totals are, with how far the log was read.
        log_dir: the log's folder; nothing happens where it is missing.
        now: the time.
        keep_s: a file stays for so long after its last line.
    """
    with database.read() as connection:
        before = log_position(connection)
    while True:
        traffic, reached = read_since(log_dir, before, most_bytes=_AT_ONCE)
        if reached == before:
            break
        with database.write() as connection:
            add_traffic(connection, traffic, reached, now())
        before = reached
    for path, status in log_files(log_dir):
        # all that is read by now, but for a last line that will never be finished
        if path.name in before and now().timestamp() - status.st_mtime > keep_s:
            path.unlink(missing_ok=True)
