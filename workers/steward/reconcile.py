"""A duty: what Docker, the kernel and the disk have is compared with what the database wants, and put right.

What belongs to an app becomes a repair, a job like any other: one change per app, seen by its owner. What is
no app's is put right here, and told by an event.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from compose.data import remove_project_files
from compose.values import SNAPSHOT
from homeport.events import EventKind
from homeport.host.engine import Engine
from homeport.host.ports import drop_reserved_port, ports_of_ours
from homeport.settings import Settings
from homeport.state import events, repairs
from homeport.state.database import Database
from homeport.state.doorbell import CHANNEL_JOBS, Doorbell
from homeport.state.jobs import find_job
from workers.observation import observe
from workers.reconciliation import Observed, find_differences, may_repair

_log = logging.getLogger(__name__)

_OLD_S: Final = 3600.0  # an upload that nobody has written to for so long has been given up
_SETTLED_S: Final = 5.0  # what an engine that came back needs to start what it starts itself
_LINE_S: Final = 3600  # then the connection by which the engine is watched is made anew
LOOK_S: Final = 1.0
"""How soon a comparison that is due is made, and an engine that is away looked for again."""

_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """Compares, and has put right what is ours."""

    settings: Settings
    database: Database
    doorbell: Doorbell
    engine: Engine
    now: Callable[[], datetime]

    def turn(self, *, is_fresh: bool = False) -> list[str]:
        """One comparison; the identifiers whose repair was queued.

        Args:
            is_fresh: whether Homeport or the engine has just started, so that a repair may help that did not
                before, or was undone by that.

        Raises:
            EngineUnavailableError: the engine does not answer: nothing was decided.
        """
        before = self._wanted()
        observed = observe(self.engine, self.settings)
        after = self._wanted()
        changed = {
            name for name in {*before.apps, *after.apps} if before.apps.get(name) != after.apps.get(name)
        }
        found = find_differences(observed, after.apps, busy=before.busy | after.busy | changed)
        queued = [
            identifier
            for identifier, words in found.items()
            if self._queue(identifier, words, is_orphan=identifier not in after.apps, is_fresh=is_fresh)
        ]
        if queued:
            self.doorbell.announce(CHANNEL_JOBS)
            self.doorbell.announce()
        self._put_right(folders=_stray_projects(observed, after), uploads=self._stray_uploads())
        return queued

    def _wanted(self) -> repairs.Wanted:
        with self.database.read() as connection:
            return repairs.wanted(connection)

    def _queue(self, identifier: str, words: tuple[str, ...], *, is_orphan: bool, is_fresh: bool) -> bool:
        now = self.now()
        with self.database.read() as connection:
            ended = repairs.repairs_ended(connection, identifier, now - _A_DAY)
        if not is_fresh and not may_repair(ended, now, pause_s=self.settings.reconcile_s):
            return False
        with self.database.write() as connection:
            job = repairs.accept_repair(
                connection,
                job_id=uuid.uuid4().hex,
                identifier=identifier,
                is_orphan=is_orphan,
                found=words,
                now=now,
            )
        if job is not None:
            _log.warning("%s is to be repaired: %s", identifier, "; ".join(words))
        return job is not None

    def _put_right(self, *, folders: list[str], uploads: list[str]) -> None:
        """What is no app's: ports kept for nobody, claims and files of what is not installed."""
        with self.database.read() as connection:
            ports = ports_of_ours(self.settings.run_dir) - repairs.claimed_ports(connection)
            claims = repairs.stray_claims(connection)
        if not (ports or claims or folders or uploads):
            return
        with (
            self.database.write() as connection
        ):  # held, so that no install of the name is accepted meanwhile
            done = {
                "ports": self._drop_ports(ports - repairs.claimed_ports(connection)),
                "claims": repairs.release_stray_claims(connection),
                "files": [
                    self._remove_project_files(name)
                    for name in folders
                    if not repairs.is_claimed(connection, name)
                ]
                + [self._remove_upload(name) for name in uploads],
            }
            facts: Mapping[str, list[str]] = {what: names for what, names in done.items() if names}
            if facts:
                _log.warning("put right: %s", facts)
                events.append(
                    connection, EventKind.BOX_REPAIRED, app=None, job=None, facts=facts, now=self.now()
                )
        self.doorbell.announce()

    def _drop_ports(self, ports: frozenset[int]) -> list[str]:
        run_dir = self.settings.run_dir
        return [str(port) for port in sorted(ports) if drop_reserved_port(port, run_dir=run_dir)]

    def _remove_project_files(self, name: str) -> str:
        remove_project_files(self.settings.projects_dir / name, (SNAPSHOT, f"{SNAPSHOT}.new"))
        return f"projects/{name}"

    def _remove_upload(self, name: str) -> str:
        (self.settings.uploads_dir / name).unlink(missing_ok=True)
        return f"uploads/{name}"

    def _stray_uploads(self) -> list[str]:
        """What was uploaded for a job that has ended, or for none; not what is on its way."""
        latest = self.now().timestamp() - _OLD_S
        old = [
            path
            for path in self.settings.uploads_dir.glob("*")
            if path.is_file() and path.stat().st_mtime < latest
        ]
        if not old:
            return []
        with self.database.read() as connection:
            jobs = {path: find_job(connection, path.stem) for path in old}
        return [path.name for path, job in jobs.items() if job is None or job.state.is_terminal]


class Rounds:
    """When to compare: at once, every `reconcile_s`, and a little after the engine was away.

    An engine that was killed does not start again what it cannot start at once, because a port is held a
    moment longer, say.
    """

    def __init__(self, reconciler: Reconciler, clock: Callable[[], float] = time.monotonic) -> None:
        self._reconciler = reconciler
        self._clock = clock
        self._due = clock()
        self._is_fresh = True

    def turn(self) -> None:
        """A comparison, where one is due.

        Raises:
            EngineUnavailableError: the engine does not answer; the comparison stays due.
        """
        if self._clock() < self._due:
            return
        is_fresh, self._is_fresh = self._is_fresh, False
        self._due = self._clock() + self._reconciler.settings.reconcile_s
        try:
            self._reconciler.turn(is_fresh=is_fresh)
        except Exception:
            self._due, self._is_fresh = self._clock(), self._is_fresh or is_fresh
            raise

    def watch(self) -> None:
        """In a thread of its own: waits until the engine is not there; then a comparison is due."""
        while self._reconciler.engine.stays(_LINE_S):
            pass
        self._due, self._is_fresh = self._clock() + _SETTLED_S, True


def _stray_projects(observed: Observed, wanted: repairs.Wanted) -> list[str]:
    """Project folders with files of ours that no app is run from."""
    return [
        name
        for name, files in observed.projects.items()
        if (files.has_snapshot or files.has_compose_file)
        and name not in wanted.apps
        and name not in wanted.busy
    ]
