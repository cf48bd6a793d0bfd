"""Accepting, listing and cancelling jobs, and their journal."""

import sqlite3
from datetime import timedelta

import pytest
from sqlalchemy import select

from homeport.errors import NotFoundError, NotPossibleNowError, Problem
from homeport.events import EventKind
from homeport.models import JobKind, JobState, Queue, StepState
from homeport.state.accept import accept_uninstall
from homeport.state.events import events_after, latest_seq
from homeport.state.jobs import count_jobs, find_job, job_steps, list_jobs, request_cancel
from homeport.state.schema import CLAIMS
from tests.integration.state.box import PROBLEM, Box


def _claimed(box: Box) -> set[str]:
    with box.database.read() as conn:
        return set(conn.execute(select(CLAIMS.c.identifier)).scalars())


def test_an_accepted_install_comes_back_as_it_was_given(box: Box) -> None:
    job = box.install(app_id=12)

    assert box.job(job) == job
    assert (job.kind, job.subject, job.queue, job.state) == (
        JobKind.INSTALL,
        "wiki",
        Queue.APPS,
        JobState.QUEUED,
    )
    assert job.created_at == box.now
    assert job.created_at.utcoffset() == timedelta(0)
    [event] = box.events(job)
    assert (event.kind, event.app, event.at) == (EventKind.JOB_QUEUED, "wiki", box.now)


def test_an_accepted_job_is_on_disk_for_others_at_once(box: Box) -> None:
    job = box.install()

    other = sqlite3.connect(box.url.removeprefix("sqlite:///"))
    assert other.execute("SELECT id, state FROM jobs").fetchall() == [(job.id, "queued")]
    other.close()


def test_uninstalling_what_is_not_installed_is_refused(box: Box) -> None:
    with pytest.raises(NotFoundError, match="no app 'wiki'"), box.database.write() as conn:
        accept_uninstall(conn, job_id="x", identifier="wiki", parameters={}, now=box.now)


def test_an_accepted_uninstall_keeps_its_parameters(box: Box) -> None:
    box.add_app()

    job = box.uninstall()

    assert (job.kind, job.parameters) == (JobKind.UNINSTALL, {"identifier": "wiki", "purge": True})


def test_jobs_are_listed_newest_first_by_page_app_and_state(box: Box) -> None:
    jobs = [box.install(name) for name in ("one", "two", "three", "four")]
    box.taken(jobs[1])

    with box.database.read() as conn:
        page = list_jobs(conn, before_seq=None, limit=3)
        rest = list_jobs(conn, before_seq=page[-1].seq, limit=3)
        of_app = list_jobs(conn, before_seq=None, limit=3, app="three")
        running = list_jobs(conn, before_seq=None, limit=3, state=JobState.RUNNING)
        counts = count_jobs(conn)

    assert [job.subject for job in [*page, *rest]] == ["four", "three", "two", "one"]
    assert [job.subject for job in of_app] == ["three"]
    assert [job.subject for job in running] == ["two"]
    assert counts == {(JobKind.INSTALL, JobState.QUEUED): 3, (JobKind.INSTALL, JobState.RUNNING): 1}


def test_a_waiting_install_is_cancelled_at_once_and_gives_back_its_claims(box: Box) -> None:
    box.install("blog")
    job = box.install("wiki")

    cancelled = box.cancel(job)

    assert cancelled.state is JobState.CANCELLED
    assert cancelled.problem is not None
    assert cancelled.problem.code == "cancelled"
    assert cancelled.finished_at == box.now
    assert box.kinds(job) == [EventKind.JOB_QUEUED, EventKind.JOB_FINISHED]
    assert _claimed(box) == {"blog"}
    assert box.take(job) is None


def test_a_cancelled_uninstall_leaves_the_app_its_claims(box: Box) -> None:
    box.add_app("wiki")

    box.cancel(box.uninstall("wiki"))

    assert _claimed(box) == {"wiki"}


def test_what_waited_for_a_cancelled_job_may_go_on(box: Box) -> None:
    box.add_app()
    first, second = box.uninstall(), box.uninstall()
    box.take(second)

    box.cancel(first)

    assert box.job(second).waiting_for is None
    assert box.job(second).attempt == 1
    assert box.take(second) is not None


def test_a_running_job_is_asked_to_turn_back(box: Box) -> None:
    job = box.install()
    box.taken(job)

    for _ in range(2):
        asked = box.cancel(job)

        assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    assert _claimed(box) == {"wiki"}


def test_a_queued_job_that_had_begun_is_not_cancelled_behind_its_back(box: Box) -> None:
    job = box.install()
    lease = box.taken(job)
    box.journal(lease).begun("reserve")
    box.hand_back(lease)

    asked = box.cancel(job)

    assert (asked.state, asked.cancel_requested) == (JobState.QUEUED, True)
    assert _claimed(box) == {"wiki"}
    assert box.take(job) is not None


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_has_ended_cannot_be_cancelled(box: Box, state: JobState) -> None:
    job = box.install()
    box.finish(box.taken(job), state)

    with pytest.raises(NotPossibleNowError, match="has ended") as caught:
        box.cancel(job)
    assert ("Uninstall" in caught.value.remedy) is (state is JobState.SUCCEEDED)
    assert box.job(job).cancel_requested is False


def test_cancelling_what_does_not_exist_is_refused(box: Box) -> None:
    with pytest.raises(NotFoundError), box.database.write() as conn:
        request_cancel(conn, "none", box.now)
    with box.database.read() as conn:
        assert find_job(conn, "none") is None


def test_the_journal_keeps_each_step_in_order(box: Box) -> None:
    job = box.install()
    lease = box.taken(job)
    journal = box.journal(lease)

    journal.begun("reserve")
    journal.saved("reserve", {"port": 35001})
    box.pass_time(1)
    journal.done("reserve", {"port": 35001, "reserved": True})
    journal.begun("fetch images")
    journal.failed("fetch images", Problem(code="pull_failed", what="Cut off."))
    box.hand_back(lease)
    journal = box.journal(box.taken(job))
    journal.begun("fetch images")

    reserve, fetch = journal.steps()
    assert (reserve.name, reserve.state, reserve.attempts) == ("reserve", StepState.DONE, 1)
    assert reserve.record == {"port": 35001, "reserved": True}
    assert reserve.started_at is not None
    assert reserve.finished_at == reserve.started_at + timedelta(seconds=1)
    assert (fetch.name, fetch.state, fetch.attempts) == ("fetch images", StepState.RUNNING, 2)
    assert box.job(job).step == "fetch images"
    steps = [event.facts for event in box.events(job) if event.kind == EventKind.JOB_STEP]
    assert steps == [
        {"step": "reserve", "state": "running"},
        {"step": "reserve", "state": "done"},
        {"step": "fetch images", "state": "running"},
        {"step": "fetch images", "state": "failed"},
        {"step": "fetch images", "state": "running"},
    ]


def test_turning_back_is_shown_while_it_goes_on(box: Box) -> None:
    job = box.install()
    journal = box.journal(box.taken(job))
    journal.begun("start")
    journal.undoing(PROBLEM)
    journal.undone("start")

    assert box.job(job).state is JobState.UNDOING
    assert box.job(job).problem == PROBLEM
    with box.database.read() as conn:
        assert [row.state for row in job_steps(conn, job.id)] == [StepState.UNDONE]


def test_progress_is_thinned_out_and_never_falls(box: Box) -> None:
    job = box.install()
    lease = box.taken(job)
    journal = box.journal(lease)
    for permille in range(101):
        journal.progress("fetch images", permille / 1000, "")
    box.pass_time(0.5)
    journal.progress("fetch images", 0.1001, "still")

    shown = [event.facts for event in box.events(job) if event.kind == EventKind.JOB_PROGRESS]
    assert 10 <= len(shown) <= 12
    assert shown[-1] == {"progress": 0.1001, "step": "fetch images", "detail": "still", "state": "running"}

    box.hand_back(lease)
    box.journal(box.taken(job)).progress("fetch images", 0.02, "again")
    assert (box.job(job).progress, box.job(job).detail) == (0.1001, "again")


def test_events_are_read_by_page_app_and_job(box: Box) -> None:
    wiki, blog = box.install("wiki"), box.install("blog")
    box.cancel(wiki)

    with box.database.read() as conn:
        first = events_after(conn, 0, limit=2)
        rest = events_after(conn, first[-1].seq)
        assert [event.job for event in [*first, *rest]] == [wiki.id, blog.id, wiki.id]
        assert [event.kind for event in events_after(conn, 0, app="wiki")] == [
            EventKind.JOB_QUEUED,
            EventKind.JOB_FINISHED,
        ]
        assert [event.seq for event in events_after(conn, 0, job=blog.id)] == [2]
        assert latest_seq(conn) == rest[-1].seq
