"""What the package caches did in all and hold, and how far their log was read for it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from homeport.caches import CacheTraffic, Ecosystem, LogPosition
from homeport.state.schema import CACHE_LOG_FILES, CACHE_SIZES, CACHE_TOTALS


@dataclass(frozen=True, kw_only=True)
class CacheTotal:
    """What a cache did since its first request, and what it holds.

    `since` None: it has not been asked yet; `size_bytes` and `files` None: nobody has looked yet.
    """

    traffic: CacheTraffic = field(default_factory=CacheTraffic)
    since: datetime | None = None
    size_bytes: int | None = None
    files: int | None = None


def add_traffic(
    conn: Connection, traffic: Mapping[Ecosystem, CacheTraffic], position: LogPosition, now: datetime
) -> None:
    """Adds what was read from the log, and remembers where the reading ended.

    Both in one transaction: whatever dies meanwhile, no line is counted twice and none is left out.
    """
    for ecosystem, added in traffic.items():
        columns = {name: CACHE_TOTALS.c[name] + count for name, count in asdict(added).items()}
        known = conn.execute(
            update(CACHE_TOTALS).where(CACHE_TOTALS.c.ecosystem == ecosystem).values(columns)
        )
        if known.rowcount == 0:
            conn.execute(insert(CACHE_TOTALS), {"ecosystem": ecosystem, "since": now, **asdict(added)})
    conn.execute(delete(CACHE_LOG_FILES))
    if position:
        rows = [{"name": name, "bytes_read": offset} for name, offset in position.items()]
        conn.execute(insert(CACHE_LOG_FILES), rows)


def log_position(conn: Connection) -> LogPosition:
    """How far the log has been added; empty before the first time."""
    return {row.name: row.bytes_read for row in conn.execute(select(CACHE_LOG_FILES))}


def record_sizes(conn: Connection, sizes: Mapping[Ecosystem, tuple[int, int]]) -> None:
    """Remembers how many bytes and files each of these caches holds."""
    conn.execute(delete(CACHE_SIZES).where(CACHE_SIZES.c.ecosystem.in_(list(sizes))))
    rows = [
        {"ecosystem": ecosystem, "size_bytes": size_bytes, "files": files}
        for ecosystem, (size_bytes, files) in sizes.items()
    ]
    if rows:
        conn.execute(insert(CACHE_SIZES), rows)


def cache_totals(conn: Connection) -> dict[Ecosystem, CacheTotal]:
    """The totals of every ecosystem, also of those that were not used yet."""
    traffic = {
        row.ecosystem: (
            CacheTraffic(
                requests=row.requests,
                hits=row.hits,
                bytes_served=row.bytes_served,
                bytes_fetched=row.bytes_fetched,
            ),
            row.since,
        )
        for row in conn.execute(select(CACHE_TOTALS))
    }
    sizes = {row.ecosystem: (row.size_bytes, row.files) for row in conn.execute(select(CACHE_SIZES))}
    found = {}
    for ecosystem in Ecosystem:
        did, since = traffic.get(ecosystem, (CacheTraffic(), None))
        size_bytes, files = sizes.get(ecosystem, (None, None))
        found[ecosystem] = CacheTotal(traffic=did, since=since, size_bytes=size_bytes, files=files)
    return found
