"""What of the box no upstream and no single container can use up: its disk, and nginx's connections."""

import contextlib
import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from homeport.caches import Ecosystem
from tests.harness.programs import wait_until
from tests.harness.upstream import Fault, Upstream
from tests.integration.caches.conftest import HERE, CacheBox
from tests.integration.caches.test_nginx import BIG, the_big_one

MIB = 1024 * 1024
BOUND = 16 * MIB
AT_ONCE = 200


class _Mirror(BaseHTTPRequestHandler):
    """`/pool/endless` goes on for ever, `/pool/huge` is larger than the store, `/pool/fits` is not."""

    protocol_version = "HTTP/1.1"
    sizes = {"/pool/fits": BOUND, "/pool/huge": BOUND + 1}  # noqa: RUF012 - nobody writes to it

    def do_GET(self) -> None:
        self.send_response(200)
        size = self.sizes.get(self.path)
        if size is None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        else:
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(bytes(size))

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def mirror() -> Iterator[str]:
    """Where an apt server is that a build may name, hostile or broken."""
    with ThreadingHTTPServer((HERE, 0), _Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{HERE}:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("name", ["endless", "huge"])
def test_an_answer_that_no_store_could_hold_is_passed_on_and_touches_no_disk(
    mirror: str, make_box: Callable[..., CacheBox], name: str
) -> None:
    box = make_box(None, apt_hosts=mirror, cache_max_bytes=BOUND)
    box.start()

    with box.get(Ecosystem.APT, f"http://{mirror}/pool/{name}", stream=True) as answer:
        answer.raw.read(1 * MIB)  # and no more for now: nginx has to hold what comes, or let it wait
        time.sleep(1)
        held = written_bytes(box)
        assert answer.status_code == 200
        assert len(answer.raw.read(12 * MIB)) == 12 * MIB

    assert held == 0
    assert box.stored(Ecosystem.APT) == []


def test_an_answer_as_large_as_the_store_is_kept(mirror: str, make_box: Callable[..., CacheBox]) -> None:
    box = make_box(None, apt_hosts=mirror, cache_max_bytes=BOUND)
    box.start()

    assert len(box.get(Ecosystem.APT, f"http://{mirror}/pool/fits").content) == BOUND

    assert [line["cache"] for line in box.log_lines()] == ["MISS"]
    wait_until(lambda: whole(box), what="the kept file", timeout_s=5)


def test_the_stores_give_way_where_the_disk_is_nearly_full(
    line: Upstream, make_box: Callable[..., CacheBox]
) -> None:
    box = make_box(line, spare_bytes=2**60)
    box.start()
    path, body = the_big_one(line, Ecosystem.GEM)

    assert box.get(Ecosystem.GEM, path).content == body

    wait_until(lambda: not box.stored(Ecosystem.GEM), what="an empty store", timeout_s=30)


def test_one_address_holds_no_more_than_its_share_and_others_are_served(
    box: CacheBox, line: Upstream
) -> None:
    path, _ = the_big_one(line, Ecosystem.GEM)
    line.fail(Ecosystem.GEM, BIG[Ecosystem.GEM], Fault.STUCK, times=1)
    with contextlib.ExitStack() as held:
        for _ in range(AT_ONCE):
            held.enter_context(contextlib.closing(asked(box, path, HERE)))

        wait_until(lambda: status(box, "/versions", HERE) == 429, what="a refusal", timeout_s=10)
        assert [status(box, "/versions", f"127.0.0.{number}") for number in range(2, 12)] == [200] * 10


def asked(box: CacheBox, path: str, address: str) -> http.client.HTTPConnection:
    """A connection from the address on which gem's cache was asked for the path."""
    connection = http.client.HTTPConnection(
        HERE, box.plan().port(Ecosystem.GEM), timeout=10, source_address=(address, 0)
    )
    connection.request("GET", path)
    return connection


def status(box: CacheBox, path: str, address: str) -> int:
    """What gem's cache says to the address."""
    with contextlib.closing(asked(box, path, address)) as connection:
        return connection.getresponse().status


def whole(box: CacheBox) -> bool:
    """Whether apt's store has a file with its final name."""
    return any(re.fullmatch(r"[0-9a-f]{32}", file.name) for file in box.stored(Ecosystem.APT))


def written_bytes(box: CacheBox) -> int:
    """The size of all files that nginx has open in its folders: most of them have no name any more."""
    assert box.process is not None
    folder = str(box.settings.caches_dir / "nginx")
    opened = [
        file
        for process in psutil.Process(box.process.pid).children(recursive=True)
        for file in Path(f"/proc/{process.pid}/fd").iterdir()
    ]
    return sum(file.stat().st_size for file in opened if str(file.readlink()).startswith(folder))
