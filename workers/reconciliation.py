"""What Docker has against what the database wants: the differences that are ours to put right. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from compose.project import is_half_made
from compose.values import APP_LABEL
from homeport.host.engine_values import ContainerState, NetworkState
from homeport.models import App, AppState, DesiredState
from homeport.names import project_name

_LONGEST_PAUSE: Final = timedelta(days=1)

_GOING: Final = frozenset({"running", "restarting", "paused", "removing"})
"""Docker's words for containers that run, that Docker itself starts again, or that somebody has in hand."""

BROKEN_OFF: Final = {
    AppState.INSTALLING: "its install was broken off",
    AppState.UNINSTALLING: "its uninstall was broken off",
}
"""What is said of an app in a state that a job leaves, where no job goes on."""

_ENDS_FOR_GOOD: Final = frozenset({"", "no", "on-failure"})
"""The restart policies that let a container end with 0 and stay so."""


@dataclass(frozen=True, kw_only=True)
class ProjectFiles:
    """What lies in a project folder: whether the compose file is there, and the networks it names.

    `box` and `app` are what all its services are labelled with, our mark on what we rendered; "" without one.
    """

    has_compose_file: bool
    has_snapshot: bool
    networks: tuple[str, ...] = ()
    box: str = ""
    app: str = ""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What of this box's there is: its containers and networks, and the project folders by identifier."""

    containers: Sequence[ContainerState] = ()
    networks: Sequence[NetworkState] = ()
    projects: Mapping[str, ProjectFiles] = field(default_factory=dict)


def find_differences(
    observed: Observed, apps: Mapping[str, App], *, busy: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """What is not as it shall be, in words, by the identifier of the app that it belongs or belonged to.

    An app that shall run has all its services' containers, which run or have ended for good, and all its
    networks, and its compose file. A container or network whose app is not recorded belongs to nobody. A
    container that restarts again and again is Docker's to restart. An app that is being installed or
    uninstalled by no job was left so by one that could not be put back.

    Args:
        observed: what there is.
        apps: the apps that are recorded, by identifier.
        busy: the identifiers that a job is about to change; nothing is said of them.
    """
    containers: dict[str, list[ContainerState]] = {}
    for container in observed.containers:
        containers.setdefault(container.labels.get(APP_LABEL, ""), []).append(container)
    networks: dict[str, list[NetworkState]] = {}
    for network in observed.networks:
        networks.setdefault(network.labels.get(APP_LABEL, ""), []).append(network)
    found: dict[str, tuple[str, ...]] = {}
    for identifier in sorted({*containers, *networks, *apps} - set(busy) - {""}):
        app = apps.get(identifier)
        own, nets = containers.get(identifier, []), networks.get(identifier, [])
        words = _of_nobody(own, nets) if app is None else _of_app(app, own, nets, observed.projects)
        if words:
            found[identifier] = tuple(words)
    return found


def stray_projects(
    observed: Observed, apps: Collection[str], *, busy: Collection[str], box: str
) -> list[str]:
    """The project folders that we rendered into and that no app is run from; only our mark tells them.

    Args:
        observed: what there is.
        apps: the identifiers of the apps that are recorded.
        busy: those that a job is about to change.
        box: this box's mark.
    """
    return [
        name
        for name, files in observed.projects.items()
        if (files.box, files.app) == (box, name) and name not in apps and name not in busy
    ]


def may_repair(ended: Sequence[datetime], now: datetime, *, pause_s: float) -> bool:
    """Whether an app may be repaired again: after each try of a day twice as long a pause.

    Args:
        ended: when what was tried for the app ended, in any order.
        now: the time.
        pause_s: the pause after the first.
    """
    recent = [moment for moment in ended if now - moment < _LONGEST_PAUSE]
    if not recent:
        return True
    pause = min(timedelta(seconds=pause_s * 2.0 ** (len(recent) - 1)), _LONGEST_PAUSE)
    return now - max(recent) >= pause


def missing_networks(
    identifier: str, networks: Sequence[NetworkState], files: ProjectFiles
) -> tuple[str, ...]:
    """The networks of the app's compose file that are not among these, by Docker's names."""
    there = {network.name for network in networks}
    wanted = (f"{project_name(identifier)}_{name}" for name in files.networks)
    return tuple(name for name in wanted if name not in there)


def _of_nobody(containers: Sequence[ContainerState], networks: Sequence[NetworkState]) -> list[str]:
    return [f"the container {one.name} belongs to no app" for one in containers] + [
        f"the network {one.name} belongs to no app" for one in networks
    ]


def _of_app(
    app: App,
    containers: Sequence[ContainerState],
    networks: Sequence[NetworkState],
    projects: Mapping[str, ProjectFiles],
) -> list[str]:
    if (broken_off := BROKEN_OFF.get(app.state)) is not None:
        return [broken_off]
    if app.desired is not DesiredState.RUNNING:
        return []
    words = ["its host names do not lead to it"] if app.web is not None and not app.published else []
    files = projects.get(app.identifier, ProjectFiles(has_compose_file=False, has_snapshot=False))
    words += [] if files.has_compose_file else ["its compose file is gone"]
    for service in app.images:
        own = [one for one in containers if one.service == service and not is_half_made(one)]
        if not own:
            words.append(f"the container of the service {service} is gone")
        elif not any(_is_as_wanted(one) for one in own):
            words.append(f"the container {own[0].name} does not run (Docker says: {own[0].state})")
    words += [f"the container {one.name} is half made" for one in containers if is_half_made(one)]
    return words + [
        f"the network {name} is gone" for name in missing_networks(app.identifier, networks, files)
    ]


def _is_as_wanted(container: ContainerState) -> bool:
    if container.state in _GOING:
        return True
    return container.state == "exited" and container.exit_code == 0 and _may_end(container)


def _may_end(container: ContainerState) -> bool:
    return container.restart_policy in _ENDS_FOR_GOOD
