"""A duty: what Docker, the kernel and the disk have is compared with what the database wants, and put right.

What belongs to an app becomes a job like any other: one change per app, seen by its owner. What is no app's
is put right without one (`workers.steward.strays`).
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from homeport.errors import EngineRefusedError, EngineUnavailableError, HomeportError, StateUnavailableError
from homeport.host.engine import Engine
from homeport.host.ports import RESERVED_PORTS
from homeport.jobs import queue_of
from homeport.models import App, Job, Queue
from homeport.settings import Settings
from homeport.state import repairs
from homeport.state.database import Database
from homeport.state.doorbell import CHANNEL_JOBS, Doorbell
from workers.observation import observe
from workers.reconciliation import BROKEN_OFF, Observed, find_differences, may_repair
from workers.steward.strays import Strays

_log = logging.getLogger(__name__)

_SETTLED_S: Final = 5.0  # what an engine that came back needs to start what it starts itself
_LINE_S: Final = 3600  # then the connection by which the engine is watched is made anew
LOOK_S: Final = 1.0
"""How soon a comparison that is due is made, and an engine that is away looked for again."""

_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """Compares, and has put right what is ours. `ports_table` is the kernel's list of reserved ports."""

    settings: Settings
    database: Database
    doorbell: Doorbell
    engine: Engine
    now: Callable[[], datetime]
    ports_table: Path = RESERVED_PORTS

    def turn(self, *, is_fresh: bool = False) -> list[str]:
        """One comparison; the identifiers for which a job was queued.

        Args:
            is_fresh: whether Homeport or the engine has just started, so that a repair may help that did not
                before, or was undone by that.

        Raises:
            EngineUnavailableError: the engine does not answer: nothing was decided.
            EngineRefusedError: likewise, it answered with an error.
            StateUnavailableError: likewise, the database cannot be read or written.
        """
        before = self._wanted()
        observed = observe(self.engine, self.settings)
        after = self._wanted()
        changed = {
            name for name in {*before.apps, *after.apps} if before.apps.get(name) != after.apps.get(name)
        }
        found = find_differences(observed, after.apps, busy=before.busy | after.busy | changed)
        queued = self._queue_all(found if is_fresh else self._due(found), after.apps)
        if queued:
            self.doorbell.announce(CHANNEL_JOBS)
            self.doorbell.announce()
        self._put_right(observed, after, is_fresh=is_fresh)
        return queued

    def _wanted(self) -> repairs.Wanted:
        with self.database.read() as connection:
            return repairs.wanted(connection)

    def _due(self, found: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Without what was tried so lately that it has to wait."""
        now, pause_s = self.now(), self.settings.reconcile_s
        with self.database.read() as connection:
            return {
                identifier: words
                for identifier, words in found.items()
                if may_repair(repairs.tries_ended(connection, identifier, now - _A_DAY), now, pause_s=pause_s)
            }

    def _queue_all(self, found: Mapping[str, tuple[str, ...]], apps: Mapping[str, App]) -> list[str]:
        """Queues a job for each, all in one transaction: where that fails, nothing was decided."""
        queues = {identifier: self._queue_of(apps.get(identifier)) for identifier in found}
        if not found:
            return []
        jobs: dict[str, Job] = {}
        with self.database.write() as connection:
            for identifier, words in found.items():
                job = self._accept(
                    connection, identifier, words, app=apps.get(identifier), queue=queues[identifier]
                )
                if job is not None:
                    jobs[identifier] = job
        for identifier, job in jobs.items():
            _log.warning("a %s of %s is queued: %s", job.kind, identifier, "; ".join(found[identifier]))
        return list(jobs)

    def _accept(
        self,
        connection: Connection,
        identifier: str,
        words: tuple[str, ...],
        *,
        app: App | None,
        queue: Queue,
    ) -> Job | None:
        job_id, now = uuid.uuid4().hex, self.now()
        if app is not None and app.state in BROKEN_OFF:
            return repairs.accept_clearing(
                connection, job_id=job_id, identifier=identifier, found=words, now=now
            )
        return repairs.accept_repair(
            connection,
            job_id=job_id,
            identifier=identifier,
            is_orphan=app is None,
            found=words,
            now=now,
            queue=queue,
        )

    def _queue_of(self, app: App | None) -> Queue:
        """The queue of a repair: that of builds, if an image that was built here has to be built again."""
        built = [image["image"] for image in app.images.values() if image.get("built")] if app else []
        return queue_of(builds_images=any(self.engine.image(reference) is None for reference in built))

    def _put_right(self, observed: Observed, wanted: repairs.Wanted, *, is_fresh: bool) -> None:
        strays = Strays(
            settings=self.settings, database=self.database, now=self.now, ports_table=self.ports_table
        )
        try:
            # When Homeport starts, the worker reserves the apps' ports: that is no repair to be told.
            if strays.put_right(observed, wanted, reserves=not is_fresh):
                self.doorbell.announce()
        except (OSError, HomeportError) as error:  # what was queued is queued; the rest is seen again
            _log.warning("what is no app's is not looked at: %s", error)


class Rounds:
    """When to compare: at once, every `reconcile_s`, and a little after the engine was away.

    An engine that was killed does not start again what it cannot start at once, because a port is held a
    moment longer, say.
    """

    def __init__(self, reconciler: Reconciler, clock: Callable[[], float] = time.monotonic) -> None:
        self._reconciler = reconciler
        self._clock = clock
        self._lock = threading.Lock()  # over the two that follow: turns and the watch are in two threads
        self._due = clock()
        self._is_fresh = True

    def turn(self) -> None:
        """A comparison, where one is due.

        Raises:
            EngineUnavailableError: the engine does not answer; the comparison stays due. So it does at the
                others by which `Reconciler.turn` says that nothing was decided.
        """
        with self._lock:
            if self._clock() < self._due:
                return
            is_fresh, self._is_fresh = self._is_fresh, False
            self._due = self._clock() + self._reconciler.settings.reconcile_s
        try:
            self._reconciler.turn(is_fresh=is_fresh)
        except (EngineUnavailableError, EngineRefusedError, StateUnavailableError):
            self._stay_due(is_fresh)
            raise

    def watch(self) -> None:
        """In a thread of its own: waits until the engine is not there; then a comparison is due."""
        while self._reconciler.engine.stays(_LINE_S):
            pass
        with self._lock:
            self._due, self._is_fresh = self._clock() + _SETTLED_S, True

    def _stay_due(self, is_fresh: bool) -> None:
        with self._lock:
            if not self._is_fresh:  # else the engine was away meanwhile, and is given its time
                self._due, self._is_fresh = self._clock(), is_fresh
