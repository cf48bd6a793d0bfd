"""What the reconciler queues for an app, and what holds it back."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from homeport.models import AppState, DesiredState, Job, JobKind, JobState, Queue
from homeport.state.repairs import accept_clearing, accept_repair, tries_ended
from tests.integration.state.box import Box

WORDS = ["its install was broken off"]


def repair(
    box: Box, identifier: str = "wiki", *, is_orphan: bool = False, queue: Queue = Queue.APPS
) -> Job | None:
    with box.database.write() as conn:
        return accept_repair(
            conn, job_id=uuid4().hex, identifier=identifier, is_orphan=is_orphan, found=["it is gone"],
            now=box.now, queue=queue,
        )  # fmt: skip


def clearing(box: Box, identifier: str = "wiki") -> Job | None:
    with box.database.write() as conn:
        return accept_clearing(conn, job_id=uuid4().hex, identifier=identifier, found=WORDS, now=box.now)


def tries(box: Box, identifier: str = "wiki") -> int:
    with box.database.read() as conn:
        return len(tries_ended(conn, identifier, box.now - timedelta(days=1)))


@pytest.mark.parametrize("queue", [Queue.APPS, Queue.BUILDS])
def test_a_repair_is_on_the_queue_that_was_asked_for(box: Box, queue: Queue) -> None:
    box.add_app()

    job = repair(box, queue=queue)

    assert job is not None
    assert box.job(job).queue is queue
    assert box.job(job).parameters == {"identifier": "wiki", "orphan": False, "found": ["it is gone"]}


def test_what_was_broken_off_is_uninstalled_and_the_reason_is_told(box: Box) -> None:
    box.add_app(state=AppState.INSTALLING)

    job = clearing(box)

    assert job is not None
    assert (job.kind, job.queue) == (JobKind.UNINSTALL, Queue.APPS)
    assert box.job(job).parameters == {
        "identifier": "wiki", "purge": False, "remove_images": False, "found": WORDS,
    }  # fmt: skip
    assert [(event.kind, event.app, event.facts) for event in box.events(job)[-1:]] == [
        ("box.repaired", "wiki", {"found": WORDS})
    ]


@pytest.mark.parametrize("queue_one", [repair, clearing])
@pytest.mark.parametrize("state", AppState)
def test_no_job_is_queued_beside_one_that_is_about_to_change_the_app(
    box: Box, state: AppState, queue_one: Callable[[Box], Job | None]
) -> None:
    box.add_app(state=state)
    box.uninstall()

    assert queue_one(box) is None


@pytest.mark.parametrize("state", [AppState.INSTALLING, AppState.UNINSTALLING])
def test_an_app_that_was_left_in_the_middle_since_it_was_seen_is_not_repaired(
    box: Box, state: AppState
) -> None:
    box.add_app(state=state, desired=DesiredState.STOPPED)

    assert repair(box) is None


def test_an_app_that_runs_again_since_it_was_seen_is_not_uninstalled(box: Box) -> None:
    box.add_app()

    assert clearing(box) is None
    assert clearing(box, "gone") is None


def test_what_was_nobodys_and_is_an_apps_by_now_is_not_removed(box: Box) -> None:
    box.add_app()

    assert repair(box, is_orphan=True) is None
    assert repair(box, "gone") is None
    assert repair(box, "gone", is_orphan=True) is not None


def test_repairs_and_uninstalls_that_nobody_asked_for_count_as_tries(box: Box) -> None:
    box.add_app(state=AppState.INSTALLING)
    asked, cleared = box.uninstall(), None
    box.finish(box.taken(asked), JobState.FAILED)
    assert tries(box) == 0

    cleared = clearing(box)
    assert cleared is not None
    box.finish(box.taken(cleared), JobState.FAILED)
    assert tries(box) == 1

    box.pass_time(3600)
    orphan = repair(box, "lost", is_orphan=True)
    assert orphan is not None
    box.finish(box.taken(orphan))
    assert tries(box, "lost") == 1
    box.pass_time(86_400 - 1)
    assert (tries(box), tries(box, "lost")) == (0, 1)
