"""Healthy, never healthy, or falling over: seen on real containers."""

import json
import time
from pathlib import Path

import pytest

from compose.health import wait_until_healthy
from homeport.errors import CancelledError, ContainerExitedError, UnhealthyError
from tests.harness.engine import EngineBox
from tests.system.projects import IMAGE, Go, Scratch, scratch, server

WEB = "web: {service: web, port: 8080, health: /}\n"


def one(command: list[str] | str, **more: object) -> str:
    """A compose file with the one service `web`."""
    return json.dumps({"services": {"web": {"image": IMAGE, "command": command, "init": True, **more}}})


def wait(project: Scratch, control: Go | None = None) -> float:
    """Waits until it is healthy; how long that took."""
    began = time.monotonic()
    wait_until_healthy(
        project.engine,
        project.project,
        project.expectation,
        settings=project.settings,
        run_check=control or Go(),
        on_progress=lambda _fraction, _detail: None,
    )
    return time.monotonic() - began


def test_a_web_service_is_healthy_as_soon_as_it_answers(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, one(server(404)), WEB) as project:
        project.up()

        assert wait(project) < 2


def test_an_app_that_answers_with_503_is_not_ready(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, one(server(503)), WEB, healthy_s=2) as project:
        project.up()

        with pytest.raises(UnhealthyError) as raised:
            wait(project)

    assert "503" in raised.value.why


def test_a_port_that_nobody_listens_on_is_not_healthy_by_tcp(engine_box: EngineBox, tmp_path: Path) -> None:
    tcp = "web: {service: web, port: 8080}\n"
    with scratch(engine_box.docker_host, tmp_path, one(["sleep", "1000"]), tcp, healthy_s=2) as project:
        project.up()

        with pytest.raises(UnhealthyError):
            wait(project)


def test_a_listening_port_is_healthy_by_tcp(engine_box: EngineBox, tmp_path: Path) -> None:
    tcp = "web: {service: web, port: 8080}\n"
    with scratch(engine_box.docker_host, tmp_path, one(server(500)), tcp) as project:
        project.up()

        assert wait(project) < 3


def test_a_health_check_of_the_definition_is_believed_within_seconds(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    check = {"test": ["CMD", "test", "-e", "/ready"], "interval": "30s"}
    command = ["sh", "-c", "sleep 1; touch /ready; exec sleep 1000"]
    with scratch(engine_box.docker_host, tmp_path, one(command, healthcheck=check), WEB) as project:
        project.up()

        assert wait(project) < 8


def test_a_failing_health_check_is_quoted_with_the_last_lines(engine_box: EngineBox, tmp_path: Path) -> None:
    check = {"test": ["CMD-SHELL", "echo no database; exit 1"]}
    command = ["sh", "-c", "echo starting up; exec sleep 1000"]
    with scratch(
        engine_box.docker_host, tmp_path, one(command, healthcheck=check), WEB, healthy_s=3
    ) as project:
        project.up()

        with pytest.raises(UnhealthyError) as raised:
            wait(project)

    assert raised.value.facts["check_output"] == "no database"
    assert raised.value.facts["last_lines"] == ["starting up"]


def test_a_headless_app_is_healthy_when_it_has_run_for_a_while(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, one(["sleep", "1000"])) as project:
        project.up()

        assert 0.8 < wait(project) < 4


def test_a_crash_loop_is_seen_as_one_within_seconds(engine_box: EngineBox, tmp_path: Path) -> None:
    command = ["sh", "-c", "echo cannot find my settings; exit 3"]
    with scratch(engine_box.docker_host, tmp_path, one(command)) as project:
        began = time.monotonic()
        project.up()

        with pytest.raises(ContainerExitedError) as raised:
            wait(project)

        assert time.monotonic() - began < 10
    assert raised.value.facts["exit_code"] == 3
    assert raised.value.facts["last_lines"][-1] == "cannot find my settings"


def test_an_app_that_answers_and_falls_over_again_and_again_is_not_healthy(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    command = ["sh", "-c", "sleep 0.3; exit 1"]
    with scratch(engine_box.docker_host, tmp_path, one(command), WEB) as project:
        project.up()

        with pytest.raises(ContainerExitedError):
            wait(project)


def test_a_container_that_ends_for_good_fails_at_once(engine_box: EngineBox, tmp_path: Path) -> None:
    compose = one(["sh", "-c", "sleep 0.5; exit 4"], restart="no")
    with scratch(engine_box.docker_host, tmp_path, compose, steady_s=30) as project:
        project.up()
        began = time.monotonic()

        with pytest.raises(ContainerExitedError) as raised:
            wait(project)

        assert time.monotonic() - began < 3
    assert raised.value.facts["exit_code"] == 4


def test_a_service_that_may_end_is_healthy_when_it_ended_with_0(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    compose = one(["true"], restart="no")
    with scratch(engine_box.docker_host, tmp_path, compose, steady_s=30) as project:
        project.up()

        assert wait(project) < 3


def test_too_little_memory_is_named_as_the_cause(engine_box: EngineBox, tmp_path: Path) -> None:
    command = ["perl", "-e", "my @a; push @a, 'x' x 1000000 while 1"]
    limits = "limits: {memory: 16M}\n"
    with scratch(engine_box.docker_host, tmp_path, one(command, restart="no"), limits) as project:
        project.up()

        with pytest.raises(ContainerExitedError) as raised:
            wait(project)

    assert raised.value.facts["oom_killed"] is True
    assert "memory" in raised.value.remedy


def test_waiting_is_left_when_the_job_is_cancelled(engine_box: EngineBox, tmp_path: Path) -> None:
    class Cancel(Go):
        asked = 0

        def check(self) -> None:
            self.asked += 1
            if self.asked > 3:
                raise CancelledError("Cancelled.")

    with scratch(engine_box.docker_host, tmp_path, one(["sleep", "1000"]), steady_s=60) as project:
        project.up()

        with pytest.raises(CancelledError):
            wait(project, Cancel())
