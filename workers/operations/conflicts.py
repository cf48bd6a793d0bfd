"""What stands in an install's way: ports and names that something else holds."""

from collections.abc import Iterable

from compose.values import APP_LABEL, ProjectFacts, RenderedProject
from homeport.errors import ForeignObjectError, PortInUseError
from homeport.host.engine import ContainerState
from homeport.host.ports import Listener
from workers.tools import Tools


def check_conflicts(tools: Tools, facts: ProjectFacts, rendered: RenderedProject, *, is_web: bool) -> None:
    """Returns if the project can have every port and name that it needs.

    Raises:
        PortInUseError: a process, or a container of somebody else's, holds a port.
        ForeignObjectError: a container, network or volume of one of its names exists and is not this app's.
    """
    ports = [facts.host_port] if is_web else []
    ports += [port.host_port for port in rendered.ports if port.protocol == "tcp"]
    for port in ports:
        listener = tools.find_listener(port)
        if listener is not None:
            _check_listener(tools, facts.identifier, port, listener)
    _check_containers(tools, facts.identifier, _container_names(rendered))
    _check_kept_things(tools, facts.identifier, rendered)


def _check_listener(tools: Tools, identifier: str, port: int, listener: Listener) -> None:
    """A port that Docker holds for this very app is no conflict."""
    holder = _publisher(tools.engine.containers(), port) if listener.is_docker_proxy else None
    if holder is not None and holder.labels.get(APP_LABEL) == identifier:
        return
    who = f"the container {holder.name!r}" if holder else str(listener)
    raise PortInUseError(
        f"Port {port} is in use, and {identifier!r} needs it.",
        why=f"It is held by {who}.",
        remedy="Stop that, or install with another app_id: the host port is 35000 + app_id.",
        port=port,
        process=holder.name if holder else listener.process,
        pid=listener.pid,
    )


def _publisher(containers: Iterable[ContainerState], port: int) -> ContainerState | None:
    """The container that publishes the port."""
    for container in containers:
        for addresses in container.network_ports.values():
            if any(address.get("HostPort") == str(port) for address in addresses or ()):
                return container
    return None


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
