"""Which host name leads to which port of the box, from what is recorded of the apps. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from homeport.models import App, AppState
from homeport.names import names_of


class RouteState(StrEnum):
    """What is behind a host name."""

    SERVING = "serving"
    """The app: requests go to its port."""
    STARTING = "starting"
    """A page that says that the app is being started."""
    STOPPED = "stopped"
    """A page that says that its owner stopped it."""
    UPDATING = "updating"
    """A page that says that it is being updated."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """An app's way in.

    `names` are all its host names, the first one first; `port` is one of this box's, on loopback. A route
    takes every path, as the app's port does, and every websocket.
    """

    identifier: str
    names: tuple[str, ...]
    port: int
    state: RouteState


def routes_of(apps: Iterable[App], *, domain: str) -> tuple[Route, ...]:
    """The routes of these apps, by identifier; a headless app has none, nor one that is on its way out.

    Args:
        apps: those that are recorded.
        domain: the box's, within which a name is known by its first label too.
    """
    found = [
        Route(
            identifier=app.identifier,
            names=names_of(app.host_name, app.aliases, domain=domain),
            port=app.web.port or app.host_port,
            state=state,
        )
        for app in apps
        if app.web is not None and (state := _state_of(app)) is not None
    ]
    return tuple(sorted(found, key=lambda route: route.identifier))


def hidden_routes(routes: Iterable[Route], api_names: Collection[str]) -> dict[str, str]:
    """Why routes are not served by all of their names, by identifier: the API's own come first.

    No app is accepted with such a name; a setting that was changed later may give it to the API.
    """
    return {
        route.identifier: f"The host name {name} is the API's own."
        for route in routes
        for name in reversed(route.names)
        if name in api_names
    }


def _state_of(app: App) -> RouteState | None:
    """Published, it is served; else what it does decides what is said in its place."""
    if app.published:
        return RouteState.SERVING
    return {
        AppState.INSTALLING: RouteState.STARTING,
        AppState.RUNNING: RouteState.STARTING,
        AppState.STOPPED: RouteState.STOPPED,
        AppState.UPDATING: RouteState.UPDATING,
        AppState.UNINSTALLING: None,
    }[app.state]
