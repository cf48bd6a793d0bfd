"""What the package caches did, read from nginx's log of requests.

nginx writes one file an hour, `requests-YYYY-MM-DDTHH.log`, with one JSON object a line when a request has
ended, also one that was cut short. Builds run one at a time, so the lines that a build's time added are the
build's. For Python's packages "fetched" is what nginx got from devpi, which may have had it already.
"""

import json
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from homeport.caches import CacheTraffic, Ecosystem, LogPosition
from homeport.settings import Settings

LOG_PATTERN: Final = "requests-*.log"
"""The names of the files; they sort by hour."""

# nginx's words for: the content came from the store (its manual, $upstream_cache_status).
_HITS: Final = frozenset({"HIT", "STALE", "UPDATING", "REVALIDATED"})
# The folder is the caches' user's; whoever reads it, root perhaps, follows no link and waits for no pipe.
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAX_LINE: Final = 64 * 1024  # nginx takes request lines of 8 KiB; escaping may multiply them by six
_MOST_OF_A_BUILD: Final = 256 * 1024 * 1024  # about a million requests
_NUMBER: Final = re.compile(r"\b[0-9]{1,13}\b")  # below 10 TB: what is larger is no byte count


def parse_requests(lines: Iterable[bytes]) -> dict[Ecosystem, CacheTraffic]:
    """The traffic of these lines, of the ecosystems that had any; lines that are not ours are left out."""
    found: defaultdict[Ecosystem, CacheTraffic] = defaultdict(CacheTraffic)
    for line in lines:
        if request := _parse_line(line):
            ecosystem, traffic = request
            found[ecosystem] += traffic
    return dict(found)


def request_log_dir(settings: Settings) -> Path:
    """Where nginx writes its log of requests."""
    return settings.caches_dir / "log"


def log_files(log_dir: Path) -> list[tuple[Path, os.stat_result]]:
    """The log's files with what the system says of them, oldest first; none where there is no folder."""
    found = []
    for path in sorted(log_dir.glob(LOG_PATTERN)):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            found.append((path, status))
    return found


def log_end(log_dir: Path) -> LogPosition:
    """Where the log ends now: what is written from here on lies behind it."""
    return {path.name: status.st_size for path, status in log_files(log_dir)}


def read_since(
    log_dir: Path, position: LogPosition | None, *, most_bytes: int | None = None
) -> tuple[dict[Ecosystem, CacheTraffic], LogPosition]:
    """The traffic behind the position, and the position behind what was read.

    Args:
        log_dir: nginx's folder of request logs; it may be missing.
        position: what an earlier call gave; None reads all there is. Files that it does not name are new;
            one that is shorter than it says was made anew.
        most_bytes: about how much is read at once; the rest comes with the next call.
    """
    if not log_dir.is_dir():
        return {}, position or {}
    reader = _Reader(position or {}, most_bytes)
    found = log_files(log_dir)
    traffic = parse_requests(line for path, status in found for line in reader.lines(path, status.st_size))
    return traffic, reader.position


class TrafficMeter:
    """The traffic of a stretch of time, such as a build's."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._begin: LogPosition = {}

    def begin(self) -> None:
        """What came before this moment does not count."""
        self._begin = log_end(self._log_dir)

    def finish(self) -> dict[Ecosystem, CacheTraffic]:
        """What the caches did since `begin`, of the ecosystems that were used."""
        return parse_requests(self.lines())

    def lines(self) -> Iterator[bytes]:
        """What the log has gained since `begin`, line by line."""
        reader = _Reader(self._begin, _MOST_OF_A_BUILD)
        for path, status in log_files(self._log_dir):
            yield from reader.lines(path, status.st_size)


class _Reader:
    """Reads whole lines on from a position, and says how far it came."""

    def __init__(self, position: LogPosition, most_bytes: int | None) -> None:
        self.position: dict[str, int] = {}
        self._before = position
        self._left = most_bytes

    def lines(self, path: Path, size: int) -> Iterator[bytes]:
        """The lines between the position and `size`; a last one without its end is left for the next time."""
        offset = self._before.get(path.name, 0)
        self.position[path.name] = offset = offset if offset <= size else 0
        if offset == size or self._is_done:
            return
        try:
            descriptor = os.open(path, _OPEN)
        except OSError:  # removed a moment ago, or no file any more
            self.position.pop(path.name, None)
            return
        with os.fdopen(descriptor, "rb") as file:
            file.seek(offset)
            yield from self._whole_lines(file.readline, path.name, size)

    @property
    def _is_done(self) -> bool:
        return self._left is not None and self._left <= 0

    def _whole_lines(self, readline: Any, name: str, size: int) -> Iterator[bytes]:
        is_middle = False
        while self.position[name] < size and not self._is_done:
            line: bytes = readline(_MAX_LINE)
            ends = line.endswith(b"\n")
            if not ends and len(line) < _MAX_LINE:
                return
            self.position[name] += len(line)
            if self._left is not None:
                self._left -= len(line)
            if ends and not is_middle:
                yield line
            is_middle = not ends


def _parse_line(line: bytes) -> tuple[Ecosystem, CacheTraffic] | None:
    try:
        request = json.loads(line)
        return Ecosystem(request["ecosystem"]), _traffic(request)
    except (ValueError, TypeError, KeyError, RecursionError):  # not ours, or broken off
        return None


def _traffic(request: Mapping[str, Any]) -> CacheTraffic:
    cache = str(request.get("cache"))
    return CacheTraffic(
        requests=1,
        hits=int(cache in _HITS),
        bytes_served=_sum_of(request.get("sent")),
        # given where upstream has no answer: what was received is our own fetcher's word for that
        bytes_fetched=0 if cache == "STALE" else _sum_of(request.get("fetched")),
    )


def _sum_of(value: object) -> int:
    """The sum of a number or of nginx's list of them, one for each upstream that was asked: `12, 34 : -`."""
    return sum(int(number) for number in _NUMBER.findall(str(value)))
