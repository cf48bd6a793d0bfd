"""The first duty: what the database says is queued is sent, and sent again if Redis lost it."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from homeport.state import outbox
from homeport.state.database import Database
from homeport.state.doorbell import Doorbell

_log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often it looks; an announcement on the jobs' channel makes it look at once."""

_LOST_AFTER = timedelta(seconds=2)  # a message that was sent is in its queue, or its job runs, long before
_AT_ONCE = 500


def send_queued(database: Database, doorbell: Doorbell, now: Callable[[], datetime]) -> int:
    """Sends the jobs that wait for nothing and whose message lies in no queue; how many were sent."""
    with database.read() as connection:
        jobs = outbox.sendable(connection, limit=_AT_ONCE, sent_before=now() - _LOST_AFTER)
    if not jobs:
        return 0
    missing = doorbell.not_waiting(jobs)
    if missing and not doorbell.ring(missing):
        return 0
    with database.write() as connection:
        outbox.mark_sent(connection, [job.id for job in jobs], now())
    if missing:
        _log.info("sent %d queued jobs", len(missing))
    return len(missing)
