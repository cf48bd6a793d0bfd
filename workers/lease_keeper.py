"""Keeping a job's lease while it runs, and telling its steps when to stop."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from homeport.errors import CancelledError, HandedBackError, HomeportError, LeaseLostError
from homeport.state import jobs, leases
from homeport.state.database import Database
from homeport.state.leases import Lease

_log = logging.getLogger(__name__)

_LOOK_S = 0.5  # how often the job's row is looked at: a cancel is seen within this


class RunningControl:
    """What forward steps ask: stop because the process ends, the lease is lost, or somebody cancelled."""

    def __init__(self, stopping: threading.Event) -> None:
        self.cancelled = threading.Event()
        self.lost = threading.Event()
        self._stopping = stopping

    def check(self) -> None:
        """See `homeport.plans.Control.check`."""
        if self.lost.is_set():
            raise LeaseLostError("Another worker holds this job now.")
        if self._stopping.is_set():
            raise HandedBackError
        if self.cancelled.is_set():
            raise CancelledError("The job was cancelled.", remedy="Start it again if that was not meant.")


class UndoingControl:
    """What undos ask: a cancel does not stop them, since half an undo is worse than none."""

    def __init__(self, running: RunningControl, stopping: threading.Event) -> None:
        self._running = running
        self._stopping = stopping

    def check(self) -> None:
        """See `homeport.plans.Control.check`."""
        if self._running.lost.is_set():
            raise LeaseLostError("Another worker holds this job now.")
        if self._stopping.is_set():
            raise HandedBackError


class LeaseKeeper:
    """A thread that renews the lease and watches for a cancel, from `with` to the end of its block."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        control: RunningControl,
        *,
        lease_s: float,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._lease = lease
        self._control = control
        self._lease_s = lease_s
        self._renew_s = min(1.0, lease_s / 3)
        self._now = now
        self._ended = threading.Event()
        context = contextvars.copy_context()  # so that its log lines name the job
        self._thread = threading.Thread(target=lambda: context.run(self._keep), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _keep(self) -> None:
        renewed = time.monotonic()
        while not self._ended.wait(min(_LOOK_S, self._renew_s)):
            try:
                if time.monotonic() - renewed >= self._renew_s:
                    self._renew()
                    renewed = time.monotonic()
                else:
                    self._look()
            except LeaseLostError:
                self._control.lost.set()
                return
            except HomeportError as error:
                _log.warning("the lease could not be renewed: %s", error)
                if time.monotonic() - renewed > self._lease_s:
                    self._control.lost.set()
                    return

    def _renew(self) -> None:
        with self._database.write() as connection:
            if leases.heartbeat(connection, self._lease, self._lease_s, self._now()):
                self._control.cancelled.set()

    def _look(self) -> None:
        with self._database.read() as connection:
            job = jobs.find_job(connection, self._lease.job_id)
            if job is not None and job.cancel_requested:
                self._control.cancelled.set()
