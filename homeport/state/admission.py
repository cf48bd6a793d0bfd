"""The way in for every request that becomes a job: once per key, while there is room on disk and in line."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Transaction, func, select

from homeport.errors import QueueFullError
from homeport.models import Job, JobState
from homeport.settings import Settings
from homeport.state.idempotency import RequestKey, is_known, remember, take_key
from homeport.state.prepared import Prepared
from homeport.state.reserve import draw_on_reserve, require_room
from homeport.state.schema import JOBS

_RETRY_AFTER_S: Final = 30  # a job takes seconds to minutes; nobody knows which end first
_QUEUED: Final = Prepared(select(func.count()).where(JOBS.c.state == JobState.QUEUED))


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """The job that a request became: just now, or when it was sent before."""

    job: Job
    is_replay: bool = False


class Admission:
    """Lets requests in. Only the one thread that writes may use it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = 0  # so many places at least in that transaction, in which nobody else queues
        self._has_room = False  # likewise
        self._looked_in: Transaction | None = None

    def admit(
        self,
        conn: Connection,
        change: Callable[[Connection], Job],
        *,
        key: RequestKey | None,
        makes_room: bool,
        now: datetime,
    ) -> Admitted:
        """Makes the change that queues a job, unless the request was sent before.

        Args:
            conn: a transaction that writes.
            change: adds the job, and what belongs to it.
            key: the request's key, if it has one.
            makes_room: whether the job may be written down where the disk is full.
            now: the time.

        Raises:
            IdempotencyKeyReusedError: another request had the key.
            DiskFullError: there is no room for new work.
            QueueFullError: as many jobs wait as may.
            HomeportError: what the change itself raises.
        """
        if key is not None and (replayed := take_key(conn, key, now)) is not None:
            return Admitted(job=replayed, is_replay=True)
        self._begin(conn)
        if makes_room:
            draw_on_reserve(self._settings)
        else:
            self._require_room()
        self._require_place(conn)
        job = change(conn)
        self._free -= 1
        if key is not None:
            remember(conn, key, job.id, now)
        return Admitted(job=job)

    def _begin(self, conn: Connection) -> None:
        """Whatever was found in an earlier transaction is looked for anew."""
        if (transaction := conn.get_transaction()) is not self._looked_in:
            self._free, self._has_room, self._looked_in = 0, False, transaction

    def _require_place(self, conn: Connection) -> None:
        if self._free <= 0:
            self._free = _count_free(conn, self._settings.queue_max)

    def _require_room(self) -> None:
        """Once in a transaction, which takes milliseconds: each system call gives the GIL away."""
        if not self._has_room:
            require_room(self._settings)
            self._has_room = True


def require_chance(conn: Connection, *, settings: Settings, key: RequestKey | None) -> None:
    """Refuses what `Admission.admit` would refuse by now, before a body is read that may be long.

    A request with a known key passes: whether it was sent before, its body alone can say.

    Raises:
        DiskFullError: there is no room for new work.
        QueueFullError: as many jobs wait as may.
    """
    require_room(settings)
    if key is None or not is_known(conn, key):
        _count_free(conn, settings.queue_max)


def _count_free(conn: Connection, queue_max: int) -> int:
    """How many jobs more may wait; at least one. Measured: 4 µs where none waits, 55 where a thousand do.

    Raises:
        QueueFullError: as many jobs wait as may.
    """
    ((queued,),) = _QUEUED.rows(conn, {})
    if queued < queue_max:
        return int(queue_max - queued)
    raise QueueFullError(
        "Too many jobs wait already.",
        why=f"{queued} jobs are queued, and {queue_max} may be (queue_max).",
        remedy="Try again when some have ended, or cancel some: `homeport jobs --state queued`.",
        limit=queue_max,
        queued=queued,
        retry_after_s=_RETRY_AFTER_S,
    )
