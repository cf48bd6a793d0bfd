"""The host's ports: who listens on one, and keeping apps' ports out of the ephemeral range."""

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

RESERVED_PORTS = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")
"""Ports that the kernel gives to no outgoing connection (ip-sysctl); a list per network namespace."""

_TABLE_BYTES = 1024 * 1024  # more than the longest list: 32768 single ports of 5 digits and their commas
_LEDGER_NAME = "reserved-ports"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who listens on a port. `pid` and `process` are None and "" where we may not see them."""

    port: int
    address: str
    pid: int | None
    process: str

    def __str__(self) -> str:
        who = f"{self.process} (process {self.pid})" if self.pid else "a process that we may not see"
        return f"{who} on {self.address}:{self.port}"


def listener_on(port: int, protocol: str = "tcp") -> Listener | None:
    """Who listens on the port, `tcp` or `udp`, on any address of this network namespace."""
    listens = psutil.CONN_LISTEN if protocol == "tcp" else psutil.CONN_NONE  # UDP knows no listening
    for connection in psutil.net_connections(protocol):
        if connection.status != listens or not connection.laddr or connection.raddr:
            continue
        if connection.laddr.port == port:
            return Listener(
                port=port,
                address=connection.laddr.ip,
                pid=connection.pid,
                process=process_name(connection.pid),
            )
    return None


def add_reserved_port(port: int, *, run_dir: Path, table: Path = RESERVED_PORTS) -> bool:
    """Keeps the port out of the ephemeral range.

    What others have reserved is kept. Which ports were added by us is written down in `run_dir`, which is
    emptied at a restart as the kernel's list is.

    Returns:
        Whether the port is reserved now. Without the right to say so (no root, a read-only /proc) it is not,
        which is logged and no failure: the port is then taken at start if it is free.
    """
    return _change(
        table,
        run_dir,
        lambda reserved, ours: (reserved | {port}, ours if port in reserved else ours | {port}),
    )


def drop_reserved_port(port: int, *, run_dir: Path, table: Path = RESERVED_PORTS) -> bool:
    """Gives the port back, if it was reserved by us.

    Returns:
        Whether the list could be written.
    """
    return _change(
        table,
        run_dir,
        lambda reserved, ours: (reserved - {port} if port in ours else reserved, ours - {port}),
    )


def ports_of_ours(run_dir: Path) -> frozenset[int]:
    """The ports that were added by us and not given back."""
    with _ledger(run_dir / _LEDGER_NAME) as ledger:
        return parse_ports(os.pread(ledger, _TABLE_BYTES, 0).decode())


def lost_ports(wanted: Iterable[int], *, table: Path = RESERVED_PORTS) -> frozenset[int]:
    """Those of the ports that are not in the kernel's list, where we may write it; none where we may not.

    Raises:
        OSError: the list cannot be read.
    """
    return frozenset(wanted) - parse_ports(_read(table)) if os.access(table, os.W_OK) else frozenset()


def parse_ports(text: str) -> frozenset[int]:
    """The ports in a list such as `8080,35001-35003`."""
    ports: set[int] = set()
    for item in text.replace(",", " ").split():
        first, _, last = item.partition("-")
        ports.update(range(int(first), int(last or first) + 1))
    return frozenset(ports)


def format_ports(ports: Iterable[int]) -> str:
    """The list as the kernel writes it: ascending, neighbours as ranges."""
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in _ranges(ports))


def _ranges(ports: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = -2  # no port, and no port's neighbour
    for port in sorted(ports):
        if port != last + 1:
            if first >= 0:
                yield first, last
            first = port
        last = port
    if first >= 0:
        yield first, last


def process_name(pid: int | None) -> str:
    """The name of a process; "" where there is none or it has just ended."""
    if pid is None:
        return ""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:  # it has just ended
        return ""


_Rule = Callable[[frozenset[int], frozenset[int]], tuple[frozenset[int], frozenset[int]]]


def _change(table: Path, run_dir: Path, rule: _Rule) -> bool:
    """Rewrites the kernel's list and our ledger by the rule, alone among Homeport's processes."""
    with _ledger(run_dir / _LEDGER_NAME) as ledger:
        ours = parse_ports(os.pread(ledger, _TABLE_BYTES, 0).decode())
        try:
            reserved = parse_ports(_read(table))
            now_reserved, now_ours = rule(reserved, ours)
            _write_ledger(ledger, ours | now_ours)  # before the table: a kill between must not leave an entry
            if now_reserved != reserved:
                _write(table, format_ports(now_reserved))
        except OSError as error:
            _log.warning("%s cannot be written, so host ports stay ephemeral: %s", table, error)
            _write_ledger(ledger, ours)
            return False
        _write_ledger(ledger, now_ours)
    return True


def _write_ledger(ledger: int, ports: frozenset[int]) -> None:
    text = format_ports(ports).encode() + b"\n"
    os.pwrite(ledger, text, 0)
    os.ftruncate(ledger, len(text))


@contextmanager
def _ledger(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # held for two small writes: no deadline needed
        yield descriptor
    finally:
        os.close(descriptor)


def _read(table: Path) -> str:
    # the kernel answers one read only: a buffered read would see the first 8 KiB and take them for all
    descriptor = os.open(table, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _TABLE_BYTES).decode()
    finally:
        os.close(descriptor)


def _write(table: Path, text: str) -> None:
    # the kernel takes a page at a time; the first write replaces the list, what follows adds to it
    descriptor = os.open(table, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    left = text.encode() + b"\n"
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)
