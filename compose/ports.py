"""Which ports a project publishes, and where. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from compose.values import ProjectFacts, PublishedPort
from homeport.catalog.definition import WebSection


def web_port(web: WebSection | None, app: ProjectFacts) -> PublishedPort | None:
    """The app's own port: its web page on its host port, whether the template publishes that or not."""
    if web is None:
        return None
    return PublishedPort(service=web.service, host_port=app.host_port, container_port=web.port)


def further_ports(shown: Iterable[Mapping[str, Any]]) -> tuple[PublishedPort, ...]:
    """What a definition publishes besides (`LoadedDefinition.shown_ports`)."""
    return tuple(PublishedPort(**port) for port in shown)


def render_ports(service: str, ports: Mapping[PublishedPort, str]) -> list[dict[str, Any]]:
    """The service's `ports` in the long form of a compose document, each on its address of the box."""
    return [
        {
            "target": port.container_port,
            "published": str(port.host_port),
            "host_ip": address,
            "protocol": port.protocol,
            "mode": "ingress",
        }
        for port, address in ports.items()
        if port.service == service
    ]
