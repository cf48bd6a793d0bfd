"""Two duties: what the package caches did and hold is written down; their log does not grow for ever."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from build_cache.caches.store import cache_sizes
from build_cache.traffic import log_files, read_since
from homeport.settings import Settings
from homeport.state.caches import add_traffic, cache_totals, log_position, record_sizes
from homeport.state.database import Database

LOOK_S = 5.0
"""How often it looks."""

SIZES_S = 15.0
"""How often it looks what they hold: that walks through all their files, 10,000 of them in 55 ms."""

SPARE_S = 3600.0
"""How much longer than the longest build a file is kept: a build reads what was written while it ran."""

_MOST_BYTES: Final = 512 * 1024 * 1024  # of all its files: twice what a build reads of it
_AT_ONCE: Final = 16 * 1024 * 1024  # bytes of the log for each transaction


def add_new_traffic(database: Database, log_dir: Path, now: Callable[[], datetime], *, keep_s: float) -> None:
    """Adds to the totals what the log has gained, and removes its files that are read and old, or too many.

    A build that runs meanwhile has its figures from what is left: they are too low where the caches have
    logged more than half a GiB since the hour in which it began.

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
    left = 0
    for number, (path, status) in enumerate(reversed(log_files(log_dir))):
        left += status.st_size
        # all that is read by now, but for a last line that will never be finished
        is_old = path.name in before and now().timestamp() - status.st_mtime > keep_s
        # nginx writes to the newest; of the others each is read to its end before it goes
        is_much = number > 0 and left > _MOST_BYTES and before.get(path.name, 0) >= status.st_size
        if is_old or is_much:
            path.unlink(missing_ok=True)


def record_cache_sizes(database: Database, settings: Settings) -> None:
    """Writes down what each cache holds now, where that has changed."""
    found = {ecosystem: (size.bytes, size.files) for ecosystem, size in cache_sizes(settings).items()}
    with database.read() as connection:
        totals = cache_totals(connection)
    if found != {ecosystem: (total.size_bytes, total.files) for ecosystem, total in totals.items()}:
        with database.write() as connection:
            record_sizes(connection, found)
