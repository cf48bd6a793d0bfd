"""A worker dies between any two of the commands that it gives HAProxy: the next one makes the table whole."""

import signal
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from homeport.models import Certificate
from homeport.state.given_certificate import read_certificate
from proxy.driver import Applied
from proxy.haproxy import HAProxy
from proxy.own_files import keep_written
from proxy.routes import Route, RouteState
from proxy.runtime import RuntimeSocket
from tests.harness.authority import Authority
from tests.harness.haproxy import RunningHAProxy
from tests.harness.web_app import WebApp

OLD, NEW = Authority("old"), Authority("new")


class Killed(BaseException):
    """What the process was killed with: nothing of the driver hears it."""


class Dying(RuntimeSocket):
    """Its process dies in place of a command: the one that comes after so many."""

    def __init__(self, socket: RuntimeSocket, after: int) -> None:
        super().__init__(socket._path)
        self.left = after

    def ask(self, command: str, *, payload: str | None = None) -> str:
        if self.left == 0:
            raise Killed
        self.left -= 1
        return super().ask(command, payload=payload)


class DyingHAProxy(HAProxy):
    """A driver in a process that dies."""

    def __init__(self, proxy: RunningHAProxy, after: int) -> None:
        super().__init__(proxy.plan.folder, proxy.plan.socket, api_names=proxy.plan.api_names)
        self._dying = Dying(self._runtime, after)
        self._runtime = self._certificates._runtime = self._dying

    @property
    def is_dead(self) -> bool:
        """Whether it writes no file any more."""
        return self._dying.left == 0


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHAProxy]:
    with RunningHAProxy(tmp_path_factory.mktemp("k"), redirects=True) as running:
        yield running


def certificate(name: str, authority: Authority, *hosts: str) -> Certificate:
    issued = authority.issue(*hosts)
    return read_certificate(name, chain=issued.chain, key=issued.key, now=datetime.now(UTC))


def dies(
    proxy: RunningHAProxy, after: int, routes: Sequence[Route], certificates: Sequence[Certificate]
) -> bool:
    """Whether a driver that dies after so many commands died before it had given all of the table's."""
    driver = DyingHAProxy(proxy, after)

    def keep_written_while_alive(path: Path, text: str) -> None:
        if not driver.is_dead:
            keep_written(path, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proxy.haproxy.keep_written", keep_written_while_alive)
        try:
            driver.apply(routes, certificates)
        except Killed:
            return True
    return False


@pytest.mark.parametrize("box_dies_too", [False, True], ids=["worker", "box"])
def test_a_table_is_made_whole_after_a_kill_before_each_of_its_commands(
    proxy: RunningHAProxy, wiki: WebApp, blog: WebApp, box_dies_too: bool
) -> None:
    def route(app: WebApp, *names: str) -> Route:
        return Route(identifier=app.name, names=names, port=app.port, state=RouteState.SERVING)

    before = (
        [route(wiki, "wiki.hda", "gone.hda")],
        [
            certificate("one", OLD, "wiki.hda"),
            certificate("gone", OLD, "gone.hda"),
        ],
    )
    after = (
        [route(wiki, "wiki.hda"), route(blog, "blog.hda")],
        [
            certificate("one", NEW, "wiki.hda"),
            certificate("two", NEW, "blog.hda"),
        ],
    )
    deaths = 0
    while True:
        assert proxy.driver.apply(*before) == Applied()
        if not dies(proxy, deaths, *after):
            break
        if box_dies_too:
            proxy.end(signal.SIGKILL)
            proxy.start()
        assert proxy.driver.apply(*after) == Applied(), deaths

        for host, app in (("wiki.hda", "wiki"), ("blog.hda", "blog")):
            assert proxy.app(host, tls=NEW.trusting())["app"] == app, (deaths, host)
        assert proxy.get("gone.hda")[0] == 404, deaths
        kept = {path.name.rsplit("-", 1)[0] for path in (proxy.plan.folder / "certificates").iterdir()}
        assert kept == {"one", "two"}, deaths
        deaths += 1
    assert deaths > 20, "a kill before each of the commands"
