"""The schedules as they are kept: which slot each has reached, and the job of the last one that was run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from homeport.models import Job
from homeport.schedule import Schedule, next_slot, schedules_of, time_zone_of
from homeport.settings import Settings
from homeport.state.jobs import find_job
from homeport.state.schema import SCHEDULES
from homeport.wire import time_json


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How far a schedule is: the slot up to which all is settled, and what was run last."""

    slot: datetime
    job_id: str | None = None
    ran_at: datetime | None = None


def reached_by(conn: Connection, schedule: Schedule) -> Reached | None:
    """How far the schedule is; None for one that is new, or had another expression before."""
    row = conn.execute(
        select(SCHEDULES).where(
            SCHEDULES.c.name == schedule.work, SCHEDULES.c.expression == schedule.expression
        )
    ).first()
    return None if row is None else Reached(slot=row.slot, job_id=row.job_id, ran_at=row.ran_at)


def settle(
    conn: Connection,
    schedule: Schedule,
    slot: datetime,
    *,
    now: datetime,
    seen: Reached | None,
    queue: Callable[[Connection], Job | None] | None = None,
) -> Job | None:
    """Writes down that all is settled up to a slot, together with the job of it: once per slot.

    Where the last job of the schedule is not finished, no further one is queued.

    Args:
        conn: a transaction that writes.
        schedule: the schedule.
        slot: the slot.
        now: the time.
        seen: what the decision was made upon.
        queue: adds the slot's job, or none where there is nothing to do; None: the slot is passed over.

    Returns:
        The job that was queued.

    Raises:
        LookupError: the schedule is not as it was seen.
    """
    if reached_by(conn, schedule) != seen:
        raise LookupError(f"{schedule.work} was settled by another")
    last = find_job(conn, seen.job_id) if seen is not None and seen.job_id is not None else None
    is_free = last is None or last.state.is_terminal
    job = queue(conn) if queue is not None and is_free else None
    kept = Reached(slot=slot) if seen is None else seen
    conn.execute(delete(SCHEDULES).where(SCHEDULES.c.name == schedule.work))
    conn.execute(
        insert(SCHEDULES),
        {
            "name": schedule.work,
            "expression": schedule.expression,
            "slot": slot,
            "job_id": job.id if job is not None else kept.job_id,
            "ran_at": now if job is not None else kept.ran_at,
        },
    )
    return job


def schedules_json(conn: Connection, settings: Settings, now: datetime) -> list[dict[str, Any]]:
    """The schedules that are on as clients see them; times are RFC 3339, `time_zone` is the expression's.

    Raises:
        InvalidInputError: an expression or the time zone is wrong.
    """
    zone = time_zone_of(settings)
    found = []
    for schedule in schedules_of(settings):
        reached = reached_by(conn, schedule)
        found.append(
            {
                "name": schedule.work.value,
                "expression": schedule.expression,
                "time_zone": str(zone),
                "next_at": time_json(next_slot(schedule.expression, now, zone)),
                "last_at": time_json(reached.ran_at if reached else None),
                "last_job": reached.job_id if reached else None,
            }
        )
    return found
