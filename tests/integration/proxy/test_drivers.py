"""What every kind of reverse proxy promises: HAProxy, Apache, and the fake that other tests use."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from proxy.driver import Applied, ProxyDriver
from proxy.routes import Route, RouteState
from tests.harness.apache import RunningApache
from tests.harness.haproxy import RunningHAProxy
from tests.harness.programs import wait_until
from tests.harness.web_app import WebApp
from tests.unit.workers.fakes import FakeProxy


@dataclass(frozen=True)
class Front:
    """A driver, and what answers under a host name: an app's name, or nothing where no app does."""

    driver: ProxyDriver
    answering: Callable[[str], str]

    def leads(self, **expected: str) -> None:
        """Waits until these names, within `hda`, lead there."""
        for label, app in expected.items():
            host = f"{label}.hda"
            wait_until(partial(self._leads, host, app), what=f"{host} to {app or 'no app'}", timeout_s=10)

    def _leads(self, host: str, app: str) -> bool:
        return self.answering(host) == app


@pytest.fixture(params=["haproxy", "apache", "fake"])
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wiki: WebApp, blog: WebApp
) -> Iterator[Front]:
    root: Path = tmp_path_factory.mktemp("f")
    match request.param:
        case "haproxy":
            with RunningHAProxy(root) as proxy:
                yield Front(proxy.driver, lambda host: _said_by_haproxy(proxy, host))
        case "apache":
            with RunningApache(root) as apache:
                yield Front(apache.driver, lambda host: str(apache.app(host).get("app", "")))
        case _:
            fake, by_port = FakeProxy(), {app.port: app.name for app in (wiki, blog)}
            yield Front(fake, lambda host: by_port[fake.served[host].port] if host in fake.served else "")


def route(identifier: str, app: WebApp, *labels: str) -> Route:
    names = tuple(f"{label}.hda" for label in labels)
    return Route(identifier=identifier, names=names, port=app.port, state=RouteState.SERVING)


def test_each_name_leads_to_its_app_and_one_of_no_route_to_none(
    front: Front, wiki: WebApp, blog: WebApp
) -> None:
    table = [route("docs", wiki, "docs", "pages"), route("news", blog, "news")]

    assert front.driver.apply(table, []) == Applied()

    front.leads(docs="wiki", pages="wiki", news="blog", nobody="")


def test_a_table_takes_the_place_of_the_one_before(front: Front, wiki: WebApp, blog: WebApp) -> None:
    front.driver.apply([route("docs", wiki, "docs", "pages"), route("news", blog, "news")], [])
    front.leads(docs="wiki", news="blog")

    front.driver.apply([route("docs", blog, "docs"), route("more", wiki, "pages")], [])

    front.leads(docs="blog", pages="wiki", news="")


def test_two_apps_exchange_their_names(front: Front, wiki: WebApp, blog: WebApp) -> None:
    front.driver.apply([route("docs", wiki, "docs"), route("news", blog, "news")], [])
    front.leads(docs="wiki", news="blog")

    front.driver.apply([route("docs", wiki, "news"), route("news", blog, "docs")], [])

    front.leads(docs="blog", news="wiki")


def test_the_same_table_again_says_the_same(front: Front, wiki: WebApp) -> None:
    table = [route("docs", wiki, "docs")]
    front.driver.apply(table, [])

    assert front.driver.apply(table, []) == Applied()

    front.leads(docs="wiki")


def test_an_empty_table_leaves_nothing(front: Front, wiki: WebApp) -> None:
    front.driver.apply([route("docs", wiki, "docs")], [])
    front.leads(docs="wiki")

    assert front.driver.apply([], []) == Applied()

    front.leads(docs="")


def _said_by_haproxy(proxy: RunningHAProxy, host: str) -> str:
    status, _, body = proxy.get(host)
    return str(proxy.app(host)["app"]) if status == 200 and body.startswith(b"{") else ""
