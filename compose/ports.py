"""Which ports of a template are published, and where. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from compose.values import PublishedPort
from homeport.errors import DefinitionInvalidError, Finding

_SHORT = re.compile(
    r"(?:(?:(?P<address>\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?(?P<host>\d+(?:-\d+)?)?:)?(?P<target>\d+(?:-\d+)?)(?:/(?P<protocol>tcp|udp))?"
)
_LARGEST_RANGE = 1000  # more ports than any app needs, fewer than would keep Docker busy for minutes


@dataclass(frozen=True, kw_only=True)
class TemplatePort:
    """One port as a template gives it. `host_port` is None where it leaves the choice to Docker."""

    container_port: int
    host_port: int | None
    protocol: str
    address: str


def parse_ports(entries: Iterable[Any], *, key: str) -> list[TemplatePort]:
    """The ports of a service's `ports`, ranges written out.

    Args:
        entries: short forms (text or a number) and long ones (mappings).
        key: where they stand, for the finding.

    Raises:
        DefinitionInvalidError: one of them cannot be understood.
    """
    found: list[TemplatePort] = []
    for index, entry in enumerate(entries):
        try:
            found += _from_mapping(entry) if isinstance(entry, Mapping) else _from_text(str(entry))
        except ValueError as error:
            finding = Finding(
                file="the rendered project",
                key=f"{key}[{index}]",
                line=None,
                rule="port-form",
                what=f"{entry!r} is no port mapping: {error}.",
                remedy='Write "HOST:CONTAINER" or "HOST:CONTAINER/udp".',
            )
            raise DefinitionInvalidError("A port mapping cannot be understood.", [finding]) from error
    return found


def place_ports(
    service: str, ports: Iterable[TemplatePort], *, publish_address: str
) -> tuple[list[dict[str, Any]], list[str], list[PublishedPort]]:
    """Where a service's ports are published.

    Every port goes to the box's own address; one that the template keeps on loopback stays there. A port
    whose host port the template leaves open is only exposed: nobody could know where it went, and it could
    take another app's.

    Returns:
        The compose document's `ports` in the long form, what it exposes, and the same ports as values.
    """
    rendered: list[dict[str, Any]] = []
    exposed: list[str] = []
    published: list[PublishedPort] = []
    for port in ports:
        if port.host_port is None:
            exposed.append(f"{port.container_port}/{port.protocol}")
            continue
        value = PublishedPort(
            service=service,
            host_port=port.host_port,
            container_port=port.container_port,
            protocol=port.protocol,
        )
        if value not in published:
            address = "127.0.0.1" if port.address.startswith("127.") else publish_address
            rendered.append(render_port(value, address))
            published.append(value)
    return rendered, exposed, published


def render_port(port: PublishedPort, address: str) -> dict[str, Any]:
    """The port in the long form of a compose document."""
    return {
        "target": port.container_port,
        "published": str(port.host_port),
        "host_ip": address,
        "protocol": port.protocol,
        "mode": "ingress",
    }


def _from_mapping(entry: Mapping[str, Any]) -> list[TemplatePort]:
    published = entry.get("published")
    return _pairs(
        str(entry.get("target", "")),
        None if published in (None, "") else str(published),
        str(entry.get("protocol") or "tcp"),
        str(entry.get("host_ip") or ""),
    )


def _from_text(text: str) -> list[TemplatePort]:
    parts = _SHORT.fullmatch(text)
    if parts is None:
        raise ValueError("not one of the forms that Compose knows")
    return _pairs(
        parts["target"], parts["host"], parts["protocol"] or "tcp", (parts["address"] or "").strip("[]")
    )


def _pairs(target: str, host: str | None, protocol: str, address: str) -> list[TemplatePort]:
    if protocol not in ("tcp", "udp"):
        raise ValueError(f"the protocol {protocol!r} is neither tcp nor udp")
    targets = _span(target)
    hosts: list[int | None] = [None] * len(targets) if host is None else list(_span(host))
    if len(hosts) != len(targets):
        raise ValueError("the two ranges differ in length")
    return [
        TemplatePort(container_port=inner, host_port=outer, protocol=protocol, address=address)
        for inner, outer in zip(targets, hosts, strict=True)
    ]


def _span(text: str) -> range:
    first, _, last = text.partition("-")
    span = range(int(first), int(last or first) + 1)
    if not 1 <= len(span) <= _LARGEST_RANGE or span[0] < 1 or span[-1] > 65535:
        raise ValueError(f"{text} is no port from 1 to 65535, and no range of at most {_LARGEST_RANGE}")
    return span
