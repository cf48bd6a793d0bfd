"""A bridge watched for real: a network namespace behind a veth pair stands in for a build's container."""

import ipaddress
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from homeport.caches import DirectHost
from homeport.host.bridge_watch import BridgeWatch
from tests.harness.programs import run

HERE, BUILD = "10.253.77.1", "10.253.77.2"
HERE6, BUILD6 = "fd77:253::1", "fd77:253::2"
ELSEWHERE = "203.0.113.7"
CACHE_PORT = 8041


class Wire:
    """The interface on our side, and programs on the other one."""

    def __init__(self, name: str) -> None:
        self.interface = name
        self.namespace = name

    def create(self) -> None:
        name, inside = self.interface, ["ip", "-n", self.namespace]
        run(["ip", "netns", "add", name])
        run(["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name])
        for side, address, address6 in (
            (["ip"], f"{HERE}/24", f"{HERE6}/64"),
            (inside, f"{BUILD}/24", f"{BUILD6}/64"),
        ):
            device = "eth0" if side is inside else name
            run([*side, "address", "add", address, "dev", device])
            run([*side, "address", "add", address6, "dev", device, "nodad"])
            run([*side, "link", "set", device, "up"])
        run([*inside, "route", "add", "default", "via", HERE])

    def remove(self) -> None:
        run(["ip", "link", "delete", self.interface], check=False)
        run(["ip", "netns", "delete", self.namespace], check=False)

    def program(self, code: str) -> None:
        """Runs Python on the other side."""
        lead = "import socket, time\n"
        argv = ["ip", "netns", "exec", self.namespace, sys.executable, "-c", lead + code]
        subprocess.run(argv, check=True, timeout=60)

    def connect(self, *targets: tuple[str, int]) -> None:
        self.program(
            f"for target in {targets!r}:\n"
            "    family = socket.AF_INET6 if ':' in target[0] else socket.AF_INET\n"
            "    connection = socket.socket(family, socket.SOCK_STREAM)\n"
            "    connection.setblocking(False)\n"
            "    connection.connect_ex(target)\n"
            "time.sleep(0.1)\n"
        )

    def watch(self, is_build_address: Callable[[str], bool] = lambda _address: True) -> BridgeWatch:
        return BridgeWatch(self.interface, caches=[(HERE, CACHE_PORT)], is_build_address=is_build_address)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire(f"hpw{os.getpid()}"[:15])
    wire.remove()
    wire.create()
    yield wire
    wire.remove()


@contextmanager
def name_server(name: str, address: str) -> Iterator[None]:
    """Answers one question with an address behind an alias."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HERE, 53))

        def serve() -> None:
            question, client = server.recvfrom(512)
            labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
            alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 3) + b"\1x\0"
            found = b"\1x\0" + struct.pack("!HHIH", 1, 1, 60, 4) + ipaddress.ip_address(address).packed
            head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, 2, 0, 0)
            server.sendto(head + labels + struct.pack("!HH", 1, 1) + alias + found, client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


ASK = f"""
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.sendto(b"??" + bytes(10), ({HERE!r}, 53))
asking.settimeout(10)
asking.recv(512)
connection = socket.socket()
connection.setblocking(False)
connection.connect_ex(({ELSEWHERE!r}, 80))
time.sleep(0.1)
"""


def test_connections_are_seen_and_those_to_the_caches_are_not(wire: Wire) -> None:
    with wire.watch() as watch:
        wire.connect((ELSEWHERE, 443), (ELSEWHERE, 80), (HERE, CACHE_PORT), (HERE6, 443))

    assert watch.seen() == (
        DirectHost(host=ELSEWHERE, connections=2),
        DirectHost(host=HERE6, connections=1),
    )


def test_a_host_is_called_by_its_name(wire: Wire) -> None:
    with name_server("files.example", ELSEWHERE), wire.watch() as watch:
        wire.program(ASK)

    assert watch.seen() == (DirectHost(host="files.example", connections=1),)


def test_a_silent_bridge_is_known_to_be_silent(wire: Wire) -> None:
    with wire.watch() as watch:
        pass

    assert watch.seen() == ()


def test_what_the_host_itself_begins_is_no_connection_of_the_build(wire: Wire) -> None:
    with wire.watch() as watch, socket.socket() as ours, pytest.raises(ConnectionRefusedError):
        ours.connect((BUILD, 9))

    assert watch.seen() == ()


def test_bytes_of_a_download_are_not_looked_at(wire: Wire) -> None:
    asked: list[str] = []

    def is_build_address(address: str) -> bool:
        asked.append(address)
        return True

    with socket.create_server((HERE, 0)) as server, wire.watch(is_build_address) as watch:
        port = server.getsockname()[1]
        wire.program(
            f"connection = socket.create_connection(({HERE!r}, {port}))\n"
            "for _ in range(200):\n"
            "    connection.sendall(bytes(1000))\n"
        )

    assert watch.seen() == (DirectHost(host=HERE, connections=1),)
    assert asked == [BUILD]


def test_dropped_packets_make_the_outcome_unknown(wire: Wire) -> None:
    go_on = threading.Event()

    def wait_long(_address: str) -> bool:
        return go_on.wait(60)

    with wire.watch(wait_long) as watch:
        wire.program(
            "flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "for number in range(100_000):\n"
            f"    flood.sendto(b'', ({ELSEWHERE!r}, 1000 + number % 60_000))\n"
        )
        go_on.set()

    assert watch.seen() is None


def test_an_interface_that_goes_away_makes_the_outcome_unknown(wire: Wire) -> None:
    with wire.watch() as watch:
        wire.remove()

    assert watch.seen() is None


@pytest.mark.parametrize("interface", ["", "hp-no-such-one", "a-name-that-no-interface-can-have"])
def test_without_the_interface_nothing_is_known(interface: str) -> None:
    with BridgeWatch(interface, caches=[], is_build_address=lambda _address: True) as watch:
        pass

    assert watch.seen() is None


def test_without_the_permission_nothing_is_known(wire: Wire) -> None:
    code = (
        "from homeport.host.bridge_watch import BridgeWatch\n"
        f"with BridgeWatch({wire.interface!r}, caches=[], is_build_address=lambda _: True) as watch: pass\n"
        "print(watch.seen())"
    )
    program = [sys.executable, "-c", code]
    drop = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", "--"]

    answers = [subprocess.check_output([*lead, *program], timeout=60) for lead in ([], drop)]

    assert answers == [b"()\n", b"None\n"]
