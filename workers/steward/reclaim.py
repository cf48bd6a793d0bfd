"""A duty: jobs whose workers are dead or fell silent are queued again."""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from homeport.state import leases
from homeport.state.database import Database
from homeport.state.doorbell import CHANNEL_JOBS, Doorbell
from homeport.state.leases import Held
from workers.process import is_dead

_log = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often it looks."""


class LeaseWatch:
    """Since when each lease was not renewed; lives as long as the steward.

    Silence is measured from when this process first saw the lease so, by a clock that nobody sets and that
    stands still while the machine is suspended: neither says anything of a worker. A steward that starts anew
    knows of no silence before.

    Args:
        lease_s: how long a worker may be silent, in seconds.
        is_dead: whether the process of that name is seen to be gone.
        clock: seconds; CLOCK_MONOTONIC (clock_gettime(2)) does not count a suspend, as CLOCK_BOOTTIME does.
    """

    def __init__(
        self,
        *,
        lease_s: float,
        is_dead: Callable[[str], bool] = is_dead,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lease_s = lease_s
        self._is_dead = is_dead
        self._clock = clock
        self._since: dict[Held, float] = {}

    def lost(self, held: Iterable[Held]) -> list[Held]:
        """Those whose workers are dead, or were silent for too long; to be asked with all that are held."""
        now = self._clock()
        self._since = {lease: self._since.get(lease, now) for lease in held}
        return [
            lease
            for lease, since in self._since.items()
            if now - since >= self._lease_s or self._is_dead(lease.owner)
        ]


def reclaim_lost(
    database: Database, doorbell: Doorbell, watch: LeaseWatch, now: Callable[[], datetime], *, max_losses: int
) -> list[str]:
    """Queues again every job whose worker is dead or was silent for too long; their ids."""
    with database.read() as connection:
        lost = watch.lost(leases.held_leases(connection))
    if not lost:
        return []
    with database.write() as connection:
        reclaimed = leases.reclaim_lost(connection, lost, now=now(), max_losses=max_losses)
    for job_id in reclaimed:
        _log.warning("job %s is queued again: its worker was lost", job_id)
    if reclaimed:
        doorbell.announce()
        doorbell.announce(CHANNEL_JOBS)
    return reclaimed
