"""How long the instructions of a build took the last time, which weighs the progress of the next one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select, update

from homeport.state.schema import BUILD_DURATIONS

MOST_KEYS: Final = 500
"""So many instructions of a build are remembered, those of the newest builds."""


def durations_of(conn: Connection, name: str, service: str) -> dict[str, float]:
    """Seconds by the instruction's key; empty for what was never built.

    Args:
        conn: a transaction.
        name: the definition's, or what an uploaded build was called.
        service: which of its images.
    """
    table = BUILD_DURATIONS
    query = select(table.c.seconds).where(table.c.name == name, table.c.service == service)
    return dict(conn.execute(query).scalar_one_or_none() or {})


def record_durations(
    conn: Connection, name: str, service: str, durations: Mapping[str, float], now: datetime
) -> None:
    """Remembers what was measured; instructions that were not carried out this time keep what they had."""
    if not durations:
        return
    before = durations_of(conn, name, service)
    merged = {key: seconds for key, seconds in before.items() if key not in durations} | dict(durations)
    seconds = dict(list(merged.items())[-MOST_KEYS:])
    table = BUILD_DURATIONS
    known = conn.execute(
        update(table)
        .where(table.c.name == name, table.c.service == service)
        .values(seconds=seconds, updated_at=now)
    )
    if known.rowcount == 0:
        row = {"name": name, "service": service, "seconds": seconds, "updated_at": now}
        conn.execute(insert(table), row)
