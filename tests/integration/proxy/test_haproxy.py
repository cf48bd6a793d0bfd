"""A real HAProxy: routes, what it says itself, what it carries, and what it never lets through."""

import asyncio
import http.client
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from homeport.errors import ComponentUnavailableError
from proxy.driver import Applied
from proxy.haproxy import HAProxy
from proxy.haproxy_conf import MAP
from proxy.routes import Route, RouteState
from proxy.runtime import RuntimeSocket
from tests.harness.haproxy import RunningHAProxy
from tests.harness.web_app import WebApp, web_app


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHAProxy]:
    with web_app("api") as api, RunningHAProxy(tmp_path_factory.mktemp("h"), api_port=api.port) as running:
        yield running


def route(app: WebApp, *names: str, state: RouteState = RouteState.SERVING) -> Route:
    given = names or (f"{app.name}.hda",)
    return Route(identifier=app.name, names=given, port=app.port, state=state)


def test_a_host_leads_to_its_app_by_each_of_its_names(
    proxy: RunningHAProxy, wiki: WebApp, blog: WebApp
) -> None:
    problems = proxy.driver.apply([route(wiki, "wiki.hda", "docs.hda", "wiki"), route(blog)], [])

    assert problems == Applied()
    for host in ("wiki.hda", "docs.hda", "wiki", "WIKI.HDA", "wiki.hda.", f"wiki.hda:{proxy.plan.http_port}"):
        assert proxy.app(host)["app"] == "wiki", host
    assert proxy.app("blog.hda")["app"] == "blog"
    assert proxy.app("homeport.hda")["app"] == "api"


@pytest.mark.parametrize("host", ["nobody.hda", "hda", "127.0.0.1", "[::1]", "wiki.hda.evil.example"])
def test_an_unknown_host_gets_a_page_of_the_proxy_s_own(
    proxy: RunningHAProxy, wiki: WebApp, host: str
) -> None:
    proxy.driver.apply([route(wiki)], [])

    status, headers, body = proxy.get(host)

    assert status == http.client.NOT_FOUND
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert b"There is no app of this name" in body
    assert host.encode() not in body


@pytest.mark.parametrize(
    "host",
    [
        "x y",
        "wiki.hda/",
        "wiki.hda@evil",
        "<script>",
        "evil.com/x,wiki.hda",
        "evil.com#,wiki.hda",
        "wiki.hda,wiki.hda",
        "wiki.hda:80,",
        "wiki.hda:evil",
        "",
    ],
)
def test_what_is_no_host_reaches_no_app(proxy: RunningHAProxy, wiki: WebApp, host: str) -> None:
    proxy.driver.apply([route(wiki)], [])

    status, _, body = proxy.get(host)

    assert status in (http.client.BAD_REQUEST, http.client.NOT_FOUND)
    assert b"script" not in body


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (RouteState.STARTING, b"wiki.hda is starting"),
        (RouteState.STOPPED, b"wiki.hda is stopped"),
        (RouteState.UPDATING, b"wiki.hda is being updated"),
    ],
)
def test_an_app_that_cannot_answer_is_spoken_for(
    proxy: RunningHAProxy, wiki: WebApp, state: RouteState, words: bytes
) -> None:
    proxy.driver.apply([route(wiki, state=state)], [])
    status, headers, body = proxy.get("wiki.hda", "/some/page?q=1")

    assert status == http.client.SERVICE_UNAVAILABLE
    assert headers["cache-control"] == "no-store"
    assert words in body

    proxy.driver.apply([route(wiki)], [])
    assert proxy.app("wiki.hda")["app"] == "wiki"


def test_an_app_that_does_not_listen_is_said_not_to_answer(proxy: RunningHAProxy) -> None:
    proxy.driver.apply([route(WebApp("wiki", 9))], [])

    status, headers, body = proxy.get("wiki.hda")

    assert status == http.client.SERVICE_UNAVAILABLE
    assert b"The app does not answer" in body
    assert headers["retry-after"] == "5"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PROPFIND"])
def test_a_request_goes_to_the_app_as_it_came(proxy: RunningHAProxy, wiki: WebApp, method: str) -> None:
    proxy.driver.apply([route(wiki)], [])

    status, _, body = proxy.ask(method, "wiki.hda", "/?a=b;c&d=%20//x")

    assert status == http.client.OK
    said = json.loads(body)
    assert (said["method"], said["path"]) == (method, "/?a=b;c&d=%20//x")


def test_what_a_client_says_of_its_way_never_reaches_the_app(proxy: RunningHAProxy, wiki: WebApp) -> None:
    proxy.driver.apply([route(wiki)], [])
    told = {
        "X-Forwarded-For": "6.6.6.6",
        "x-forwarded-proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Server": "evil",
        "X_Forwarded_For": "6.6.6.6",
        "X-Forwarded_Host": "evil.example",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-Client-IP": "6.6.6.6",
        "X.Forwarded.For": "6.6.6.6",
        "Connection": "close, x-forwarded-for, X-Forwarded-Proto, x-mine",
        "Upgrade": "h2c",
    }

    headers = proxy.app("wiki.hda", headers={**told, "X-Mine": "kept"})["headers"]

    assert {name: value for name, value in headers.items() if "forwarded" in name or "ip" in name} == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "wiki.hda",
        "x-forwarded-port": str(proxy.plan.http_port),
    }
    assert headers["host"] == "wiki.hda"
    assert headers["x-mine"] == "kept"
    assert "upgrade" not in headers
    assert "x-" not in headers.get("connection", "")


@pytest.mark.parametrize("spelling", ["websocket", "WebSocket"])
def test_websockets_pass(proxy: RunningHAProxy, wiki: WebApp, spelling: str) -> None:
    proxy.driver.apply([route(wiki)], [])

    async def talk() -> str:
        url, host = f"http://127.0.0.1:{proxy.plan.http_port}/ws", {"Host": "wiki.hda", "Upgrade": spelling}
        async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=host) as ws:
            await ws.send_str("hello")
            return str((await ws.receive(timeout=10)).data)

    assert asyncio.run(talk()) == "wiki: hello"


def test_a_long_upload_is_passed_on_while_it_comes(proxy: RunningHAProxy, wiki: WebApp) -> None:
    proxy.driver.apply([route(wiki)], [])
    size = 300 * 1024 * 1024
    pieces = (bytes(1024 * 1024) for _ in range(size // (1024 * 1024)))

    status, _, body = proxy.ask(
        "POST", "wiki.hda", "/upload", headers={"Content-Length": str(size)}, body=pieces
    )

    assert status == http.client.OK
    assert f'"received": {size}'.encode() in body


def test_a_stream_arrives_piece_by_piece(proxy: RunningHAProxy, wiki: WebApp) -> None:
    proxy.driver.apply([route(wiki)], [])
    connection = proxy.connect("wiki.hda")
    connection.request("GET", "/stream?pieces=3", headers={"Host": "wiki.hda"})
    answer = connection.getresponse()

    for number in range(3):
        assert answer.readline() == f"piece {number}\n".encode(), "it came before the app went on"
        assert proxy.ask("POST", "wiki.hda", "/next")[0] == http.client.OK
    assert answer.read() == b""
    connection.close()


def test_what_was_published_is_served_again_by_the_next_one_alone(
    proxy: RunningHAProxy, wiki: WebApp, blog: WebApp
) -> None:
    proxy.driver.apply([route(wiki), route(blog)], [])
    proxy.driver.apply([route(wiki)], [])

    proxy.end(signal.SIGKILL)
    proxy.start()

    assert proxy.app("wiki.hda")["app"] == "wiki"
    assert proxy.get("blog.hda")[0] == http.client.NOT_FOUND


def test_one_that_is_away_is_said_to_be_and_reads_the_table_when_it_starts(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    proxy.end(signal.SIGTERM)

    with pytest.raises(ComponentUnavailableError) as raised:
        proxy.driver.apply([route(wiki)], [])

    assert raised.value.facts["component"] == "proxy"
    proxy.start()
    assert proxy.app("wiki.hda")["app"] == "wiki"


def test_a_refused_change_names_its_app_and_keeps_no_other_from_its_own(
    proxy: RunningHAProxy, wiki: WebApp, blog: WebApp
) -> None:
    class Refusing(RuntimeSocket):
        def ask(self, command: str, *, payload: str | None = None) -> str:
            if command.startswith("add map") and "wiki.hda" in command:
                command = command.replace("add map", "add nothing")
            return super().ask(command, payload=payload)

    driver = HAProxy(proxy.plan.folder, proxy.plan.socket)
    driver._runtime = Refusing(proxy.plan.socket)

    applied = driver.apply([route(wiki), route(blog)], [])

    assert list(applied.routes) == ["wiki"]
    assert "HAProxy said: " in applied.routes["wiki"]
    assert proxy.app("blog.hda")["app"] == "blog"
    assert proxy.get("wiki.hda")[0] == http.client.NOT_FOUND
    assert proxy.driver.apply([route(wiki), route(blog)], []) == Applied()
    assert proxy.app("wiki.hda")["app"] == "wiki"


def test_a_table_that_changes_in_all_ways_at_once_is_served_as_it_is(
    proxy: RunningHAProxy, wiki: WebApp, blog: WebApp
) -> None:
    proxy.driver.apply([route(wiki, "a.hda", "b.hda"), route(blog, "c.hda")], [])

    proxy.driver.apply([route(wiki, "c.hda"), route(blog, "a.hda", "d.hda", state=RouteState.STOPPED)], [])

    assert proxy.app("c.hda")["app"] == "wiki"
    assert proxy.get("b.hda")[0] == http.client.NOT_FOUND
    assert {proxy.get(host)[0] for host in ("a.hda", "d.hda")} == {503}
    lines = (proxy.plan.folder / MAP).read_text().splitlines()
    assert lines == sorted(lines)
    own = [*proxy.plan.api_names, "a.hda", "c.hda", "d.hda"]
    assert [line.split()[0] for line in lines] == sorted(own)


def test_nothing_is_written_where_nothing_differs(proxy: RunningHAProxy, wiki: WebApp) -> None:
    proxy.driver.apply([route(wiki)], [])
    written = _inode(proxy.plan.folder / MAP)

    proxy.driver.apply([route(wiki)], [])

    assert _inode(proxy.plan.folder / MAP) == written


def test_a_map_that_somebody_spoiled_is_mended(proxy: RunningHAProxy, wiki: WebApp) -> None:
    proxy.driver.apply([route(wiki)], [])
    written = (proxy.plan.folder / MAP).read_bytes()
    (proxy.plan.folder / MAP).write_bytes(b"\xff\x00 spoiled\n")

    assert proxy.driver.apply([route(wiki)], []) == Applied()

    assert (proxy.plan.folder / MAP).read_bytes() == written


def test_a_disk_that_takes_no_map_keeps_no_route_from_being_served(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    (proxy.plan.folder / MAP).unlink()
    (proxy.plan.folder / MAP).mkdir()  # what nothing can be written to

    assert proxy.driver.apply([route(wiki)], []) == Applied()

    assert proxy.app("wiki.hda")["app"] == "wiki"


def test_a_change_that_belongs_to_no_app_and_is_refused_is_told_of_the_box(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    class Refusing(RuntimeSocket):
        def ask(self, command: str, *, payload: str | None = None) -> str:
            return super().ask(command.replace("del map", "del nothing"), payload=payload)

    proxy.driver.apply([route(wiki)], [])
    driver = HAProxy(proxy.plan.folder, proxy.plan.socket, api_names=proxy.plan.api_names)
    driver._runtime = Refusing(proxy.plan.socket)

    applied = driver.apply([], [])

    assert "HAProxy said: " in applied.box
    assert applied.routes == {}
    assert proxy.driver.apply([], []) == Applied()


def _inode(path: Path) -> int:
    return path.stat().st_ino
