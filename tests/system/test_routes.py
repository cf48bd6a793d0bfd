"""Every app at its own name, with everything real: Docker, HAProxy, and Homeport as its owner starts it."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest
import redis
import requests

from homeport.state.doorbell import CHANNEL_ROUTES
from tests.harness.apache import RunningApache
from tests.harness.authority import Authority
from tests.harness.definitions import headless_app, pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

CHANGES = 50
WEBSOCKETS = 20


@pytest.fixture(scope="module")
def box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    publish_standin(engine_box, "acme/wiki:1", says="the wiki")
    publish_standin(engine_box, "acme/chat:1", says="the chat", mode="echo")
    publish_standin(engine_box, "acme/waits:1", mode="waits")
    with HomeportBox(engine_box, "routes", proxy="haproxy", domain="hda") as homeport:
        homeport.add_definition("wiki", pulled_app("wiki", "acme/wiki:1"))
        homeport.add_definition("chat", pulled_app("chat", "acme/chat:1"))
        homeport.add_definition("headless", headless_app("headless", "acme/waits:1"))
        yield homeport


@pytest.fixture(autouse=True)
def cleared(box: HomeportBox) -> Iterator[None]:
    yield
    box.clear()


def haproxy(box: HomeportBox) -> psutil.Process:
    return next(process for process in box.processes() if process.name() == "haproxy")


def apply_now(box: HomeportBox) -> None:
    """Has the steward look at once."""
    with redis.Redis(unix_socket_path=str(box.run_dir / "valkey" / "valkey.sock")) as valkey:
        valkey.publish(CHANNEL_ROUTES, b"")


def says(box: HomeportBox, host: str) -> str:
    try:
        return box.visit_at(host).text
    except requests.RequestException as error:
        return str(error)


def wait_for(box: HomeportBox, host: str, words: str) -> None:
    wait_until(lambda: words in says(box, host), what=f"{words!r} at {host}", timeout_s=30, log=box.log)


def test_two_apps_answer_under_their_names_and_nowhere_else(box: HomeportBox) -> None:
    box.succeed(box.install("wiki", aliases=["docs", "wiki.example.org"]))
    box.succeed(box.install("chat", identifier="talk"))

    for host in ("wiki.hda", "wiki", "docs.hda", "docs", "wiki.example.org"):
        assert says(box, host) == "the wiki\n", host
    assert (says(box, "talk.hda"), says(box, "talk")) == ("the chat\n", "the chat\n")
    assert box.visit_at("other.hda").status_code == requests.codes.not_found
    app = box.app("wiki")
    assert (app["published"], app["no_route"]) == (True, None)
    assert app["url"] == f"http://wiki.hda:{box.http_port}/"


def test_behind_the_proxy_a_port_is_open_to_this_machine_alone(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    box.succeed(box.install("wiki"))

    ports = engine_box.client.containers.get("wiki").attrs["HostConfig"]["PortBindings"]
    assert [binding["HostIp"] for binding in ports["80/tcp"]] == ["127.0.0.1"]


def test_the_api_answers_under_its_own_name_and_asks_for_its_token(box: HomeportBox) -> None:
    assert box.visit_at("homeport.hda", "/livez").json() == {"status": "alive"}
    assert box.visit_at("homeport.hda", "/v1/apps").status_code == requests.codes.unauthorized


def test_websockets_stay_open_while_fifty_routes_change(box: HomeportBox) -> None:
    box.succeed(box.install("chat"))
    box.succeed(box.install("wiki"))
    pid = haproxy(box).pid

    async def talk() -> int:
        url = f"http://127.0.0.1:{box.http_port}/"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            sockets = [await session.ws_connect(url, headers={"Host": "chat.hda"}) for _ in range(WEBSOCKETS)]
            for number in range(CHANGES):
                await asyncio.to_thread(change, is_published=bool(number % 2))
                for index, websocket in enumerate(sockets):
                    await websocket.send_str(f"{number} {index}")
                    assert (await websocket.receive(timeout=10)).data == f"{number} {index}"
            return sum(not websocket.closed for websocket in sockets)

    def change(*, is_published: bool) -> None:
        box.sql("UPDATE apps SET published = ? WHERE identifier = 'wiki'", is_published)
        apply_now(box)
        wait_for(box, "wiki.hda", "the wiki" if is_published else "wiki.hda is starting")

    assert asyncio.run(talk()) == WEBSOCKETS
    assert haproxy(box).pid == pid


def test_a_name_says_that_its_app_starts_and_an_install_that_fails_leaves_none(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    publish_standin(engine_box, "acme/sick:1", mode="unhealthy")
    box.add_definition("sick", pulled_app("sick", "acme/sick:1"))
    job = box.install("sick")
    box.wait_for_step(job, "wait until healthy")

    assert "sick.hda is starting" in says(box, "sick.hda")
    box.cancel(job)
    box.wait(job)

    assert box.visit_at("sick.hda").status_code == requests.codes.not_found
    assert leftovers(box, "sick") == []


def test_a_name_leads_nowhere_before_its_app_stops(box: HomeportBox) -> None:
    box.succeed(box.install("wiki"))

    job = box.uninstall("wiki")
    box.wait_for_step(job, "stop")

    assert box.visit_at("wiki.hda").status_code == requests.codes.not_found
    box.succeed(job)
    assert leftovers(box, "wiki", but_data=True) == []


@pytest.mark.parametrize(
    ("state", "words"), [("stopped", "wiki.hda is stopped"), ("updating", "wiki.hda is being updated")]
)
def test_a_name_says_what_its_app_does(box: HomeportBox, state: str, words: str) -> None:
    box.succeed(box.install("wiki"))
    box.sql("UPDATE apps SET published = 0, state = ? WHERE identifier = 'wiki'", state)
    apply_now(box)

    wait_for(box, "wiki.hda", words)

    box.sql("UPDATE apps SET published = 1, state = 'running' WHERE identifier = 'wiki'")


def test_a_headless_app_has_no_name(box: HomeportBox) -> None:
    box.succeed(box.install("headless"))

    assert box.visit_at("headless.hda").status_code == requests.codes.not_found
    assert box.app("headless")["url"] is None


def test_a_killed_proxy_serves_the_same_and_lost_files_come_back_from_the_database(box: HomeportBox) -> None:
    box.succeed(box.install("wiki"))

    haproxy(box).kill()
    wait_for(box, "wiki.hda", "the wiki")

    (box.state_dir / "proxy" / "routes.map").unlink()
    haproxy(box).kill()
    wait_for(box, "wiki.hda", "the wiki")
    assert "wiki.hda" in box.served_names()


def test_routes_are_applied_when_homeport_starts(box: HomeportBox) -> None:
    box.succeed(box.install("wiki"))
    box.stop()
    (box.state_dir / "proxy" / "routes.map").write_text("evil.hda serving:22:plain:\n")

    box.start()

    wait_for(box, "wiki.hda", "the wiki")
    assert box.visit_at("evil.hda").status_code == requests.codes.not_found


def test_a_proxy_that_cannot_have_its_port_keeps_no_app_from_being_installed(engine_box: EngineBox) -> None:
    with (
        socket.create_server(("", 0)) as holder,
        HomeportBox(engine_box, "held", proxy="haproxy", http_port=holder.getsockname()[1]) as box,
    ):
        box.add_definition("wiki", pulled_app("wiki", "acme/wiki:1"))
        box.succeed(box.install("wiki"))

        app = box.app("wiki")
        assert app["no_route"].endswith("No such file or directory.") or "refused" in app["no_route"]
        assert (app["published"], app["url"]) == (True, None)
        component = box.get("/v1/system")["components"]["proxy"]
        assert component["status"] == "down"
        assert f"Port {holder.getsockname()[1]} is held by" in component["why"]
        assert [event["app"] for event in box.events("app.no_route")] == ["wiki"]
        assert box.answers("wiki"), "its port answers all the same"
        holder.close()
        wait_until(lambda: box.answers_at("wiki.localhost"), what="its name", timeout_s=60, log=box.log)
        wait_until(lambda: box.app("wiki")["no_route"] is None, what="its mark to go", timeout_s=30)
        assert [event["app"] for event in box.events("app.routed")] == ["wiki"]
        box.clear()


def test_haproxy_runs_as_a_user_of_its_own_that_may_bind_low_ports_and_nothing_else(box: HomeportBox) -> None:
    process = haproxy(box)
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    assert process.username() == "homeport-proxy"
    bind_low_ports = 1 << 10  # CAP_NET_BIND_SERVICE (capability.h)
    for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == bind_low_ports, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Groups"].split() == []


def test_a_certificate_of_the_owner_s_is_served_at_once(box: HomeportBox) -> None:
    box.succeed(box.install("wiki"))
    authority, pid = Authority(), haproxy(box).pid
    issued = authority.issue("wiki.hda")

    answer = box.post("/v1/certificates", {"name": "home", "chain": issued.chain, "key": issued.key})
    assert answer.status_code == requests.codes.created, answer.text

    wait_until(lambda: _over_tls(box, authority) == "the wiki\n", what="HTTPS", timeout_s=20, log=box.log)
    assert haproxy(box).pid == pid
    assert box.delete("/v1/certificates/home").status_code == requests.codes.no_content
    wait_until(lambda: _over_tls(box, authority) != "the wiki\n", what="its end", timeout_s=20)


def test_a_certificate_is_given_listed_and_removed_by_the_command(box: HomeportBox, tmp_path: Path) -> None:
    issued = Authority().issue("wiki.hda")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(issued.chain)
    key.write_text(issued.key)

    def homeport(*words: str) -> str:
        program = Path(sys.executable).with_name("homeport")
        environment = {**box.environment, "HOMEPORT_URL": box.base_url, "HOMEPORT_TOKEN": box.token}
        return subprocess.run(
            [str(program), *words], env=environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    added = homeport("certificate", "add", "home", "--chain", str(chain), "--key", str(key))
    assert added == "home is kept for wiki.hda.\n"
    assert homeport("certificate", "list").split("\t")[:2] == ["home", "wiki.hda"]
    assert homeport("certificate", "remove", "home") == "The certificate home is removed.\n"
    assert homeport("certificate", "list") == ""


def test_where_apache_is_the_front_it_leads_to_the_apps(engine_box: EngineBox) -> None:
    root = engine_box.root / "apache"
    with (
        RunningApache(root, port=80) as apache,
        HomeportBox(
            engine_box,
            "fronted",
            proxy="apache",
            domain="hda",
            apache_sites_dir=apache.sites,
            apache_options_dir=root / "options",
            apache_control=str(apache.control),
        ) as box,
    ):
        box.add_definition("wiki", pulled_app("wiki", "acme/wiki:1"))
        box.succeed(box.install("wiki", aliases=["docs"]))

        for host in ("wiki.hda", "wiki", "docs.hda"):
            wait_until(lambda: apache.get(host)[1] == b"the wiki\n", what=host, timeout_s=20, log=apache.log)  # noqa: B023
        assert apache.get("homeport.hda", "/livez")[0] == requests.codes.ok
        assert apache.get("platform.hda", "/index.html")[1] == b"the platform"
        assert box.app("wiki")["url"] == "http://wiki.hda/"
        assert box.get("/v1/system")["components"]["proxy"] == {"status": "ok"}
        folder = box.state_dir / "projects" / "wiki"
        wait_until((folder / "apache-access.log").exists, what="its log", timeout_s=20)

        box.succeed(box.uninstall("wiki", purge=True))

        assert not folder.exists()
        assert {path.name for path in apache.sites.iterdir()} == {"homeport-api.conf"}
        refused = box.post("/v1/certificates", {"name": "home", "chain": "x", "key": "y"})
        assert refused.status_code == requests.codes.conflict


def test_a_killed_supervisor_leaves_no_proxy(engine_box: EngineBox) -> None:
    with HomeportBox(engine_box, "killed", proxy="haproxy") as box:
        process = haproxy(box)

        box.kill()

        process.wait(10)
        assert not process.is_running()
        box.start()


def _over_tls(box: HomeportBox, authority: Authority) -> str:
    port = int(box.environment["HOMEPORT_HTTPS_PORT"])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
            authority.trusting().wrap_socket(raw, server_hostname="wiki.hda") as tls,
        ):
            tls.sendall(b"GET / HTTP/1.1\r\nHost: wiki.hda\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: tls.recv(65536), b""))
            return answer.partition(b"\r\n\r\n")[2].decode()
    except OSError as error:
        return str(error)
