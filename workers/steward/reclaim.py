"""A duty: jobs whose workers are dead or fell silent are queued again."""

import logging
from collections.abc import Callable
from datetime import datetime

from homeport.state import leases
from homeport.state.database import Database
from homeport.state.doorbell import CHANNEL_JOBS, Doorbell
from workers.process import is_dead

_log = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often it looks."""


def reclaim_lost(
    database: Database, doorbell: Doorbell, now: Callable[[], datetime], *, max_losses: int
) -> list[str]:
    """Queues again every job whose worker is dead or whose lease has expired; their ids."""
    with database.read() as connection:
        if not leases.lost_jobs(connection, now=now(), is_dead=is_dead):
            return []
    with database.write() as connection:
        reclaimed = leases.reclaim_lost(connection, now=now(), max_losses=max_losses, is_dead=is_dead)
    for job_id in reclaimed:
        _log.warning("job %s is queued again: its worker was lost", job_id)
    if reclaimed:
        doorbell.announce()
        doorbell.announce(CHANNEL_JOBS)
    return reclaimed
