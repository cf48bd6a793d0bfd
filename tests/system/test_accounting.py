"""What builds say of their downloads, with real builds, caches and upstream, and what the box adds up."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from build_cache.report_text import report_lines
from build_cache.traffic import request_log_dir
from homeport.caches import BuildReport, CacheTraffic, DirectHost, Ecosystem
from homeport.host.bridge_watch import watch_bridge
from homeport.host.engine import Engine
from homeport.settings import Settings
from homeport.state.caches import cache_totals
from homeport.state.database import Database, migrate
from tests.harness.building import BASE, TAG, BuildBench, fresh
from tests.harness.caches import CachesBox, free_cache_port
from tests.harness.engine import EngineBox
from tests.harness.programs import run, wait_until
from workers.steward.cache_totals import add_new_traffic

HOSTS = "sed -nE 's,^(URIs: |deb )https?://([^/ ]+).*,HOST=\\2,p' $(find /etc/apt/sources.list* -type f)"
"""Prints the hosts that apt is configured to ask."""


class Bench(BuildBench):
    """Builds single commands through the caches."""

    def run(self, *commands: str, **settings: Any) -> BuildReport:
        """A build of these commands that no earlier one can spare it."""
        words = [f": {fresh()}", *commands]
        return self.build(f"FROM {BASE}\nRUN {' && '.join(words)}\n", **settings).report

    def hosts(self) -> set[str]:
        """The hosts that `HOSTS` printed."""
        found = (line.partition("HOST=")[2].strip() for line in self.lines)
        return {host for host in found if host and "\\" not in host}


@pytest.fixture(scope="module")
def caches(engine_box: EngineBox) -> Iterator[CachesBox]:
    bridge = Engine(engine_box.docker_host).bridge()
    with CachesBox(
        engine_box.root / "accounting",
        engine_box.docker_host,
        gateway=bridge.gateway,
        port=free_cache_port(),
        settings={},
    ) as caches:
        yield caches


@pytest.fixture
def bench(engine_box: EngineBox, caches: CachesBox, tmp_path: Path) -> Iterator[Bench]:
    yield Bench(
        engine_box, tmp_path, state_dir=caches.settings.state_dir, cache_port=caches.settings.cache_port
    )
    engine_box.remove_image(TAG)


@contextmanager
def _chattering_container(engine_box: EngineBox) -> Iterator[None]:
    """A container of somebody else's on the same bridge, which begins connections all the time."""
    name = f"chatter-{fresh()}"
    chatter = "while sleep 0.1; do (echo > /dev/tcp/203.0.113.99/9) 2>/dev/null & done"
    docker = ["docker", "-H", engine_box.docker_host]
    run([*docker, "run", "--detach", "--name", name, BASE, "bash", "-c", chatter])
    try:
        yield
    finally:
        run([*docker, "rm", "--force", name])


def test_a_build_that_fetches_nothing_went_round_nothing(bench: Bench) -> None:
    report = bench.run("true")

    assert report.direct == ()
    assert report.traffic == {}


def test_packages_that_came_without_a_cache_are_seen_by_their_hosts_name(bench: Bench) -> None:
    report = bench.run(HOSTS, "apt-get update -qq", package_caches=False)

    assert report.direct is not None
    assert {seen.host for seen in report.direct} == bench.hosts() != set()
    assert report.traffic == {}


def test_packages_that_came_through_the_cache_went_round_nothing_and_are_fetched_once(bench: Bench) -> None:
    install = ("apt-get update -qq", "apt-get install -qq hello")

    cold, warm = bench.run(*install), bench.run(*install)

    first, second = cold.traffic[Ecosystem.APT], warm.traffic[Ecosystem.APT]
    assert cold.direct == warm.direct == ()
    assert second.requests > 2
    assert second.bytes_served > 1_000_000
    assert first.bytes_fetched > 1_000_000
    assert second.hits == second.requests
    assert second.bytes_fetched == 0
    assert report_lines(warm, line_mbit_s=50)[0].startswith("From the caches: ")


def test_the_box_adds_up_what_its_builds_say(bench: Bench, caches: CachesBox, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db/homeport.sqlite"
    migrate(url)
    database = Database(url)
    before = _add_up(database, caches.settings)

    report = bench.run("apt-get update -qq")

    assert _add_up(database, caches.settings) == before + report.traffic[Ecosystem.APT]
    assert _add_up(database, caches.settings) == before + report.traffic[Ecosystem.APT]
    database.close()


def _add_up(database: Database, settings: Settings) -> CacheTraffic:
    add_new_traffic(database, request_log_dir(settings), lambda: datetime.now(UTC), keep_s=3600)
    with database.read() as conn:
        return cache_totals(conn)[Ecosystem.APT].traffic


def test_what_goes_round_the_caches_is_told_beside_what_does_not(bench: Bench) -> None:
    report = bench.run("apt-get update -qq", "(timeout 5 bash -c 'echo > /dev/tcp/203.0.113.8/443' || true)")

    assert report.traffic[Ecosystem.APT].requests > 0
    assert [seen.host for seen in report.direct or ()] == ["203.0.113.8"]


def test_what_the_engine_downloads_itself_went_round_the_caches(
    engine_box: EngineBox, bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "file").write_text(fresh())
    serve = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server, engine_box.called("127.0.0.1") as name:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://{name}:{server.server_port}"

        report = bench.build(f"FROM {BASE}\nARG WHERE={address}\nADD $WHERE/file /file").report

        server.shutdown()
    assert report.direct == (DirectHost(host=name, connections=1),)


def test_connections_of_other_containers_are_not_the_builds(engine_box: EngineBox, bench: Bench) -> None:
    with _chattering_container(engine_box):
        report = bench.run("sleep 3")

    assert report.direct == ()


def test_an_engine_that_is_not_reached_by_a_local_socket_leaves_it_unknown(engine_box: EngineBox) -> None:
    engine = Engine(engine_box.docker_host)
    bridge = engine.bridge()
    engine.docker_host = "tcp://engine.example:2376"

    with watch_bridge(engine, bridge, []) as watch:
        pass

    assert watch.seen() is None


def test_an_engine_in_a_network_of_its_own_leaves_it_unknown(engine_box: EngineBox, tmp_path: Path) -> None:
    relay = (
        f"import socket, time; s = socket.socket(socket.AF_UNIX); s.bind({str(tmp_path / 's')!r}); s.listen()"
    )
    engine = Engine(engine_box.docker_host)
    bridge = engine.bridge()
    engine.docker_host = f"unix://{tmp_path}/s"
    argv = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--net",
        sys.executable,
        "-c",
        f"{relay}; time.sleep(99)",
    ]
    with subprocess.Popen(argv) as elsewhere:
        wait_until((tmp_path / "s").exists, what="the socket", timeout_s=10)

        with watch_bridge(engine, bridge, []) as watch:
            pass

        elsewhere.kill()
    assert watch.seen() is None
