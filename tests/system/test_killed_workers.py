"""Workers that are killed in each step of a job: the job goes on, and the box holds what it should."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from tests.harness.definitions import pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.leftovers import leftovers, reserved_ports
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

INSTALL = (
    "read definition", "reserve", "fetch images", "render project", "create", "start", "wait until healthy",
    "record",
)  # fmt: skip
UNINSTALL = ("stop", "remove data", "remove images", "release")
IMAGE = "acme/tough:1"
SERVICE = "    volumes: ['./files:/files', 'store:/store']\nvolumes: {store: {}}\n"
LOOK_S = 0.0005
APP_ID = 640


@pytest.fixture(scope="module")
def box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    """A Homeport whose lost jobs are missed soon, with an app of one image, a folder and a volume."""
    publish_standin(engine_box, IMAGE, payload_bytes=2_000_000)
    with HomeportBox(engine_box, "tough", lease_s=2) as homeport:
        homeport.add_definition("tough", pulled_app("tough", IMAGE, service=SERVICE))
        homeport.add_definition("sick", pulled_app("sick", "acme/fragile:1", service=SERVICE))
        yield homeport
    engine_box.line.mend()


def rows(box: HomeportBox, query: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(box.state_dir / "db" / "homeport.sqlite", timeout=10)) as database, database:
        return database.execute(query, values).fetchall()


def has(box: HomeportBox, query: str, *values: object) -> bool:
    return rows(box, query, *values) != []


def told(box: HomeportBox, job: Json) -> str:
    """All that a box says of a job that went another way."""
    return f"{box.job(job)}\n{box.job_log(job)}\n{box.log.read_text()[-6000:]}"


def kill_in(box: HomeportBox, job: Json, step: str, state: str = "running") -> None:
    """Kills the worker as soon as the job's step is in that state, by the database itself."""
    worker = box.component("workers")
    deadline = time.monotonic() + 60
    query = (
        "SELECT steps.state, jobs.state FROM jobs"
        " LEFT JOIN steps ON steps.job_id = jobs.id AND steps.name = ? WHERE jobs.id = ?"
    )
    with closing(sqlite3.connect(box.state_dir / "db" / "homeport.sqlite")) as database:
        while True:
            seen, job_state = database.execute(query, (step, job["id"])).fetchone()
            if state in (seen, job_state):
                break
            assert job_state not in ("succeeded", "failed"), f"{step!r} was not seen as {state!r}"
            assert time.monotonic() < deadline, f"{step!r} was never {state!r}: {told(box, job)}"
            time.sleep(LOOK_S)
    worker.kill()
    worker.wait(10)


@pytest.mark.parametrize("step", INSTALL)
def test_an_install_goes_on_after_its_worker_was_killed(
    box: HomeportBox, engine_box: EngineBox, step: str
) -> None:
    engine_box.remove_image(IMAGE)
    if step == "fetch images":
        engine_box.line.throttle(1_000_000)

    job = box.install("tough", app_id=APP_ID)
    kill_in(box, job, step)
    ended = box.succeed(job, timeout_s=60)

    assert [row["state"] for row in ended["steps"]] == ["done"] * len(INSTALL)
    assert ended["attempt"] == 1, "the worker was killed once, and the job sent once more"
    assert max(row["attempts"] for row in ended["steps"]) <= 2
    assert box.visit("tough").ok
    assert [one.name for one in engine_box.client.containers.list(all=True)].count("tough") == 1
    assert len(rows(box, "SELECT * FROM events WHERE kind = 'app.installed' AND job = ?", job["id"])) == 1
    assert rows(box, "SELECT origin FROM images WHERE reference = ?", IMAGE) == [("pulled",)]
    engine_box.line.mend()
    box.succeed(box.uninstall("tough", purge=True, remove_images=True))
    assert leftovers(box, "tough") == []
    assert engine_box.client.images.list(IMAGE) == []


@pytest.mark.parametrize("step", UNINSTALL)
def test_an_uninstall_goes_on_after_its_worker_was_killed(
    box: HomeportBox, engine_box: EngineBox, step: str
) -> None:
    box.succeed(box.install("tough", app_id=APP_ID))
    assert APP_ID + 35000 in reserved_ports()

    job = box.uninstall("tough", purge=True, remove_images=True)
    kill_in(box, job, step)
    ended = box.succeed(job, timeout_s=60)

    assert [row["state"] for row in ended["steps"]] == ["done"] * len(UNINSTALL)
    assert ended["attempt"] == 1
    assert leftovers(box, "tough") == []
    assert engine_box.client.images.list(IMAGE) == []
    assert rows(box, "SELECT * FROM images WHERE reference = ?", IMAGE) == []


@pytest.fixture(scope="module")
def sick(engine_box: EngineBox) -> None:
    """An image that ends with an error, so that its install is undone."""
    publish_standin(engine_box, "acme/fragile:1", mode="exits")


@pytest.mark.parametrize(
    ("step", "state"), [("create", "undoing"), ("create", "undone"), ("render project", "undone")]
)
def test_an_undo_goes_on_after_its_worker_was_killed(
    box: HomeportBox, sick: None, step: str, state: str
) -> None:
    job = box.install("sick", app_id=641)
    kill_in(box, job, step, state)

    problem = box.fail(job, timeout_s=60)

    assert problem["code"] == "container_exited"
    assert problem["restored"] == "Put back: create, render project, reserve, read definition."
    assert leftovers(box, "sick") == []


def test_a_job_that_brings_its_worker_down_three_times_is_undone_and_says_so(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    engine_box.remove_image(IMAGE)
    engine_box.line.throttle(20_000)
    job = box.install("tough", app_id=APP_ID)
    for losses in range(3):
        box.wait_for_step(job, "fetch images")
        runs = partial(has, box, "SELECT 1 FROM jobs WHERE id = ? AND state = 'running' AND losses = ?")
        wait_until(partial(runs, job["id"], losses), what=f"run {losses}", timeout_s=30)
        worker = box.component("workers")
        worker.kill()
        worker.wait(10)

    problem = box.fail(job, timeout_s=60)
    engine_box.line.mend()

    assert problem["code"] == "worker_lost"
    assert problem["facts"]["attempts"] == 3
    assert leftovers(box, "tough") == []


def test_an_undo_that_is_repeated_takes_nothing_from_the_next_install_of_the_name(
    box: HomeportBox, sick: None
) -> None:
    failed = box.install("sick", identifier="again", app_id=642)
    box.fail(failed)
    installed = box.install("tough", identifier="again", app_id=642)
    box.succeed(installed)
    claims = rows(box, "SELECT kind, value FROM claims WHERE identifier = 'again' ORDER BY kind")

    # As if the worker had died after the last undo, and before it could write down that it was done.
    rows(box, "UPDATE steps SET state = 'failed' WHERE job_id = ? AND name = 'reserve'", failed["id"])
    rows(
        box,
        "UPDATE jobs SET state = 'undoing', owner = 'dead', turned_back = problem, problem = NULL,"
        " finished_at = NULL, lease_until = (SELECT created_at FROM jobs WHERE id = ?) WHERE id = ?",
        failed["id"],
        failed["id"],
    )
    wait_until(lambda: box.job(failed)["state"] == "failed", what="the second undo", timeout_s=30)

    assert box.visit("again").ok
    assert rows(box, "SELECT kind, value FROM claims WHERE identifier = 'again' ORDER BY kind") == claims
    assert 35642 in reserved_ports()
    box.succeed(box.uninstall("again", purge=True))
    assert leftovers(box, "again") == []
