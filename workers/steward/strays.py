"""What is kept for no app, and what the kernel has lost of one: put right without a job, told by an event."""

import logging
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from compose.data import remove_project_files
from compose.values import SNAPSHOT
from homeport.errors import HomeportError
from homeport.events import EventKind
from homeport.host.files import remove_tree
from homeport.host.ports import (
    RESERVED_PORTS,
    add_reserved_port,
    drop_reserved_port,
    lost_ports,
    ports_of_ours,
)
from homeport.models import AppState
from homeport.settings import Settings
from homeport.state import events, repairs
from homeport.state.database import Database
from homeport.state.jobs import find_job
from workers.observation import project_files
from workers.reconciliation import Observed, stray_projects

_log = logging.getLogger(__name__)

_OLD_S: Final = 3600.0  # an upload that nobody has written to for so long has been given up


@dataclass(frozen=True, kw_only=True)
class Strays:
    """Ports, claims, files and uploads. What cannot be put right is logged and holds up nothing else.

    `ports_table` is the kernel's list of reserved ports.
    """

    settings: Settings
    database: Database
    now: Callable[[], datetime]
    ports_table: Path = RESERVED_PORTS

    def put_right(self, observed: Observed, wanted: repairs.Wanted, *, reserves: bool) -> bool:
        """Gives back and removes what is no app's; whether there was anything.

        Args:
            observed: what there is.
            wanted: what the database wanted when that was seen.
            reserves: whether apps' ports that are missing in the kernel's list are put back there.
        """
        box = str(self.settings.state_dir)
        folders = stray_projects(observed, wanted.apps, busy=wanted.busy, box=box)
        uploads = self._stray_uploads()
        with self.database.read() as connection:
            has_more = bool(
                self._stray_ports(connection)
                or repairs.stray_claims(connection)
                or (reserves and self._lost_ports(connection))
            )
        if not (has_more or folders or uploads):
            return False
        # Held, so that meanwhile no install of the name is accepted, and no job that changes the app.
        with self.database.write() as connection:
            unclaimed = [name for name in folders if not repairs.is_claimed(connection, name)]
            done = {
                "ports": _each(map(str, sorted(self._stray_ports(connection))), self._drop_port),
                "claims": repairs.release_stray_claims(connection),
                "files": [f"projects/{name}" for name in _each(unclaimed, self._remove_project_files)]
                + [f"uploads/{name}" for name in _each(uploads, self._remove_upload)],
                "reserved": _each(map(str, sorted(self._lost_ports(connection))), self._add_port)
                if reserves
                else [],
            }
            facts: Mapping[str, list[str]] = {what: names for what, names in done.items() if names}
            if facts:
                _log.warning("put right: %s", facts)
                events.append(
                    connection, EventKind.BOX_REPAIRED, app=None, job=None, facts=facts, now=self.now()
                )
        return bool(facts)

    def _stray_ports(self, connection: Connection) -> frozenset[int]:
        """The ports that we reserved and that are kept for nobody."""
        try:
            ours = ports_of_ours(self.settings.run_dir)
        except OSError as error:
            _log.warning("which ports are reserved by us cannot be read: %s", error)
            return frozenset()
        return ours - repairs.claimed_ports(connection)

    def _lost_ports(self, connection: Connection) -> frozenset[int]:
        """The installed apps' host ports that somebody took out of the kernel's list.

        Those of apps that a job is about to change are that job's to reserve or give back.
        """
        wanted = repairs.wanted(connection)
        ports = (
            app.host_port
            for identifier, app in wanted.apps.items()
            if app.state is AppState.RUNNING and identifier not in wanted.busy
        )
        try:
            return lost_ports(ports, table=self.ports_table)
        except OSError as error:
            _log.warning("%s cannot be read: %s", self.ports_table, error)
            return frozenset()

    def _drop_port(self, port: str) -> bool:
        return drop_reserved_port(int(port), run_dir=self.settings.run_dir, table=self.ports_table)

    def _add_port(self, port: str) -> bool:
        return add_reserved_port(int(port), run_dir=self.settings.run_dir, table=self.ports_table)

    def _remove_project_files(self, name: str) -> bool:
        """Removes what we wrote there, if it is still ours; our mark goes last, so that the rest is found."""
        folder = self.settings.projects_dir / name
        files = project_files(folder)
        if (files.box, files.app) != (str(self.settings.state_dir), name):
            return False
        for snapshot in (f"{SNAPSHOT}.new", SNAPSHOT):
            remove_tree(folder / snapshot, within=folder)
        remove_project_files(folder)
        return True

    def _remove_upload(self, name: str) -> bool:
        (self.settings.uploads_dir / name).unlink(missing_ok=True)
        return True

    def _stray_uploads(self) -> list[str]:
        """What was uploaded for a job that has ended, or for none; not what is on its way."""
        old = list(_old_files(self.settings.uploads_dir, self.now().timestamp() - _OLD_S))
        if not old:
            return []
        with self.database.read() as connection:
            jobs = {path: find_job(connection, path.stem) for path in old}
        return [path.name for path, job in jobs.items() if job is None or job.state.is_terminal]


def _each(names: Iterable[str], put_right: Callable[[str], bool]) -> list[str]:
    """Those that were put right, one by one; one that cannot be holds up no other."""
    done = []
    for name in names:
        try:
            if put_right(name):
                done.append(name)
        except (OSError, HomeportError) as error:
            _log.warning("%s is no app's, and stays: %s", name, error)
    return done


def _old_files(folder: Path, latest: float) -> Iterator[Path]:
    for path in folder.glob("*"):
        try:
            about = path.stat()
        except OSError:  # gone since, or nobody may see it
            continue
        if stat.S_ISREG(about.st_mode) and about.st_mtime < latest:
            yield path
