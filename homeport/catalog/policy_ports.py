"""Which ports a template publishes on the host, and which of them it may."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from homeport.catalog.judgement import Outcome
from homeport.catalog.policy_rules import LOWEST_PORT, MOST_PORTS
from homeport.catalog.scope import Scope, check_keys
from homeport.errors import Finding
from homeport.permissions import PermissionKind

HOST_PORT: Final = "HOST_PORT"

_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


@dataclass(frozen=True, kw_only=True)
class PublishedPort:
    """One port of a service on the host; `host_port` None stands for HOST_PORT."""

    service: str
    host_port: int | None
    container_port: int
    protocol: str
    scope: Scope


class _WrongPortError(Exception):
    def __init__(self, rule: str, what: str, remedy: str) -> None:
        super().__init__(what)
        self.finding = (rule, what, remedy)


def read_ports(services: Scope) -> tuple[list[PublishedPort], list[Finding]]:
    """What the services publish, ranges written out, and what is wrong with what they wrote."""
    ports: list[PublishedPort] = []
    findings: list[Finding] = []
    for name, service in services.entries():
        listed = service.get("ports")
        for item in listed.items() if listed else ():
            try:
                ports += _published(name, item)
            except _WrongPortError as error:
                findings.append(item.finding(*error.finding))
            if isinstance(item.value, dict):
                findings += check_keys(item, "port")
    return ports, findings


def check_ports(services: Scope) -> Iterator[Outcome]:
    """Refuses addresses, random host ports, and ports twice; ports that are the host's need a permission."""
    ports, findings = read_ports(services)
    yield from findings
    if len(ports) > MOST_PORTS:
        what = f"The services publish {len(ports)} ports."
        yield services.finding("port-count", what, f"{MOST_PORTS} are the most.")
    seen: set[tuple[int | None, str]] = set()
    for port in ports:
        if (port.host_port, port.protocol) in seen:
            what = f"The host port {port.host_port or HOST_PORT} is published twice."
            yield port.scope.finding("port-twice", what, "Keep one of the two.")
        elif port.host_port is not None and port.host_port < LOWEST_PORT:
            yield port.scope.need(PermissionKind.PORT, f"{port.host_port}/{port.protocol}", rule="port-low")
        seen.add((port.host_port, port.protocol))


def _published(service: str, item: Scope) -> list[PublishedPort]:
    host, container, protocol = _parts(item.value)
    if protocol not in ("tcp", "udp"):
        raise _WrongPortError(
            "port-protocol", f"The protocol {protocol!r} is not published.", "Use tcp or udp."
        )
    inner = _numbers(container)
    if host == HOST_PORT:
        if len(inner) != 1 or protocol != "tcp":
            what = "HOST_PORT is one TCP port."
            raise _WrongPortError("web-port", what, "Write `HOST_PORT:80` with the port in the container.")
        outer: Sequence[int | None] = [None]
    else:
        outer = _numbers(host)
        if len(outer) != len(inner):
            what = f"{host} and {container} differ in length."
            raise _WrongPortError(
                "port-invalid", what, "Write ranges of the same length: 5000-5009:5000-5009."
            )
    return [
        PublishedPort(service=service, host_port=out, container_port=port, protocol=protocol, scope=item)
        for out, port in zip(outer, inner, strict=True)
    ]


def _parts(value: Any) -> tuple[str, str, str]:
    """The host's part, the container's part and the protocol of an item in short or long syntax."""
    if isinstance(value, dict):
        host, container = str(value.get("published", "")), str(value.get("target", ""))
        protocol = str(value.get("protocol", "tcp"))
    else:
        text, _, protocol = str(value).partition("/")
        address, _, rest = text.rpartition(":")
        address, _, host = address.rpartition(":")
        container, protocol = rest, protocol or "tcp"
        if address:
            what = f"{value} names the address {address}; the box decides on which ports are published."
            raise _WrongPortError("port-address", what, f"Write {host}:{container}.")
    if not host:
        what = f"{container} would be published on a host port that changes with every start."
        remedy = f"Write HOST_PORT:{container}, or `expose` for the app's own services."
        raise _WrongPortError("port-random", what, remedy)
    return host, container, protocol


def _numbers(text: str) -> list[int]:
    match = _RANGE.fullmatch(text)
    first = int(match[1]) if match else 0
    last = int(match[2] or match[1]) if match else 0
    if not 1 <= first <= last <= 65535 or last - first >= MOST_PORTS:
        what = f"{text!r} is no port, nor a range of up to {MOST_PORTS}."
        raise _WrongPortError(
            "port-invalid", what, "Write HOST_PORT:80, 2224:22, 5000-5009:5000-5009 or 1514:514/udp."
        )
    return list(range(first, last + 1))
