"""Publishing the box's apps: what the database says of all of them goes to the reverse proxy as one table.

Whoever changes one app has the whole table applied. What differs is changed, so it costs no more, and two who
do it at once cannot undo each other's change: they take turns, and each reads the database in its turn.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from homeport.errors import ComponentUnavailableError, HomeportError
from homeport.names import api_names
from homeport.settings import Settings
from homeport.state import apps
from homeport.state.certificates import list_certificates
from homeport.state.database import Database
from proxy.driver import Applied, ProxyDriver
from proxy.drivers import DRIVERS, retire_others
from proxy.routes import hidden_routes, routes_of

_log = logging.getLogger(__name__)

_PATIENCE_S: Final = 120.0  # Apache is asked of each file by itself where one of many is bad
_LOOK_S: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The box's routes. `driver` is its reverse proxy, of whichever kind."""

    settings: Settings
    database: Database
    driver: ProxyDriver

    def apply(self, check: Callable[[], None] = lambda: None) -> Applied:
        """Has the proxy serve what the database says; see `ProxyDriver.apply`.

        Args:
            check: called while another one's turn is waited for; what it raises ends the wait.

        Raises:
            ComponentUnavailableError: the proxy could not be told.
            StateUnavailableError: the database cannot be read.
        """
        with _turn(self.settings.run_dir / "routes.lock", check):
            with self.database.read() as connection:
                recorded = apps.list_all(connection)
                certificates = list_certificates(connection)
            table = routes_of(recorded, domain=self.settings.domain)
            try:
                applied = self.driver.apply(table, certificates)
            except ComponentUnavailableError:
                raise
            except (OSError, ValueError, HomeportError) as error:
                raise _untold(str(error)) from error
            hidden = hidden_routes(table, api_names(self.settings.domain, self.settings.api_name))
            return replace(
                applied, routes={**applied.routes, **hidden}, box=applied.box or self._retire_others()
            )

    def _retire_others(self) -> str:
        """Why the proxy that the box had before goes on with its routes; "" where it does not."""
        try:
            retire_others(self.settings)
        except (OSError, ValueError, HomeportError) as error:
            _log.warning("the proxy of before cannot be told that it is none: %s", error)
            return f"Another proxy still leads to the apps: {error}"
        return ""


def create_routes(settings: Settings, database: Database) -> Routes:
    """The box's routes, with the reverse proxy that the settings name."""
    return Routes(settings=settings, database=database, driver=DRIVERS[settings.proxy](settings))


@contextmanager
def _turn(path: Path, check: Callable[[], None]) -> Iterator[None]:
    """Holds a lock that worker and steward share, and nobody else can; it ends with the process.

    Raises:
        ComponentUnavailableError: somebody holds it for longer than a change takes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not _is_locked(lock):
            check()
            if time.monotonic() > deadline:
                raise _untold(f"Another change of its routes has gone on for {_PATIENCE_S:.0f} s.")
            time.sleep(_LOOK_S)
        yield
    finally:
        os.close(lock)


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _untold(why: str) -> ComponentUnavailableError:
    return ComponentUnavailableError(
        "The reverse proxy could not be told.",
        why=why,
        remedy="It is tried again by itself.",
        component="proxy",
    )
