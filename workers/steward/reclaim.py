"""A duty: jobs whose workers fell silent are queued again."""

import logging
from collections.abc import Callable
from datetime import datetime

from homeport.state import leases
from homeport.state.database import Database
from homeport.state.doorbell import CHANNEL_JOBS, Doorbell

_log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often it looks."""


def reclaim_expired(
    database: Database, doorbell: Doorbell, now: Callable[[], datetime], *, max_losses: int
) -> list[str]:
    """Queues again every job whose lease has expired; their ids."""
    with database.write() as connection:
        reclaimed = leases.reclaim_expired(connection, now=now(), max_losses=max_losses)
    for job_id in reclaimed:
        _log.warning("job %s is queued again: a worker fell silent", job_id)
    if reclaimed:
        doorbell.announce()
        doorbell.announce(CHANNEL_JOBS)
    return reclaimed
