"""When an app counts as healthy, and when it is given up."""

import dataclasses
from typing import Any

from compose.values import HealthExpectation
from compose.verdict import RESTARTS_ALONE, RESTARTS_EVER, Sighting, Verdict, judge
from homeport.host.engine_values import ContainerState


def sighting(
    *, steady_s: float = 0, restarts: int = 0, alone: int = 0, answers: bool | None = None, **state: Any
) -> Sighting:
    """What is seen of a container of the service `web`, running unless `state` says otherwise."""
    container = ContainerState(
        id="c", name="wiki", service="web", project="homeport-wiki", labels={}, image_id="i",
        state="running", exit_code=0, restart_count=restarts, restarting=False, oom_killed=False, health=None,
        health_output="", started_at="", restart_policy="unless-stopped",
    )  # fmt: skip
    return Sighting(
        container=dataclasses.replace(container, **state),
        steady_s=steady_s,
        restarts=restarts,
        restarts_alone=alone,
        answers=answers,
        said="did not answer",
    )


def verdict_on(seen: Sighting, *, one_shot: tuple[str, ...] = ()) -> Verdict:
    expectation = HealthExpectation(services=("web",), one_shot=one_shot)
    return judge(expectation, {"web": [seen]}, steady_s=5)


def test_a_health_check_decides_whatever_else_is_seen() -> None:
    assert verdict_on(sighting(health="healthy", answers=False)).is_healthy
    assert not verdict_on(sighting(health="starting", answers=True, steady_s=60)).is_healthy


def test_an_answer_decides_where_there_is_no_health_check() -> None:
    assert verdict_on(sighting(answers=True)).is_healthy
    assert verdict_on(sighting(answers=False, steady_s=60)).waiting == {"web": "did not answer"}


def test_a_service_without_any_check_must_have_run_for_a_while() -> None:
    assert not verdict_on(sighting(steady_s=4.9)).is_healthy
    assert verdict_on(sighting(steady_s=5)).is_healthy


def test_a_service_without_a_container_is_waited_for() -> None:
    verdict = judge(HealthExpectation(services=("web",)), {}, steady_s=5)

    assert verdict.waiting == {"web": "has no container yet"}


def test_one_that_may_end_is_healthy_when_it_has_ended_with_0() -> None:
    assert verdict_on(sighting(state="exited"), one_shot=("web",)).is_healthy


def test_one_that_may_end_fails_with_another_exit_code() -> None:
    verdict = verdict_on(sighting(state="exited", exit_code=3), one_shot=("web",))

    assert verdict.failed is not None
    assert "exit code 3" in verdict.reason


def test_one_that_must_stay_fails_when_it_ends_with_0() -> None:
    assert verdict_on(sighting(state="exited")).failed is not None


def test_a_crash_loop_fails_while_the_container_happens_to_run() -> None:
    assert verdict_on(sighting(answers=True, restarts=5, alone=RESTARTS_ALONE - 1)).failed is None
    assert verdict_on(sighting(answers=True, restarts=5, alone=RESTARTS_ALONE)).failed is not None


def test_restarts_are_excused_for_a_while_when_other_services_still_start() -> None:
    assert verdict_on(sighting(restarts=RESTARTS_EVER - 1)).failed is None
    assert verdict_on(sighting(restarts=RESTARTS_EVER)).failed is not None


def test_memory_is_named_when_it_was_the_cause() -> None:
    verdict = verdict_on(sighting(state="exited", exit_code=137, oom_killed=True))

    assert "more memory than its limit" in verdict.reason
