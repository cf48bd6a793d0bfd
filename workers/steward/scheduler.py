"""A duty: what is done by the clock is queued, once per slot, and once after downtime.

The clock is compared with the time that has passed since boot: a slot that it jumped over is not run. Both
are kept in the run folder, which a boot empties, so that a steward that is started again knows too.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection

from homeport.events import EventKind
from homeport.host.files import write_atomic
from homeport.models import Job
from homeport.schedule import (
    Decision,
    Reading,
    Schedule,
    Work,
    decide,
    is_settling,
    jumped_from,
    schedules_of,
    time_zone_of,
)
from homeport.settings import Settings
from homeport.state import events
from homeport.state.accept import accept_history, accept_refresh
from homeport.state.catalogs import list_catalogs
from homeport.state.database import Database
from homeport.state.doorbell import CHANNEL_JOBS, Doorbell
from homeport.state.schedules import reached_by, settle

_log = logging.getLogger(__name__)

LOOK_S: Final = 5.0
"""How often it looks; a slot begins within this."""

_READING: Final = "clock.json"


def read_clock(now: Callable[[], datetime]) -> Reading:
    """The clock now."""
    return Reading(wall=now(), since_boot_s=time.clock_gettime(time.CLOCK_BOOTTIME))


@dataclass(kw_only=True)
class Scheduler:
    """Queues what is due. `clock` reads the clock."""

    settings: Settings
    database: Database
    doorbell: Doorbell
    clock: Callable[[], Reading]
    _before: Reading | None = field(default=None, init=False)

    def turn(self) -> list[Job]:
        """One look; the jobs that were queued."""
        now = self.clock()
        expected = jumped_from(self._before or self._stored(), now)
        zone = time_zone_of(self.settings)
        queued = []
        for schedule in schedules_of(self.settings):
            with self.database.read() as connection:
                seen = reached_by(connection, schedule)
            decision = decide(
                schedule.expression,
                seen.slot if seen else None,
                now.wall,
                zone,
                expected=expected,
                may_go_back=not is_settling(now),
            )
            if decision is None:
                continue
            with self.database.write() as connection:
                job = settle(
                    connection,
                    schedule,
                    decision.reached,
                    now=now.wall,
                    seen=seen,
                    queue=partial(_queue, schedule=schedule, now=now.wall) if decision.run else None,
                )
                _tell(connection, schedule, decision, now.wall)
            if job is not None:
                _log.info("%s of %s is queued", schedule.work, decision.run)
                queued.append(job)
        self._keep(now)
        if queued:
            self.doorbell.announce(CHANNEL_JOBS)
            self.doorbell.announce()
        return queued

    def _keep(self, now: Reading) -> None:
        """Only once all is settled: a jump that could not be settled is one still at the next look."""
        self._before = now
        kept = json.dumps({"wall": now.wall.isoformat(), "since_boot_s": now.since_boot_s})
        write_atomic(self.settings.run_dir / _READING, kept, mode=0o600)

    def _stored(self) -> Reading | None:
        try:
            kept = json.loads((self.settings.run_dir / _READING).read_text())
            return Reading(
                wall=datetime.fromisoformat(kept["wall"]), since_boot_s=float(kept["since_boot_s"])
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _queue(connection: Connection, *, schedule: Schedule, now: datetime) -> Job | None:
    """The job of a slot; None where there is nothing to do."""
    job_id = uuid.uuid4().hex
    match schedule.work:
        case Work.HISTORY:
            return accept_history(connection, job_id=job_id, now=now)
        case Work.REFRESH if list_catalogs(connection):
            return accept_refresh(connection, job_id=job_id, catalogs=[], now=now)
        case _:
            return None


def _tell(connection: Connection, schedule: Schedule, decision: Decision, now: datetime) -> None:
    if not decision.passed_over:
        return
    _log.warning("the clock jumped over %d slots of %s", decision.passed_over, schedule.work)
    facts = {"name": schedule.work.value, "slots": decision.passed_over, "upto": decision.reached.isoformat()}
    events.append(connection, EventKind.SCHEDULE_SKIPPED, app=None, job=None, facts=facts, now=now)
