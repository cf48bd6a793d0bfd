"""A duty: the reverse proxy serves what the database says, also after a restart or a refusal."""

import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from homeport.errors import HomeportError
from homeport.names import LOOPBACK
from homeport.settings import Settings
from homeport.state import apps
from homeport.state.certificates import certificate_problems, note_certificates
from homeport.state.routes import note_route, noted_routes
from proxy.haproxy_process import why_down
from workers.routing import Routes

LOOK_S: Final = 5.0
"""How often it looks; an announcement on the routes' channel makes it look at once."""

DOWN_S: Final = 30.0
"""For how long the proxy may be away, as while it is started again, until apps are told to have no route."""

_ANSWER_S: Final = 2.0
_HTTP_PORT: Final = 80  # of the host's own Apache


class RouteKeeper:
    """Has the table applied again and again. Where nothing differs, the proxy is asked one question.

    `why` says why the proxy does not serve what it shall, as it was seen last; "" where it does.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        now: Callable[[], datetime],
        listens: Callable[[int], bool] | None = None,
        explain: Callable[[Settings], str] = why_down,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.why = "Nobody has asked it yet."
        self._routes = routes
        self._now = now
        self._listens = listens or _listens
        self._why_down = explain
        self._clock = clock
        self._down_since: float | None = None

    def turn(self) -> None:
        """One look.

        Raises:
            ComponentUnavailableError: the proxy does not answer.
            StateUnavailableError: the database cannot be read or written.
        """
        database = self._routes.database
        with database.read() as connection:  # before it is asked: what a job notes meanwhile is newer
            noted = noted_routes(connection)
        try:
            applied = self._routes.apply()
        except Exception as error:
            why = (error.why or error.what) if isinstance(error, HomeportError) else str(error)
            self.why = self._explain() or why or type(error).__name__
            self._note_down(noted)
            raise
        if silent := self._why_silent():
            self.why = silent
            self._note_down(noted)
        else:
            self.why, self._down_since = applied.box, None
            self._note(applied.routes, noted)
        with database.read() as connection:
            is_news = certificate_problems(connection) != dict(applied.certificates)
        if is_news:
            with database.write() as connection:
                note_certificates(connection, applied.certificates)

    def _note_down(self, noted: Mapping[str, str]) -> None:
        """A proxy that stays away leads to none of the apps."""
        if self._down_since is None:
            self._down_since = self._clock()
        if self._clock() - self._down_since < DOWN_S:
            return
        with self._routes.database.read() as connection:
            found = apps.list_all(connection)
        self._note({app.identifier: self.why for app in found if app.web and app.published}, noted)

    def _note(self, problems: Mapping[str, str], noted: Mapping[str, str]) -> None:
        """Records why apps have no route, where that is another reason than it was."""
        names = {*problems, *noted}
        changed = sorted(name for name in names if problems.get(name, "") != noted.get(name, ""))
        if not changed:
            return
        with self._routes.database.write() as connection:
            for name in changed:
                note_route(connection, name, problems.get(name, ""), job=None, now=self._now())

    def _explain(self) -> str:
        settings = self._routes.settings
        return self._why_down(settings) if settings.proxy == "haproxy" else ""

    def _why_silent(self) -> str:
        """An Apache that was told nothing new may have ended long ago."""
        port = _port_of(self._routes.settings)
        return "" if port is None or self._listens(port) else f"Nothing listens on port {port}."


def _port_of(settings: Settings) -> int | None:
    return {"haproxy": settings.http_port or None, "apache": _HTTP_PORT, "none": None}[settings.proxy]


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_ANSWER_S):
            return True
    except OSError:
        return False
