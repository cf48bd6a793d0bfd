"""Finds an app's web page among the ports that a draft publishes, and puts HOST_PORT there."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from homeport.catalog.convert.draft import Note, assumed, changed, dropped
from homeport.catalog.policy_ports import HOST_PORT
from homeport.catalog.policy_rules import LOWEST_PORT

_NUMBERS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")

_PAGES: Final = (
    80, 8080, 3000, 8096, 8123, 5000, 9000, 8081, 8888, 3001, 8088, 8086, 9090, 9091, 8989, 7878, 5601,
    32400, 19999, 1880, 2342, 4533, 5055, 5076, 5075, 6767, 6789, 8082, 8083, 8084, 8085, 8181, 8200, 8384,
    8443, 8686, 8787, 8920, 9117, 9443, 9696, 13378, 443, 8000,
)  # fmt: skip
"""TCP ports on which images answer with a page, the likeliest first; any other that is no other protocol's
comes before 443 and 8000."""
_LATE: Final = frozenset({443, 8443, 8920, 9443, 8000})
_ENCRYPTED: Final = frozenset({443, 8443, 8920, 9443, 4443, 5001})
_NO_PAGE: Final = frozenset(
    {
        20, 21, 22, 23, 25, 53, 88, 110, 111, 123, 137, 138, 139, 143, 161, 389, 445, 465, 514, 554, 587,
        636, 853, 873, 993, 995, 1080, 1194, 1433, 1514, 1521, 1812, 1883, 1935, 2049, 2222, 3260, 3306, 3389,
        3478, 4222, 5060, 5222, 5349, 5353, 5432, 5672, 5900, 6379, 6881, 7777, 8554, 8883, 9092, 9418, 10022,
        11211, 19132, 22000, 25565, 25575, 27015, 27017, 28015, 50000, 51413, 51820,
    }
)  # fmt: skip
"""TCP ports of other protocols: mail, files, names, databases, games and so on."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """A published port, or a range of the same length on both sides. `host` None: any free one."""

    service: str
    host: tuple[int, int] | None
    inner: tuple[int, int]
    protocol: str = "tcp"
    is_web: bool = False
    stood: str = ""

    def text(self) -> str:
        """The port in Compose's short syntax."""
        host = HOST_PORT if self.is_web else _range(self.host or self.inner)
        return f"{host}:{_range(self.inner)}{'' if self.protocol == 'tcp' else f'/{self.protocol}'}"


def place_ports(services: Mapping[str, dict[str, Any]], notes: list[Note]) -> tuple[str, int] | None:
    """Replaces the services' `ports` by what a definition may say; where the web page is, if there is one.

    Args:
        services: by name; changed in place.
        notes: what becomes of ports is added.
    """
    ports = [port for name, service in services.items() for port in _read_service(name, service, notes)]
    web = next((port for port in ports if port.is_web), None) or _choose(ports)
    if web is not None:
        ports = [*_split(ports, web, notes)]
        web = next(port for port in ports if port.is_web)
    kept = [port for port in ports if port.is_web or _is_kept(port, web, notes)]
    for name, service in services.items():
        listed = list(dict.fromkeys(port.text() for port in kept if port.service == name))
        if listed:
            service["ports"] = listed
    if web is None:
        return _exposed(services, notes)
    if web.inner[0] in _ENCRYPTED:
        why = f"Port {web.inner[0]} is likely HTTPS; if there is a page by HTTP, name its port in app.yml."
        notes.append(assumed(f"web port {web.inner[0]}", why))
    return web.service, web.inner[0]


def _read_service(name: str, service: dict[str, Any], notes: list[Note]) -> Iterator[Port]:
    listed = service.pop("ports", None) or ()
    mode = str(service.get("network_mode", ""))
    for item in listed:
        stood = _shown(item)
        if mode == "host":
            why = "In the network of the box itself every port is open that the app listens on."
            notes.append(dropped(stood, why))
        elif mode:
            notes.append(dropped(stood, f"With `network_mode: {mode}` nothing can be published."))
        elif (port := _read(name, item, stood, notes)) is None:
            notes.append(dropped(stood, "It names no port that can be published."))
        else:
            yield port


def _read(name: str, item: Any, stood: str, notes: list[Note]) -> Port | None:
    if isinstance(item, Mapping):
        host, inner = str(item.get("published") or ""), str(item.get("target") or "")
        protocol, address = str(item.get("protocol") or "tcp"), str(item.get("host_ip") or "")
    else:
        text, _, protocol = str(item).partition("/")
        outer, _, inner = text.rpartition(":")
        address, _, host = outer.rpartition(":")
    inside = _numbers(inner)
    if inside is None or not _is_host(host):
        return None
    if address and not host.startswith(HOST_PORT):
        why = f"The box decides on which address ports are published, not {address}."
        notes.append(changed(stood, why))
    port = Port(service=name, host=None, inner=inside, protocol=(protocol or "tcp").lower(), stood=stood)
    if host == HOST_PORT:
        return replace(port, is_web=True)
    outside = _numbers(host)
    if outside and outside[1] - outside[0] != inside[1] - inside[0]:
        # Docker takes the first free one of a range for a single port; here it is the range's first.
        outside = (outside[0], outside[0] + inside[1] - inside[0])
    return replace(port, host=outside)


def _is_host(text: str) -> bool:
    return text in ("", HOST_PORT) or "<" in text or _numbers(text) is not None


def _choose(ports: Iterable[Port]) -> Port | None:
    """The port most like a web page's."""
    possible = [port for port in ports if port.protocol == "tcp" and _may_be_page(port)]
    return min(possible, key=_rank, default=None)  # the first of equals


def _may_be_page(port: Port) -> bool:
    """Not a port of another protocol; of a range, only where it begins with a page's."""
    first, last = port.inner
    return first not in _NO_PAGE and (first == last or first in _PAGES)


def _rank(port: Port) -> tuple[int, int]:
    number = port.inner[0]
    if number not in _PAGES:
        return (1, 0)
    return (2 if number in _LATE else 0, _PAGES.index(number))


def _split(ports: list[Port], web: Port, notes: list[Note]) -> Iterator[Port]:
    """The ports, with the page's own one, taken off its range where it began one."""
    for port in ports:
        if port is not web:
            yield replace(port, is_web=False)
            continue
        first, last = port.inner
        yield replace(port, inner=(first, first), host=None, is_web=True)
        if not port.is_web:
            why = f"Port {first} is taken for the web page; its port on the box is Homeport's to give."
            notes.append(changed(port.stood, why))
            notes += _others(ports, web)
        if last > first:
            host = (port.host[0] + 1, port.host[1]) if port.host else None
            yield replace(port, inner=(first + 1, last), host=host)


def _others(ports: Iterable[Port], web: Port) -> Iterator[Note]:
    """That other ports might be the page's, if any may."""
    others = [
        str(port.inner[0])
        for port in ports
        if port is not web and port.protocol == "tcp" and _may_be_page(port) and port.inner[0] != 443
    ]
    if others:
        why = f"It may also be {' or '.join(dict.fromkeys(others))}; then change it in both files."
        yield assumed(f"web port {web.inner[0]}", why)


def _exposed(services: Mapping[str, dict[str, Any]], notes: list[Note]) -> tuple[str, int] | None:
    """Where nothing is published: a port that is exposed to a proxy, and known as a page's."""
    for name, service in services.items():
        listed = None if service.get("network_mode") else service.get("expose")
        for item in listed if isinstance(listed, list) else ():
            numbers = _numbers(str(item).removesuffix("/tcp"))
            if numbers and numbers[0] in _PAGES:
                notes.append(assumed(f"expose {item}", f"Port {numbers[0]} is taken for the web page."))
                return name, numbers[0]
    return None


def _is_kept(port: Port, web: Port | None, notes: list[Note]) -> bool:
    host = port.host or port.inner
    if web and port.protocol in ("tcp", "udp") and port.inner == (443, 443) and host[0] < LOWEST_PORT:
        why = "The box's proxy has port 443, and leads to the web page."
        notes.append(dropped(port.stood, why))
        return False
    if port.host is None:
        why = f"It would be another port at every start; it is {_range(port.inner)} on the box, too."
        notes.append(assumed(port.stood, why))
    if host[0] < LOWEST_PORT:
        why = f"Port {host[0]} of the box is below {LOWEST_PORT}: its owner has to allow it."
        notes.append(assumed(port.stood, why))
    return True


def _numbers(text: str) -> tuple[int, int] | None:
    match = _NUMBERS.fullmatch(text.strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return (first, last) if 1 <= first <= last <= 65535 else None


def _range(numbers: tuple[int, int]) -> str:
    return str(numbers[0]) if numbers[0] == numbers[1] else f"{numbers[0]}-{numbers[1]}"


def _shown(item: Any) -> str:
    if not isinstance(item, Mapping):
        return f"port {item}"
    host, inner = item.get("published"), item.get("target")
    return f"port {host}:{inner}" if host else f"port {inner}"
