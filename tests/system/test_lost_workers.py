"""What the matrix of faults does not show: a job that is lost again and again, an undo that comes late."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.harness.definitions import pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers, reserved_ports
from tests.harness.points import held, kill_worker
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

IMAGE = "acme/lost:1"
SERVICE = "    volumes: ['./files:/files', 'store:/store']\nvolumes: {store: {}}\n"
APP_ID = 640
SICK_ID = 642
POINTS = "lost-points"


@pytest.fixture(scope="module")
def box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    """A Homeport with an app that runs, one that ends with an error, and points at which a job is held."""
    publish_standin(engine_box, IMAGE, payload_bytes=2_000_000)
    publish_standin(engine_box, "acme/fragile:1", mode="exits")
    points = engine_box.root / POINTS
    points.mkdir()
    with HomeportBox(engine_box, "lost", fail_points=points) as homeport:
        homeport.add_definition("lost", pulled_app("lost", IMAGE, service=SERVICE))
        homeport.add_definition("sick", pulled_app("sick", "acme/fragile:1", service=SERVICE))
        yield homeport
    engine_box.line.mend()


def test_a_job_that_brings_its_worker_down_three_times_is_undone_and_says_so(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    with held(engine_box.root / POINTS, "install/create:acted") as place:
        job = box.install("lost", app_id=APP_ID)
        for _ in range(3):
            wait_until(place.is_reached, what="the containers are there", timeout_s=60, log=box.log)
            place.forget()
            kill_worker(box)
        problem = box.fail(job, timeout_s=60)

    assert problem["code"] == "worker_lost"
    assert problem["facts"]["attempts"] == 3
    assert problem["restored"] == "Put back: create, render project, reserve, read definition."
    assert leftovers(box, "lost") == []
    box.succeed(box.install("lost", app_id=APP_ID))
    box.succeed(box.uninstall("lost", purge=True))


def test_an_install_goes_on_after_its_worker_was_killed_in_the_middle_of_a_pull(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    engine_box.remove_image(IMAGE)
    engine_box.line.throttle(200_000)
    job = box.install("lost", app_id=APP_ID)
    before = box.wait_for_step(job, "fetch images")["progress"]
    wait_until(lambda: box.job(job)["progress"] > before, what="bytes come", timeout_s=30, log=box.log)

    kill_worker(box)
    engine_box.line.mend()
    ended = box.succeed(job, timeout_s=60)

    assert (ended["attempt"], max(step["attempts"] for step in ended["steps"])) == (1, 2)
    assert box.sql("SELECT origin FROM images WHERE reference = ?", IMAGE) == [("pulled",)]
    assert box.visit("lost").ok
    box.succeed(box.uninstall("lost", purge=True, remove_images=True))
    assert leftovers(box, "lost") == []
    assert engine_box.client.images.list(IMAGE) == []


def test_an_undo_that_is_repeated_takes_nothing_from_the_next_install_of_the_name(box: HomeportBox) -> None:
    failed = box.install("sick", identifier="again", app_id=SICK_ID)
    box.fail(failed)
    box.succeed(box.install("lost", identifier="again", app_id=SICK_ID))
    claims = partial(
        box.sql, "SELECT kind, value FROM claims WHERE identifier = ? ORDER BY kind, value", "again"
    )
    before = claims()

    # As if the worker had died after the last undo, and before it could write down that it was done.
    box.sql("UPDATE steps SET state = 'failed' WHERE job_id = ? AND name = 'reserve'", failed["id"])
    box.sql(
        "UPDATE jobs SET state = 'undoing', owner = 'dead', turned_back = problem, problem = NULL,"
        " finished_at = NULL, lease_until = created_at WHERE id = ?",
        failed["id"],
    )
    wait_until(lambda: box.job(failed)["state"] == "failed", what="the second undo", timeout_s=30)

    assert before
    assert claims() == before
    assert box.visit("again").ok
    assert 35000 + SICK_ID in reserved_ports()
    box.succeed(box.uninstall("again", purge=True))
    assert leftovers(box, "again") == []
