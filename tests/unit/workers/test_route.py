"""When an app's host names lead to it, and what is told where they do not."""

import fcntl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from homeport.errors import CancelledError, ComponentUnavailableError, DiskFullError
from homeport.models import AppState, DesiredState
from homeport.plans import Ending
from homeport.state import apps, events
from homeport.state.certificates import list_certificates, put_certificate
from homeport.state.given_certificate import read_certificate
from homeport.state.routes import note_route
from proxy.driver import Applied
from proxy.routes import RouteState
from tests.harness.authority import Authority
from tests.unit.workers.conftest import NOW, Household
from workers.steward.routes import DOWN_S, RouteKeeper

NAME = "notes.localhost"


def state_of(household: Household) -> RouteState | None:
    route = household.machine.proxy.served.get(NAME)
    return route.state if route else None


def told(household: Household, kind: str) -> list[Any]:
    with household.database.read() as connection:
        found = events.events_after(connection, 0, app="notes", limit=1000)
    return [dict(event.facts) for event in found if event.kind == kind]


def keeper(household: Household) -> RouteKeeper:
    routes = household.machine.tools.routes
    return RouteKeeper(
        routes=routes,
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
        listens=lambda _: True,
        explain=lambda _: "",
    )


class Watching:
    """Looks at the route whenever the job looks whether it is to go on."""

    def __init__(self, look: Callable[[], None]) -> None:
        self.check = look


def test_an_app_is_published_when_it_is_healthy_and_spoken_for_before(household: Household) -> None:
    while_unhealthy: list[RouteState | None] = []
    while_built: list[RouteState | None] = []
    household.machine.on_build = lambda: while_built.append(state_of(household))
    household.machine.on_health = lambda _control: while_unhealthy.append(state_of(household))

    household.install()

    assert (while_built, while_unhealthy) == ([RouteState.STARTING], [RouteState.STARTING])
    assert state_of(household) is RouteState.SERVING
    app = household.app()
    assert app is not None
    assert (app.published, app.no_route) == (True, "")
    assert household.machine.proxy.served[NAME].port == app.host_port


def test_the_route_is_withdrawn_before_anything_of_the_app_is_stopped(household: Household) -> None:
    household.install()
    down, seen = household.machine.projects.down, list[RouteState | None]()

    def watched(*given: Any, **more: Any) -> None:
        seen.append(state_of(household))
        down(*given, **more)

    household.machine.projects.down = watched  # type: ignore[method-assign]
    household.uninstall()

    assert seen == [None]


@pytest.mark.parametrize("failing", ["on_build", "on_health"])
def test_an_install_that_fails_leaves_no_route(household: Household, failing: str) -> None:
    def fail(*_: object) -> None:
        raise CancelledError("no")

    setattr(household.machine, failing, fail)

    assert household.install().ending is not Ending.SUCCEEDED
    assert household.left() == {}
    assert household.machine.proxy.asked > 0


def test_a_proxy_that_refuses_an_app_fails_no_install_and_is_told_of(household: Household) -> None:
    household.machine.proxy.refuses["notes"] = "map is full"

    outcome = household.install()

    assert outcome.ending is Ending.SUCCEEDED
    app = household.app()
    assert app is not None
    assert (app.state, app.published, app.no_route) == (AppState.RUNNING, True, "map is full")
    assert told(household, "app.no_route") == [{"host_name": NAME, "why": "map is full"}]
    assert any("map is full" in line for line in household.log)


def test_the_steward_asks_again_and_tells_that_the_route_is_there(household: Household) -> None:
    household.machine.proxy.refuses["notes"] = "map is full"
    household.install()
    keeper(household).turn()
    assert told(household, "app.routed") == []

    household.machine.proxy.refuses.clear()
    keeper(household).turn()
    keeper(household).turn()

    app = household.app()
    assert app is not None
    assert app.no_route == ""
    assert state_of(household) is RouteState.SERVING
    assert told(household, "app.routed") == [{"host_name": NAME}]


def test_a_proxy_that_is_away_keeps_no_app_from_being_installed_or_removed(household: Household) -> None:
    household.machine.proxy.is_away = True

    assert household.install().ending is Ending.SUCCEEDED
    app = household.app()
    assert app is not None
    assert app.no_route == "The reverse proxy does not answer."
    household.machine.proxy.is_away = False
    keeper(household).turn()
    assert state_of(household) is RouteState.SERVING

    household.machine.proxy.is_away = True
    assert household.uninstall(purge=True).ending is Ending.SUCCEEDED
    household.machine.proxy.is_away = False
    keeper(household).turn()
    assert household.left() == {}


@pytest.mark.parametrize(
    ("state", "shown"), [(AppState.STOPPED, RouteState.STOPPED), (AppState.UPDATING, RouteState.UPDATING)]
)
def test_what_an_app_does_decides_what_is_said_of_it(
    household: Household, state: AppState, shown: RouteState
) -> None:
    household.install()
    with household.database.write() as connection:
        apps.update_app(connection, "notes", state=state, published=False, updated_at=NOW)

    keeper(household).turn()

    assert state_of(household) is shown


def test_an_uninstall_that_is_broken_off_before_it_stopped_anything_publishes_again(
    household: Household,
) -> None:
    household.install()

    def cancel() -> None:
        app = household.app()
        if app is not None and app.state is AppState.UNINSTALLING:
            raise CancelledError("no")

    outcome = household.uninstall(Watching(cancel))

    assert outcome.ending is Ending.CANCELLED
    app = household.app()
    assert app is not None
    assert (app.state, app.desired, app.published) == (AppState.RUNNING, DesiredState.RUNNING, True)
    keeper(household).turn()
    assert state_of(household) is RouteState.SERVING


def test_an_uninstall_that_is_broken_off_when_it_has_stopped_the_app_publishes_it_with_its_repair(
    household: Household,
) -> None:
    household.install()
    down = household.machine.projects.down

    def broken(*given: Any, **more: Any) -> None:
        down(*given, **more)
        raise CancelledError("no")

    household.machine.projects.down = broken  # type: ignore[method-assign]
    household.uninstall()
    household.machine.projects.down = down  # type: ignore[method-assign]

    app = household.app()
    assert app is not None
    assert (app.state, app.published) == (AppState.RUNNING, False)
    household.run_next()
    assert state_of(household) is RouteState.SERVING


def test_the_steward_says_why_the_proxy_does_not_serve(household: Household) -> None:
    keeping = keeper(household)
    assert keeping.why
    keeping.turn()
    assert keeping.why == ""

    household.machine.proxy.is_away = True
    with pytest.raises(ComponentUnavailableError):
        keeping.turn()

    assert keeping.why == "The reverse proxy does not answer."


def test_what_keeps_haproxy_from_running_is_said_where_it_can_be_seen(household: Household) -> None:
    household.machine.proxy.is_away = True
    routes = household.machine.tools.routes
    keeping = RouteKeeper(routes=routes, now=lambda: NOW, explain=lambda _: "Port 80 is held by caddy.")

    with pytest.raises(ComponentUnavailableError):
        keeping.turn()

    assert keeping.why == "Port 80 is held by caddy."


def test_a_proxy_that_takes_the_table_and_listens_nowhere_is_told(household: Household) -> None:
    routes = replace(
        household.machine.tools.routes, settings=household.settings.model_copy(update={"http_port": 8080})
    )
    keeping = RouteKeeper(routes=routes, now=lambda: NOW, listens=lambda port: port != 8080)

    keeping.turn()

    assert keeping.why == "Nothing listens on port 8080."


def test_a_proxy_that_stays_away_leaves_the_apps_without_route_and_tells_when_it_is_back(
    household: Household,
) -> None:
    household.install()
    seconds = [0.0]
    keeping = RouteKeeper(
        routes=household.machine.tools.routes,
        now=lambda: NOW,
        listens=lambda _: True,
        explain=lambda _: "Port 80 is held by caddy.",
        clock=lambda: seconds[0],
    )

    def looked_after(passed: float, *, away: bool) -> str:
        seconds[0] += passed
        household.machine.proxy.is_away = away
        with suppress(ComponentUnavailableError):
            keeping.turn()
        app = household.app()
        assert app is not None
        return app.no_route

    assert looked_after(0, away=True) == ""
    assert looked_after(DOWN_S - 1, away=True) == "", "it may be starting"
    assert looked_after(1, away=True) == "Port 80 is held by caddy."
    assert looked_after(5, away=True) == "Port 80 is held by caddy."
    assert looked_after(5, away=False) == ""
    assert looked_after(DOWN_S, away=True) == "", "it is counted anew"
    assert len(told(household, "app.no_route")) == 1
    assert len(told(household, "app.routed")) == 1


def test_what_is_wrong_with_no_app_is_said_of_the_proxy_alone(household: Household) -> None:
    household.install()
    household.machine.proxy.box = "map is full"
    keeping = keeper(household)

    keeping.turn()

    assert keeping.why == "map is full"
    assert told(household, "app.no_route") == []


def test_an_app_whose_name_became_the_api_s_is_told_to_have_no_route(household: Household) -> None:
    household.install()
    routes = household.machine.tools.routes
    renamed = routes.settings.model_copy(update={"api_name": "notes"})

    applied = replace(routes, settings=renamed).apply()

    assert applied.routes == {"notes": "The host name notes.localhost is the API's own."}


def test_a_proxy_of_before_that_cannot_be_told_keeps_no_route_from_the_one_of_now(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(_: object) -> None:
        assert household.machine.proxy.served, "it comes last"
        raise ComponentUnavailableError("Apache could not be told.", component="proxy")

    household.install()
    household.machine.proxy.served.clear()
    monkeypatch.setattr("workers.routing.retire_others", stuck)
    keeping = keeper(household)

    keeping.turn()

    assert "notes.localhost" in household.machine.proxy.served
    assert "Apache could not be told" in keeping.why


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError(2, "No such file or directory"),
        PermissionError(13, "no"),
        ValueError("no command"),
        DiskFullError("The disk is full."),
    ],
    ids=["no folder", "no right", "no command", "full disk"],
)
def test_whatever_keeps_the_proxy_s_files_from_being_written_fails_no_job(
    household: Household, failure: Exception
) -> None:
    household.machine.proxy.failure = failure

    assert household.install().ending is Ending.SUCCEEDED
    app = household.app()
    assert app is not None
    assert app.no_route
    assert household.uninstall(purge=True).ending is Ending.SUCCEEDED
    household.machine.on_health = lambda _control: (_ for _ in ()).throw(CancelledError("no"))
    household.install()

    assert household.left() == {}
    keeping = keeper(household)
    with pytest.raises(ComponentUnavailableError):
        keeping.turn()
    assert str(failure) in keeping.why


def test_a_withdrawal_that_the_proxy_did_not_hear_is_no_missing_route(household: Household) -> None:
    household.install()
    household.machine.proxy.is_away = True

    household.uninstall()

    assert told(household, "app.no_route") == []
    assert any("may" in line or "no more" in line for line in household.log)


def test_what_a_job_notes_while_the_steward_looks_is_not_taken_back_by_that_look(
    household: Household,
) -> None:
    household.install()
    routes = household.machine.tools.routes

    class Slow:
        def apply(self, *given: Any) -> Applied:
            with household.database.write() as connection:
                note_route(connection, "notes", "map is full", job=None, now=NOW)
            return Applied()

    keeping = RouteKeeper(
        routes=replace(routes, driver=Slow()), now=lambda: NOW, listens=lambda _: True, explain=lambda _: ""
    )
    keeping.turn()

    app = household.app()
    assert app is not None
    assert app.no_route == "map is full"
    assert told(household, "app.routed") == []


def test_a_certificate_that_is_not_served_is_told_until_it_is(household: Household) -> None:
    issued = Authority().issue("notes.hda")
    given = read_certificate("home", chain=issued.chain, key=issued.key, now=datetime.now(UTC))
    with household.database.write() as connection:
        put_certificate(connection, given)
    household.machine.proxy.refuses_certificates["home"] = "too weak"

    def problem() -> str:
        with household.database.read() as connection:
            return list_certificates(connection)[0].problem

    keeper(household).turn()
    assert problem() == "too weak"
    household.machine.proxy.refuses_certificates.clear()
    keeper(household).turn()

    assert problem() == ""


def test_the_lock_is_nobody_else_s_and_is_not_waited_for_for_ever(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.routing._PATIENCE_S", 0.1)
    routes = household.machine.tools.routes
    routes.apply()
    lock = household.settings.run_dir / "routes.lock"
    assert lock.stat().st_mode & 0o777 == 0o600

    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ComponentUnavailableError, match="could not be told"):
            routes.apply()
        with pytest.raises(CancelledError):
            routes.apply(_cancelled)
    routes.apply()


def _cancelled() -> None:
    raise CancelledError("cancelled")
