"""Which hosts a build spoke to without a cache, seen on the engine's bridge while the build runs."""

import contextlib
import ctypes
import os
import select
import socket
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from homeport.caches import DirectHost
from homeport.errors import HomeportError
from homeport.host.bridge_packets import DNS_PORT, Answer, Attempt, filter_program, parse_packet
from homeport.host.engine import Bridge, Engine
from homeport.host.sockets import listener_pid

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

FURTHER_HOSTS: Final = "further hosts"
"""Stands for all hosts beyond the first few hundred."""

_MOST_HOSTS: Final = 256
_MOST_REMEMBERED: Final = 4096  # names by address, and connections that were counted
_MOST_AT_ONCE: Final = 20_000  # packets: more than the buffer holds
_VERDICT_S: Final = 2.0  # how long it is believed whose address an address is

# linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h; Python names none of them
_ETH_P_ALL: Final = 0x0003
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33
_BUFFER_BYTES: Final = 4 * 1024 * 1024


class DirectConnections:
    """Counts connections by host. Pure, and of bounded size.

    Args:
        caches: addresses and ports that are no way round the caches: the caches'.
        is_build_address: whether an address of the bridge is a build's; asked again after two seconds.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        *,
        caches: Collection[tuple[str, int]],
        is_build_address: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._caches = frozenset(caches)
        self._is_build_address = is_build_address
        self._clock = clock
        self._verdicts: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._counted: OrderedDict[Attempt, None] = OrderedDict()
        self._hosts: dict[str, int] = {}

    def add(self, seen: Attempt | Answer | None) -> None:
        """Takes in what a packet said."""
        match seen:
            case Answer():
                for address in seen.addresses:
                    _remember(self._names, (seen.client, address), seen.name)
            case Attempt() if self._counts(seen):
                host = self._names.get((seen.source, seen.target), seen.target)
                if host not in self._hosts and len(self._hosts) >= _MOST_HOSTS:
                    host = FURTHER_HOSTS
                self._hosts[host] = self._hosts.get(host, 0) + 1

    def hosts(self) -> tuple[DirectHost, ...]:
        """The hosts, the one with most connections first."""
        ordered = sorted(self._hosts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(DirectHost(host=host, connections=count) for host, count in ordered)

    def _counts(self, attempt: Attempt) -> bool:
        if attempt.port == DNS_PORT or (attempt.target, attempt.port) in self._caches:
            return False
        is_known = attempt in self._counted
        _remember(self._counted, attempt, None)
        return not is_known and self._is_of_build(attempt.source)

    def _is_of_build(self, address: str) -> bool:
        asked_at, verdict = self._verdicts.get(address, (float("-inf"), False))
        if self._clock() - asked_at > _VERDICT_S:
            verdict = self._is_build_address(address)
            _remember(self._verdicts, address, (self._clock(), verdict))
        return verdict


class BridgeWatch:
    """Watches the engine's bridge from entering to leaving, in a thread.

    Args:
        interface: the bridge's, such as `docker0`; "" where the engine is on another machine.
        caches: addresses and ports that are no way round the caches.
        is_build_address: whether an address of the bridge is a build's, and no other container's. A
            HomeportError from it makes the outcome "not known".

    Entering never fails: without the permission (CAP_NET_RAW) or the interface, nothing is known.
    """

    def __init__(
        self,
        interface: str,
        *,
        caches: Collection[tuple[str, int]],
        is_build_address: Callable[[str], bool],
    ) -> None:
        self._interface = interface
        self._connections = DirectConnections(caches=caches, is_build_address=is_build_address)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._is_whole = False
        self._stop = -1

    def __enter__(self) -> Self:
        try:
            self._socket = _open_socket(self._interface)
        except (OSError, ValueError):
            return self
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._watch, args=(self._socket,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is None or self._thread is None:
            return
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        if _dropped(self._socket):
            self._is_whole = False
        self._socket.close()
        os.close(self._stop)
        self._socket = self._thread = None

    def seen(self) -> tuple[DirectHost, ...] | None:
        """After leaving: the hosts that the build spoke to without a cache; None where that is not known.

        Not known: the bridge could not be watched, or the kernel dropped packets before they were read.
        """
        return self._connections.hosts() if self._is_whole else None

    def _watch(self, source: socket.socket) -> None:
        waiting = select.poll()
        waiting.register(source, select.POLLIN)
        waiting.register(self._stop, select.POLLIN)
        try:
            while not any(descriptor == self._stop for descriptor, _ in waiting.poll()):
                self._drain(source)
            self._is_whole = self._drain(source)
        except (OSError, HomeportError):  # the interface went away, or the engine does not answer
            return

    def _drain(self, source: socket.socket) -> bool:
        """Takes in what lies there; whether that was all."""
        for _ in range(_MOST_AT_ONCE):
            try:
                packet = source.recv(65535)
            except BlockingIOError:
                return True
            self._connections.add(parse_packet(packet))
        return False


def watch_bridge(engine: Engine, bridge: Bridge, cache_ports: Collection[int]) -> BridgeWatch:
    """A watch of the engine's own bridge, where builds run; nothing is known where that is elsewhere.

    Args:
        engine: tells builds' addresses from containers'.
        bridge: what `engine.bridge()` says.
        cache_ports: the ports on its gateway that are no way round the caches.
    """

    def is_build_address(address: str) -> bool:
        return address not in engine.bridge_containers()

    interface = bridge.name if _shares_our_network(engine.docker_host) else ""
    caches = [(bridge.gateway, port) for port in cache_ports]
    return BridgeWatch(interface, caches=caches, is_build_address=is_build_address)


def _shares_our_network(docker_host: str) -> bool:
    """Whether the engine's interfaces are ours: it may be on another machine, or in a network of its own.

    A rootless engine is, and then an interface of the same name here is another engine's. Who listens on
    the socket is not told across process namespaces: then it is taken for ours.
    """
    if not docker_host.startswith("unix:"):
        return False
    pid = listener_pid(Path(docker_host.removeprefix("unix:")))
    try:
        return not pid or Path(f"/proc/{pid}/ns/net").samefile("/proc/thread-self/ns/net")
    except OSError:
        return False


def _open_socket(interface: str) -> socket.socket:
    """A socket that gets the interface's packets from their IP header on, filtered from its first moment."""
    if not interface:
        raise ValueError("no interface")
    opened = socket.socket(
        socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
    )
    try:
        program = b"".join(struct.pack("=HBBI", *instruction) for instruction in filter_program())
        code = ctypes.create_string_buffer(program, len(program))
        length = len(program) // 8
        opened.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", length, ctypes.addressof(code))
        )
        with contextlib.suppress(PermissionError):  # it takes CAP_NET_ADMIN, too: a smaller one will do
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        opened.bind((interface, _ETH_P_ALL))
    except OSError:
        opened.close()
        raise
    return opened


def _dropped(source: socket.socket) -> int:
    """How many packets the kernel dropped since the socket was opened (packet(7))."""
    try:
        _, dropped = struct.unpack("=II", source.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    except OSError:
        return 1
    return int(dropped)


def _remember(known: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Keeps the newest few thousand."""
    known[key] = value
    known.move_to_end(key)
    if len(known) > _MOST_REMEMBERED:
        known.popitem(last=False)
