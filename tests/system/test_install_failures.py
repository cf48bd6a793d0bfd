"""Installs that cannot succeed: each says what happened, and leaves nothing on the box."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.harness.definitions import built_app, headless_app, pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.leftovers import leftovers
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

FreshHomeport = Callable[..., HomeportBox]


def fails(box: HomeportBox, name: str, **body: object) -> Json:
    """The problem of an install that has to fail, after a look that nothing is left of it."""
    problem = box.fail(box.install(name, **body))
    assert leftovers(box, str(body.get("identifier", name))) == []
    assert problem["what"]
    assert problem["why"]
    assert problem["remedy"]
    return problem


@contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_a_container_that_ends_at_once_is_told_with_its_last_words(
    homeport_box: HomeportBox, engine_box: EngineBox
) -> None:
    publish_standin(engine_box, "acme/exits:1", mode="exits", says="acme")
    homeport_box.add_definition("exits", pulled_app("exits", "acme/exits:1", service='    restart: "no"\n'))

    problem = fails(homeport_box, "exits")

    assert problem["code"] == "container_exited"
    assert problem["facts"]["exit_code"] == 3
    assert any("the configuration is missing" in line for line in problem["facts"]["last_lines"])
    assert "Put back" in problem["restored"]


def test_a_crash_loop_is_not_taken_for_health(homeport_box: HomeportBox, engine_box: EngineBox) -> None:
    publish_standin(engine_box, "acme/crashes:1", mode="crashes", says="acme")
    homeport_box.add_definition("crashes", headless_app("crashes", "acme/crashes:1"))

    problem = fails(homeport_box, "crashes")

    assert problem["code"] == "container_exited"
    assert any("something broke" in line for line in problem["facts"]["last_lines"])


def test_an_app_that_never_answers_well_is_unhealthy(
    fresh_homeport: FreshHomeport, engine_box: EngineBox
) -> None:
    box = fresh_homeport(healthy_s=4)
    publish_standin(engine_box, "acme/unhealthy:1", mode="unhealthy", says="acme")
    box.add_definition("unhealthy", pulled_app("unhealthy", "acme/unhealthy:1"))

    problem = fails(box, "unhealthy")

    assert problem["code"] == "unhealthy"
    assert "503" in problem["why"]
    assert any("GET /" in line for line in problem["facts"]["last_lines"])


def test_a_service_that_ends_with_success_under_restart_no_is_healthy(
    homeport_box: HomeportBox, engine_box: EngineBox
) -> None:
    publish_standin(engine_box, "acme/ends:1", mode="ends")
    homeport_box.add_definition("ends", headless_app("ends", "acme/ends:1", service='    restart: "no"\n'))

    homeport_box.succeed(homeport_box.install("ends"))

    assert homeport_box.app("ends")["state"] == "running"
    homeport_box.succeed(homeport_box.uninstall("ends", purge=True))
    assert leftovers(homeport_box, "ends") == []


def test_a_failing_build_names_the_instruction_and_its_last_lines(homeport_box: HomeportBox) -> None:
    dockerfile = (
        "FROM debian:bookworm-slim\nRUN echo first\nRUN echo the disk is made of cheese >&2 && exit 7\n"
    )
    homeport_box.add_definition("badbuild", built_app("badbuild", dockerfile))

    problem = fails(homeport_box, "badbuild")

    assert problem["code"] == "build_failed"
    assert problem["facts"]["line"] == 3
    assert problem["facts"]["exit_code"] == 7
    assert "cheese" in problem["facts"]["instruction"]
    assert any("the disk is made of cheese" in line for line in problem["facts"]["last_lines"])


def test_a_base_that_cannot_be_had_is_named(homeport_box: HomeportBox) -> None:
    homeport_box.add_definition("nobase", built_app("nobase", "FROM acme/not-there:9\nRUN true\n"))

    problem = fails(homeport_box, "nobase")

    assert problem["code"] in ("build_failed", "pull_failed")
    assert "acme/not-there:9" in problem["what"] + problem["why"]


def test_an_image_that_the_registry_does_not_have_is_named(homeport_box: HomeportBox) -> None:
    homeport_box.add_definition("noimage", pulled_app("noimage", "acme/never-pushed:1"))

    problem = fails(homeport_box, "noimage")

    assert problem["code"] == "pull_failed"
    assert problem["facts"]["image"] == "acme/never-pushed:1"


def test_a_pull_that_is_cut_off_fails_and_succeeds_when_the_line_is_back(
    homeport_box: HomeportBox, line: EngineBox
) -> None:
    publish_standin(line, "acme/cut:1", payload_bytes=4_000_000)
    homeport_box.add_definition("cut", pulled_app("cut", "acme/cut:1"))
    line.line.cut_after(1_000_000)

    problem = fails(homeport_box, "cut")
    assert problem["code"] == "pull_failed"

    line.line.mend()
    homeport_box.succeed(homeport_box.install("cut"))
    homeport_box.succeed(homeport_box.uninstall("cut", purge=True, remove_images=True))


def test_a_pull_that_stalls_is_ended_by_the_stall_limit(
    fresh_homeport: FreshHomeport, line: EngineBox
) -> None:
    box = fresh_homeport(stall_s=2)
    publish_standin(line, "acme/stuck:1", payload_bytes=4_000_000)
    box.add_definition("stuck", pulled_app("stuck", "acme/stuck:1"))
    line.line.stick()

    problem = fails(box, "stuck")

    assert problem["code"] == "stalled"


def test_a_host_port_in_foreign_hands_is_refused_before_anything_is_pulled(
    homeport_box: HomeportBox, engine_box: EngineBox
) -> None:
    homeport_box.add_definition("porty", pulled_app("porty", "acme/never-pushed:1"))

    with listening(35000 + 411):
        problem = fails(homeport_box, "porty", app_id=411)

    assert problem["code"] == "port_in_use"
    assert problem["facts"]["port"] == 35411
    assert "pytest" in problem["what"] + problem["why"] or "python" in problem["what"] + problem["why"]


def test_a_port_that_a_mere_connection_has_is_waited_for(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )  # ends without TIME_WAIT
        client.bind(("127.0.0.1", 35000 + 412))
        client.connect(server.getsockname())
        job = homeport_box.install("hydra", app_id=412)
        wait_until(lambda: "35412" in homeport_box.job(job)["detail"], what="the wait", timeout_s=20)
        assert homeport_box.job(job)["state"] == "running"

    homeport_box.succeed(job)
    assert homeport_box.visit("hydra").ok
    homeport_box.succeed(homeport_box.uninstall("hydra", purge=True))


def test_a_foreign_container_of_the_apps_name_is_left_alone(
    homeport_box: HomeportBox, engine_box: EngineBox
) -> None:
    publish_standin(engine_box, "acme/name:1")
    homeport_box.add_definition("named", pulled_app("named", "acme/name:1"))
    foreign = engine_box.client.containers.create("debian:bookworm-slim", "sleep 60", name="named")

    try:
        problem = homeport_box.fail(homeport_box.install("named"))
        assert problem["code"] == "foreign_object"
        assert engine_box.client.containers.get("named").id == foreign.id
    finally:
        foreign.remove(force=True)
    assert leftovers(homeport_box, "named") == []


def test_a_full_disk_is_seen_before_anything_is_done(fresh_homeport: FreshHomeport) -> None:
    box = fresh_homeport(spare_bytes=10**16)

    problem = fails(box, "hydra")

    assert problem["code"] == "disk_full"
    assert problem["facts"]["needed_bytes"] >= 10**16


@pytest.mark.parametrize("step", ["fetch images", "wait until healthy"])
def test_a_cancelled_install_leaves_nothing(homeport_box: HomeportBox, line: EngineBox, step: str) -> None:
    publish_standin(line, "acme/slow:1", mode="unhealthy", payload_bytes=3_000_000)
    line.remove_image("acme/slow:1")
    homeport_box.add_definition("slow", pulled_app("slow", "acme/slow:1"))
    if step == "fetch images":
        line.line.throttle(200_000)

    job = homeport_box.install("slow")
    homeport_box.wait_for_step(job, step)
    assert homeport_box.cancel(job).status_code == 202
    ended = homeport_box.wait(job, timeout_s=30)

    assert ended["state"] == "cancelled"
    assert leftovers(homeport_box, "slow") == []


def test_a_cancelled_build_leaves_nothing(homeport_box: HomeportBox, engine_box: EngineBox) -> None:
    homeport_box.add_definition("sleepy", built_app("sleepy", "FROM debian:bookworm-slim\nRUN sleep 91\n"))

    job = homeport_box.install("sleepy")
    homeport_box.wait_for_step(job, "fetch images")
    homeport_box.cancel(job)
    ended = homeport_box.wait(job, timeout_s=30)

    assert ended["state"] == "cancelled"
    assert leftovers(homeport_box, "sleepy") == []


def test_a_stopped_engine_is_named_and_the_install_works_when_it_is_back(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    pulled_images.stop()
    try:
        problem = homeport_box.fail(homeport_box.install("hydra"))
    finally:
        pulled_images.start()

    assert problem["code"] == "engine_unavailable"
    assert leftovers(homeport_box, "hydra") == []
    homeport_box.succeed(homeport_box.install("hydra"))
    homeport_box.succeed(homeport_box.uninstall("hydra", purge=True))
