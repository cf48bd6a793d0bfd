"""What is found to be not as the database wants it, and what is left alone."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.host.engine_values import ContainerState, NetworkState
from homeport.models import App, AppState, DesiredState, Limits
from workers.reconciliation import (
    Observed,
    ProjectFiles,
    find_differences,
    may_repair,
    stray_projects,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPLACE = "com.docker.compose.replace"


def app(identifier: str = "notes", **fields: object) -> App:
    described = App(
        app_id=1,
        identifier=identifier,
        definition="notes",
        title="Notes",
        version="1",
        host_name="notes.localhost",
        host_port=35001,
        state=AppState.RUNNING,
        desired=DesiredState.RUNNING,
        limits=Limits(),
        web=None,
        images={"web": {}, "db": {}},
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(described, **fields)  # type: ignore[arg-type] # the fields that App has


def container(service: str, identifier: str = "notes", **fields: object) -> ContainerState:
    state = ContainerState(
        id=f"id-{identifier}-{service}", name=f"{identifier}-{service}", service=service,
        project=f"homeport-{identifier}", labels={"homeport.app": identifier}, image_id="sha256:1",
        state="running", exit_code=0, restart_count=0, restarting=False, oom_killed=False, health=None,
        health_output="", started_at="", restart_policy="unless-stopped",
    )  # fmt: skip
    return replace(state, **fields)  # type: ignore[arg-type] # the fields that ContainerState has


def network(name: str, identifier: str = "notes") -> NetworkState:
    return NetworkState(id=name, name=f"homeport-{identifier}_{name}", labels={"homeport.app": identifier})


FILES = ProjectFiles(has_compose_file=True, has_snapshot=True, networks=("default",))
WHOLE = Observed(
    containers=[container("web"), container("db")], networks=[network("default")], projects={"notes": FILES}
)
APPS = {"notes": app()}


def test_an_app_that_runs_as_it_shall_is_left_alone() -> None:
    assert find_differences(WHOLE, APPS) == {}


def test_a_container_that_is_gone_is_named_by_its_service() -> None:
    found = find_differences(replace(WHOLE, containers=[container("web")]), APPS)

    assert found == {"notes": ("the container of the service db is gone",)}


@pytest.mark.parametrize(
    ("fields", "is_wanted"),
    [
        ({"state": "exited", "exit_code": 0}, False),
        ({"state": "exited", "exit_code": 137}, False),
        ({"state": "created"}, False),
        ({"state": "dead"}, False),
        ({"state": "exited", "exit_code": 0, "restart_policy": "no"}, True),
        ({"state": "exited", "exit_code": 0, "restart_policy": "on-failure"}, True),
        ({"state": "exited", "exit_code": 1, "restart_policy": "no"}, False),
        ({"state": "restarting", "exit_code": 1}, True),
        ({"state": "paused"}, True),
        ({"state": "removing"}, True),
    ],
)
def test_a_container_runs_or_has_ended_for_good(fields: Mapping[str, Any], is_wanted: bool) -> None:
    seen = replace(WHOLE, containers=[container("web"), container("db", **fields)])

    assert (find_differences(seen, APPS) == {}) is is_wanted


def test_a_container_that_was_to_take_anothers_place_is_half_made() -> None:
    half = container(
        "db", name="0123456789ab_notes-db", labels={"homeport.app": "notes", REPLACE: "notes-db"}
    )

    beside = find_differences(replace(WHOLE, containers=[*WHOLE.containers, half]), APPS)
    alone = find_differences(replace(WHOLE, containers=[container("web"), half]), APPS)

    assert beside == {"notes": ("the container 0123456789ab_notes-db is half made",)}
    assert alone["notes"][0] == "the container of the service db is gone"


def test_a_container_that_took_anothers_place_keeps_compose_label_and_is_whole() -> None:
    labels = {"homeport.app": "notes", REPLACE: "notes-db"}
    seen = replace(WHOLE, containers=[container("web"), container("db", labels=labels)])

    assert find_differences(seen, APPS) == {}


def test_a_network_and_a_compose_file_that_are_gone_are_missed() -> None:
    assert find_differences(replace(WHOLE, networks=[]), APPS) == {
        "notes": ("the network homeport-notes_default is gone",)
    }
    gone = ProjectFiles(has_compose_file=False, has_snapshot=True)
    assert find_differences(replace(WHOLE, projects={"notes": gone}), APPS) == {
        "notes": ("its compose file is gone",)
    }


def test_what_has_no_app_belongs_to_nobody() -> None:
    assert find_differences(WHOLE, {}) == {
        "notes": (
            "the container notes-web belongs to no app",
            "the container notes-db belongs to no app",
            "the network homeport-notes_default belongs to no app",
        )
    }


@pytest.mark.parametrize("apps", [APPS, {}])
def test_what_a_job_is_about_to_change_is_left_alone(apps: Mapping[str, App]) -> None:
    assert find_differences(replace(WHOLE, containers=[container("web")]), apps, busy={"notes"}) == {}


def test_an_app_that_is_not_to_run_is_left_alone() -> None:
    assert find_differences(Observed(), {"notes": app(desired=DesiredState.STOPPED)}) == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": AppState.INSTALLING}, "its install was broken off"),
        (
            {"state": AppState.UNINSTALLING, "desired": DesiredState.STOPPED},
            "its uninstall was broken off",
        ),
    ],
)
@pytest.mark.parametrize("seen", [Observed(), WHOLE])
def test_an_app_that_no_job_brings_to_an_end_was_broken_off(
    fields: Mapping[str, Any], words: str, seen: Observed
) -> None:
    apps = {"notes": app(**fields)}

    assert find_differences(seen, apps) == {"notes": (words,)}
    assert find_differences(seen, apps, busy={"notes"}) == {}


def test_a_project_is_nobodys_by_our_mark_alone() -> None:
    ours = replace(FILES, box="/srv/homeport", app="gone")
    projects = {
        "gone": ours,
        "unmarked": FILES,
        "renamed": ours,
        "theirs": replace(ours, box="/srv/other", app="theirs"),
        "notes": replace(ours, app="notes"),
        "wiki": replace(ours, app="wiki"),
    }

    found = stray_projects(Observed(projects=projects), {"notes"}, busy={"wiki"}, box="/srv/homeport")

    assert found == ["gone"]


NAMES = st.sampled_from(["notes", "wiki", "blog"])
STATES = st.sampled_from(["running", "exited", "created", "dead", "paused", "restarting"])


@given(
    seen=st.lists(st.tuples(NAMES, st.sampled_from(["web", "db"]), STATES, st.booleans()), max_size=8),
    recorded=st.sets(NAMES),
    busy=st.sets(NAMES),
)
def test_nothing_is_said_of_the_busy_and_all_that_is_said_is_of_what_was_seen_or_recorded(
    seen: list[tuple[str, str, str, bool]], recorded: set[str], busy: set[str]
) -> None:
    observed = Observed(
        containers=[
            container(
                service,
                name,
                state=state,
                labels={"homeport.app": name, **({REPLACE: "x"} if is_half else {})},
            )
            for name, service, state, is_half in seen
        ],
        projects=dict.fromkeys(recorded, replace(FILES, networks=())),
    )

    found = find_differences(observed, {name: app(name) for name in recorded}, busy=busy)

    assert not found.keys() & busy
    assert found.keys() <= recorded | {name for name, *_ in seen}
    assert {name for name, *_ in seen} - recorded - busy <= found.keys()


def ended(*hours_ago: float) -> list[datetime]:
    return [NOW - timedelta(hours=hours) for hours in hours_ago]


@pytest.mark.parametrize(
    ("hours_ago", "may"),
    [
        ((), True),
        ((0.9,), False),
        ((1,), True),
        ((5, 1.9), False),
        ((5, 2), True),
        ((9, 8, 3.9), False),
        ((9, 8, 4), True),
        ((23, 22, 21, 20, 15), False),
        ((25, 30, 40, 50), True),
    ],
)
def test_after_each_try_of_a_day_the_pause_is_twice_as_long(hours_ago: tuple[float, ...], may: bool) -> None:
    assert may_repair(ended(*hours_ago), NOW, pause_s=3600) is may
