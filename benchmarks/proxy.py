"""What publishing an app costs the others: lost requests, dropped websockets, the time until it is live.

Two hundred hosts, load on all of them, and a host that is added and removed again and again: by Homeport's
HAProxy, and beside it by HAProxy, nginx and Apache as they are reloaded. All of them lead to the same nginx,
which answers at once.
"""

import asyncio
import http.client
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.figures import Figure, percentile, publish
from benchmarks.proxy_load import Load, RunningLoad
from benchmarks.proxy_peers import PEERS, Ours, Peer
from build_cache.caches.nginx import find_nginx
from tests.harness.haproxy import unused_port
from tests.harness.programs import start, wait_until
from tests.harness.web_app import web_app

HOSTS: Final = 200
WEBSOCKETS: Final = 50
CHANGES: Final = 200
REQUESTS: Final = 1_000_000
ROUNDS: Final = 5
_PEERS_SHARE: Final = 5  # of the peers' requests and changes: they lose soon enough
_LIVE_AIM_MS: Final = 20
_TRIAL: Final = 20_000
_LIVE_S: Final = 10.0
_NEW: Final = "new.bench.hda"


def main() -> None:
    """Measures and prints the figures."""
    with ExitStack() as stack:
        ports = stack.enter_context(_upstream())
        sockets = stack.enter_context(web_app("websockets"))
        courses = []
        for kind in PEERS:
            # a short path: a Unix socket lies there
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hp-", dir="/tmp")))
            root.chmod(0o755)
            courses.append(_Course(stack.enter_context(kind(root)), ports, sockets.port, stack))
        for _ in range(ROUNDS):
            for course in courses:
                course.go_round()
        figures = [figure for course in courses for figure in course.figures()]
    publish(figures)


@contextmanager
def _upstream() -> Iterator[list[int]]:
    """An nginx that answers on several ports, as apps would; the ports."""
    ports = [unused_port() for _ in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        listens = "".join(f"listen 127.0.0.1:{port};\n" for port in ports)
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(
            f"daemon off; pid {folder}/pid; events {{ worker_connections 4096; }}\n"
            "http { access_log off; keepalive_requests 100000000; default_type text/plain;\n"
            f"client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};\n"
            f"uwsgi_temp_path {folder}; scgi_temp_path {folder};\n"
            f"server {{ {listens} return 200 ok; }} }}\n"
        )
        process = start(
            [find_nginx(), "-p", folder, "-c", str(configuration), "-e", "stderr"], log=Path(folder) / "log"
        )
        yield ports
        process.terminate()
        process.wait(30)


class _Course:
    """A peer on its way through the rounds: what it has lost, and what its changes took."""

    def __init__(self, peer: Peer, ports: list[int], socket_port: int, stack: ExitStack) -> None:
        self._peer = peer
        self._port = ports[0]
        self._is_ours = isinstance(peer, Ours)
        share = 1 if self._is_ours else _PEERS_SHARE
        self._requests, self._changes = REQUESTS // ROUNDS // share, CHANGES // ROUNDS // share
        self._table: dict[str, int] = {f"app-{n}.bench.hda": ports[n % len(ports)] for n in range(HOSTS)}
        self._hosts = list(self._table)
        self._table["sockets.bench.hda"] = socket_port
        wait_until(lambda: _listens(peer.port), what=peer.name, timeout_s=30)
        peer.bring_to(self._table)
        wait_until(self._has_table, what=f"{peer.name}: its table", timeout_s=30)
        self._before = peer.memory_bytes()
        trial = RunningLoad(peer.port, self._hosts, _TRIAL).result()
        self._gap_s = self._requests / (trial.sent / trial.seconds) / self._changes
        self._held = stack.enter_context(_Held(peer.port))
        self._loads: list[Load] = []
        self._live_ms: list[float] = []
        self._made = 0

    def go_round(self) -> None:
        """Adds a host and removes it again, until a load is over and so many changes are made."""
        load, made = RunningLoad(self._peer.port, self._hosts, self._requests), 0
        while made < self._changes or not load.is_over():
            began = time.perf_counter()
            self._peer.bring_to({**self._table, _NEW: self._port})
            while _status(self._peer.port, _NEW) != 200:
                assert time.perf_counter() - began < _LIVE_S, f"{self._peer.name}: the new host is not live"
            self._live_ms.append((time.perf_counter() - began) * 1000)
            time.sleep(self._gap_s)
            self._peer.bring_to(self._table)
            made += 2
            time.sleep(self._gap_s)
        self._made += made
        self._loads.append(load.result())
        lost, sent = self._loads[-1].lost, self._loads[-1].sent
        print(f"{self._peer.name}: {lost} of {sent} lost over {made} changes", file=sys.stderr)

    def figures(self) -> Iterator[Figure]:
        """What it came to; ours have the aims."""
        name, alive = self._peer.name, self._held.alive()
        lost, sent = sum(load.lost for load in self._loads), sum(load.sent for load in self._loads)
        none = 0 if self._is_ours else None
        told = f"{name}: lost of {sent} requests over {self._made} changes"
        yield Figure(figure=told, value=lost, unit="", aim=none)
        told = f"{name}: dropped of {WEBSOCKETS} websockets"
        yield Figure(figure=told, value=WEBSOCKETS - alive, unit="", aim=none)
        yield Figure(figure=f"{name}: new host live, p50", value=percentile(self._live_ms, 50), unit="ms")
        live = percentile(self._live_ms, 99)
        aim = _LIVE_AIM_MS if self._is_ours else None
        yield Figure(figure=f"{name}: new host live, p99", value=live, unit="ms", aim=aim)
        yield Figure(figure=f"{name}: memory before", value=self._before / 1e6, unit="MB")
        yield Figure(figure=f"{name}: memory after", value=self._peer.memory_bytes() / 1e6, unit="MB")
        seconds = sum(load.seconds for load in self._loads)
        yield Figure(figure=f"{name}: requests answered", value=sent / seconds, unit="1/s")

    def _has_table(self) -> bool:
        return _status(self._peer.port, self._hosts[-1]) == 200


class _Held:
    """Websockets through the proxy that are open all the time."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/ws"
        self._loop = asyncio.new_event_loop()
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []
        self._session: aiohttp.ClientSession | None = None

    def __enter__(self) -> "_Held":
        """Opens them."""
        self._loop.run_until_complete(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        """Closes them."""
        assert self._session is not None
        self._loop.run_until_complete(self._session.close())
        self._loop.close()

    def alive(self) -> int:
        """How many still echo."""
        return sum(self._loop.run_until_complete(self._ask_all()))

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        for _ in range(WEBSOCKETS):
            headers = {"Host": "sockets.bench.hda"}
            self._sockets.append(await self._session.ws_connect(self._url, headers=headers))

    async def _ask_all(self) -> list[bool]:
        return list(await asyncio.gather(*(self._echoes(socket) for socket in self._sockets)))

    async def _echoes(self, socket: aiohttp.ClientWebSocketResponse) -> bool:
        try:
            await socket.send_str("hello")
            return bool((await socket.receive(timeout=5)).data == "websockets: hello")
        except (OSError, TimeoutError, aiohttp.ClientError):
            return False


def _status(port: int, host: str) -> int:
    """The status of one request over a connection of its own; 0 where none comes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _listens(port: int) -> bool:
    return _status(port, "nobody.hda") != 0


if __name__ == "__main__":
    main()
