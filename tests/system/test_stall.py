"""A step that does not move is ended with the reason; one that waits for what has its own end is not."""

from collections.abc import Iterator

import pytest

from tests.harness.definitions import built_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers
from tests.harness.standins import publish_standin

IMAGE = "acme/late:1"
STALL_S = 4
SILENT = "FROM debian:bookworm-slim\nRUN echo begun && sleep 600\n"
LATE_CHECK = "test -e /since || date +%s > /since; test $$(date +%s) -ge $$(($$(cat /since) + 9))"
LATE = {
    "app.yml": 'name: late\ntitle: L\nversion: "1"\ndescription: D\nweb: {service: web, port: 80}\n',
    "docker-compose.yml": (
        "services:\n"
        f"  web: {{image: '{IMAGE}', ports: ['HOST_PORT:80'],"
        " depends_on: {db: {condition: service_healthy}}}\n"
        f"  db: {{image: '{IMAGE}', healthcheck: {{interval: 1s, start_period: 60s,"
        f" test: [CMD-SHELL, '{LATE_CHECK}']}}}}\n"
    ),
}


@pytest.fixture(scope="module")
def box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    """A Homeport that is patient for four seconds."""
    publish_standin(engine_box, IMAGE)
    with HomeportBox(engine_box, "stall", stall_s=STALL_S, healthy_s=60) as homeport:
        homeport.add_definition("silent", built_app("silent", SILENT))
        homeport.add_definition("late", LATE)
        yield homeport


def test_a_step_that_says_nothing_is_ended_and_says_where_it_stood(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    problem = box.fail(box.install("silent"), timeout_s=60)

    assert problem["code"] == "stalled"
    assert problem["facts"]["stall_s"] == STALL_S
    assert problem["remedy"]
    assert leftovers(box, "silent") == []
    assert engine_box.client.images.list(filters={"label": "homeport.definition=silent"}) == []


def test_an_app_may_take_longer_to_become_healthy_than_a_step_may_stand_still(box: HomeportBox) -> None:
    box.succeed(box.install("late"), timeout_s=90)

    assert box.visit("late").ok
    box.succeed(box.uninstall("late", purge=True))
