"""Cancelling a job whose step runs a program: it is gone at once, what it did is put back, and told."""

import time
from collections.abc import Iterator

import psutil
import pytest
import requests

from tests.harness.definitions import built_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.leftovers import leftovers
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

GONE_S = 2.0
IMAGE = "acme/patient:1"
SLOW = "FROM debian:bookworm-slim\nRUN echo begun && sleep 600\n"
WAITS = {
    "app.yml": 'name: waits\ntitle: W\nversion: "1"\ndescription: D\nweb: {service: web, port: 80}\n',
    "docker-compose.yml": (
        "services:\n"
        f"  web: {{image: '{IMAGE}', ports: ['HOST_PORT:80'],"
        " depends_on: {db: {condition: service_healthy}}}\n"
        f"  db: {{image: '{IMAGE}', healthcheck:"
        " {test: [CMD, 'false'], interval: 5s, start_period: 600s}}\n"
    ),
}


@pytest.fixture(scope="module")
def box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    """A Homeport with an app whose build takes for ever, and one whose start does."""
    publish_standin(engine_box, IMAGE)
    with HomeportBox(engine_box, "cancel") as homeport:
        homeport.add_definition("slow", built_app("slow", SLOW))
        homeport.add_definition("waits", WAITS)
        yield homeport


def programs(box: HomeportBox) -> list[psutil.Process]:
    """What the worker has started."""
    return box.component("workers").children(recursive=True)


def cancelled_in(box: HomeportBox, job: Json, program: str) -> Json:
    """The job, cancelled while the program runs, which has to be gone in time."""

    def runs() -> bool:
        return any(program in " ".join(one.cmdline()) for one in programs(box) if one.is_running())

    wait_until(runs, what=program, timeout_s=60, log=box.log)
    time.sleep(1.5)  # well into it
    asked = time.monotonic()
    assert box.cancel(job).status_code == requests.codes.accepted
    while programs(box):
        assert time.monotonic() - asked < GONE_S, [one.cmdline() for one in programs(box)]
        time.sleep(0.02)
    ended = box.wait(job, timeout_s=60)
    assert (ended["state"], ended["problem"]["code"]) == ("cancelled", "cancelled")
    return ended


def test_a_build_that_is_cancelled_is_gone_at_once(box: HomeportBox, engine_box: EngineBox) -> None:
    answer = box.post("/v1/builds", {"definition": "slow"})

    ended = cancelled_in(box, answer.json(), "buildx")

    assert "build images" in ended["problem"]["restored"]
    assert engine_box.client.images.list(filters={"label": "homeport.definition=slow"}) == []


def test_a_start_that_is_cancelled_is_gone_at_once_and_undone(box: HomeportBox) -> None:
    ended = cancelled_in(box, box.install("waits"), "compose")

    assert ended["problem"]["restored"] == "Put back: create, render project, reserve, read definition."
    assert leftovers(box, "waits") == []


def test_a_job_that_waits_for_another_is_cancelled_at_once_and_the_other_goes_on(box: HomeportBox) -> None:
    first = box.post("/v1/builds", {"definition": "slow"}).json()
    box.wait_for_step(first, "build images")
    second = box.post("/v1/builds", {"definition": "slow"}).json()

    answer = box.cancel(second)

    assert (answer.status_code, answer.json()["state"]) == (requests.codes.ok, "cancelled")
    assert answer.json()["problem"]["restored"] == "Nothing had been changed."
    assert box.job(first)["state"] == "running"
    box.cancel(first)
    assert box.wait(first)["state"] == "cancelled"
