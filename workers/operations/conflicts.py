"""What stands in an install's way: ports and names that something else holds."""

from collections.abc import Iterable

from compose.values import APP_LABEL, ProjectFacts, RenderedProject
from homeport.errors import ForeignObjectError, PortInUseError
from homeport.names import BASE_PORT
from workers.tools import Tools


def check_conflicts(
    tools: Tools, facts: ProjectFacts, rendered: RenderedProject, *, web_port: int | None
) -> None:
    """Returns if the project can have every port and name that it needs.

    Raises:
        PortInUseError: a process, or a container of somebody else's, holds a port.
        ForeignObjectError: a container, network or volume of one of its names exists and is not this app's.
    """
    for port, protocol in ports_of(rendered, web_port=web_port):
        _check_port(tools, facts.identifier, port, protocol)
    _check_containers(tools, facts.identifier, _container_names(rendered))
    _check_kept_things(tools, facts.identifier, rendered)


def ports_of(rendered: RenderedProject, *, web_port: int | None) -> list[tuple[int, str]]:
    """The host's ports on which the project answers, each with `tcp` or `udp`; the web page's first."""
    own = [(web_port, "tcp")] if web_port is not None else []
    return own + [(port.host_port, port.protocol) for port in rendered.ports]


def _check_port(tools: Tools, identifier: str, port: int, protocol: str) -> None:
    """A port that Docker holds for this very app is no conflict.

    Docker is asked first: without its proxy process nothing listens on a port that a container publishes.
    """
    holder = tools.engine.publisher_of(port, protocol)
    listener = None if holder else tools.find_listener(port, protocol)
    if (holder is None and listener is None) or (holder and holder.labels.get(APP_LABEL) == identifier):
        return
    who = f"the container {holder.name!r}" if holder else str(listener)
    raise PortInUseError(
        f"Port {port} is in use, and {identifier!r} needs it.",
        why=f"It is held by {who}.",
        remedy=_remedy(port),
        port=port,
        process=holder.name if holder else listener.process if listener else "",
        pid=listener.pid if listener else None,
    )


def _remedy(port: int) -> str:
    if port > BASE_PORT:
        return "Stop that, or install with another app_id: the host port is 35000 + app_id."
    return "Stop that: the definition wants this very port."


def _container_names(rendered: RenderedProject) -> list[str]:
    named = (service.get("container_name") for service in rendered.document["services"].values())
    return [name for name in named if name]


def _check_containers(tools: Tools, identifier: str, names: Iterable[str]) -> None:
    for name in names:
        container = tools.engine.container_named(name)
        if container is not None and container.labels.get(APP_LABEL) != identifier:
            raise _foreign("container", name, identifier)


def _check_kept_things(tools: Tools, identifier: str, rendered: RenderedProject) -> None:
    """Networks and volumes: those with our label were kept by an earlier uninstall, and are used again."""
    for network in tools.engine.networks():
        if network.name in rendered.networks and network.labels.get(APP_LABEL) != identifier:
            raise _foreign("network", network.name, identifier)
    if rendered.volumes:
        for volume in tools.engine.volumes():
            if volume.name in rendered.volumes and volume.labels.get(APP_LABEL) != identifier:
                raise _foreign("volume", volume.name, identifier)


def _foreign(kind: str, name: str, identifier: str) -> ForeignObjectError:
    return ForeignObjectError(
        f"There is a {kind} named {name!r}, which {identifier!r} needs for itself.",
        why="It was not made by Homeport for this app, so it is not touched.",
        remedy=f"Remove or rename it, or choose another identifier than {identifier!r}.",
        kind=kind,
        name=name,
    )
