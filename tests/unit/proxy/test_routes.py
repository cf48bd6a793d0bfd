"""Which host names lead where, by what is recorded of the apps."""

from datetime import UTC, datetime
from typing import Any

import pytest

from homeport.models import App, AppState, DesiredState, Limits, WebPort
from proxy.routes import RouteState, routes_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def app(identifier: str = "wiki", **changed: Any) -> App:
    fields: dict[str, Any] = {
        "app_id": 1,
        "identifier": identifier,
        "definition": identifier,
        "title": "A title",
        "version": "1",
        "host_name": f"{identifier}.hda",
        "host_port": 35001,
        "state": AppState.RUNNING,
        "desired": DesiredState.RUNNING,
        "limits": Limits(),
        "web": WebPort(path="/start"),
        "published": True,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return App(**{**fields, **changed})


def test_a_published_app_is_served_at_its_port_under_all_its_names() -> None:
    (route,) = routes_of([app(aliases=("docs.hda", "wiki.example.org"))], domain="hda")

    assert route.names == ("wiki.hda", "docs.hda", "wiki.example.org", "wiki", "docs")
    assert (route.port, route.state) == (35001, RouteState.SERVING)


def test_an_app_that_listens_itself_is_reached_at_its_own_port() -> None:
    (route,) = routes_of([app(web=WebPort(path="/", port=8123))], domain="hda")

    assert route.port == 8123


def test_a_headless_app_has_no_route() -> None:
    assert routes_of([app(web=None)], domain="hda") == ()


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (AppState.INSTALLING, RouteState.STARTING),
        (AppState.RUNNING, RouteState.STARTING),
        (AppState.STOPPED, RouteState.STOPPED),
        (AppState.UPDATING, RouteState.UPDATING),
    ],
)
def test_an_app_that_is_not_published_is_spoken_for_by_its_state(state: AppState, shown: RouteState) -> None:
    (route,) = routes_of([app(state=state, published=False)], domain="hda")

    assert route.state is shown


def test_an_app_on_its_way_out_has_no_route() -> None:
    assert routes_of([app(state=AppState.UNINSTALLING, published=False)], domain="hda") == ()


def test_every_state_of_an_app_has_its_answer() -> None:
    for state in AppState:
        routes_of([app(state=state, published=False)], domain="hda")


def test_two_tables_of_the_same_apps_are_equal_whatever_their_order() -> None:
    apps = [app("b", app_id=2), app("a")]

    assert routes_of(apps, domain="hda") == routes_of(reversed(apps), domain="hda")
