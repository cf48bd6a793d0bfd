"""Whose turn it is, and who may still write."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest

from homeport.errors import LeaseLostError, TakenError
from homeport.events import EventKind
from homeport.models import Job, JobState
from homeport.state.leases import Lease, finish, hand_back, heartbeat, held_leases, reclaim_lost, take
from homeport.state.outbox import mark_sent, sendable
from tests.integration.state.box import PROBLEM, Box


def _beat(box: Box, lease: Lease) -> bool:
    with box.database.write() as conn:
        return heartbeat(conn, lease, 15, box.now)


def _losses(box: Box, job: Job) -> int:
    with closing(sqlite3.connect(box.url.removeprefix("sqlite:///"))) as conn:
        return int(conn.execute("SELECT losses FROM jobs WHERE id = ?", [job.id]).fetchone()[0])


def test_a_queued_job_is_taken_once(box: Box) -> None:
    job = box.install()

    assert box.take(job, owner="w1") == Lease(job_id=job.id, owner="w1", fence=1)
    assert box.take(job, owner="w2") is None
    assert box.job(job).state is JobState.RUNNING
    assert box.job(job).started_at == box.now
    assert box.kinds(job) == [EventKind.JOB_QUEUED, EventKind.JOB_STARTED]


def test_of_many_workers_that_ring_at_once_one_takes_it(box: Box) -> None:
    job = box.install()

    with ThreadPoolExecutor(8) as threads:
        leases = list(threads.map(lambda number: box.take(job, owner=f"w{number}"), range(8)))

    assert len([lease for lease in leases if lease]) == 1


def test_what_does_not_exist_or_has_ended_is_not_taken(box: Box) -> None:
    job = box.install()
    box.finish(box.taken(job))

    assert box.take(job) is None


def test_a_second_job_of_an_app_waits_for_the_first_and_says_so_once(box: Box) -> None:
    box.add_app()
    first, second = box.uninstall(), box.uninstall()
    lease = box.taken(first)

    assert [box.take(second), box.take(second)] == [None, None]

    assert box.job(second).waiting_for == first.id
    assert box.kinds(second) == [EventKind.JOB_QUEUED, EventKind.JOB_WAITING]
    assert box.finish(lease) == [second.id]
    assert box.job(second).waiting_for is None
    assert box.job(second).attempt == 1
    assert box.take(second) is not None


def test_jobs_of_an_app_keep_their_order_of_arrival(box: Box) -> None:
    box.add_app()
    first, second, third = box.uninstall(), box.uninstall(), box.uninstall()

    assert box.take(third) is None
    assert box.job(third).waiting_for == first.id
    assert box.finish(box.taken(first)) == [third.id]
    assert box.take(third) is None
    assert box.job(third).waiting_for == second.id
    assert box.finish(box.taken(second)) == [third.id]
    assert box.take(third) is not None


def test_different_apps_run_side_by_side(box: Box) -> None:
    jobs = [box.install("wiki"), box.install("blog")]

    leases = [box.take(job) for job in jobs]

    assert all(leases)


def test_a_heartbeat_keeps_the_lease_and_tells_of_a_cancel(box: Box) -> None:
    job = box.install()
    lease = box.taken(job)
    box.journal(lease).begun("reserve")
    box.pass_time(14)

    assert _beat(box, lease) is False
    box.cancel(job)
    box.pass_time(14)
    assert box.reclaim() == []
    assert _beat(box, lease) is True


def _beat_late(box: Box, lease: Lease) -> None:
    _beat(box, lease)


def _finish_late(box: Box, lease: Lease) -> None:
    with box.database.write() as conn:
        finish(conn, lease, state=JobState.FAILED, problem=PROBLEM, result=None, now=box.now)


def _hand_back_late(box: Box, lease: Lease) -> None:
    with box.database.write() as conn:
        hand_back(conn, lease, box.now)


@pytest.mark.parametrize(
    "write",
    [
        _beat_late,
        _finish_late,
        _hand_back_late,
        lambda box, lease: box.journal(lease).begun("start"),
        lambda box, lease: box.journal(lease).saved("reserve", {}),
        lambda box, lease: box.journal(lease).done("reserve", {}),
        lambda box, lease: box.journal(lease).failed("reserve", PROBLEM),
        lambda box, lease: box.journal(lease).undone("reserve"),
        lambda box, lease: box.journal(lease).undoing(PROBLEM),
        lambda box, lease: box.journal(lease).progress("reserve", 0.5, ""),
    ],
)
@pytest.mark.parametrize("taken_again", [True, False])
def test_a_late_worker_is_refused(
    box: Box, write: Callable[[Box, Lease], None], *, taken_again: bool
) -> None:
    job = box.install()
    late = box.taken(job, owner="w1")
    box.journal(late).begun("reserve")
    box.pass_time(16)
    box.reclaim()
    if taken_again:
        box.taken(job, owner="w1")  # by the same name: the number tells them apart
    before = (box.job(job), box.events())

    with pytest.raises(LeaseLostError):
        write(box, late)

    assert (box.job(job), box.events()) == before


def test_a_job_that_is_handed_back_goes_on_elsewhere_without_a_loss(box: Box) -> None:
    job = box.install()
    box.hand_back(box.taken(job))

    assert box.job(job).state is JobState.QUEUED
    assert box.job(job).attempt == 1
    assert _losses(box, job) == 0
    assert box.taken(job, owner="w2").fence == 2


def test_a_silent_worker_loses_its_job_and_it_is_queued_again(box: Box) -> None:
    job = box.install()
    box.taken(job)
    box.pass_time(14.9)
    assert box.reclaim() == []
    box.pass_time(0.2)

    assert box.reclaim() == [job.id]

    assert box.job(job).state is JobState.QUEUED
    assert box.job(job).attempt == 1
    assert _losses(box, job) == 1


def test_an_expired_lease_is_taken_by_nobody_before_its_loss_was_counted(box: Box) -> None:
    job = box.install()
    box.taken(job, owner="w1")
    box.pass_time(16)
    assert box.take(job, owner="w2") is None

    box.reclaim()

    assert box.taken(job, owner="w2").fence == 2
    assert _losses(box, job) == 1


def test_a_job_that_brought_its_worker_down_three_times_is_only_undone(box: Box) -> None:
    job = box.install()
    for _ in range(3):
        assert box.job(job).problem is None
        box.taken(job)
        box.pass_time(16)
        box.reclaim(max_losses=3)

    box.taken(job)

    undone = box.job(job)
    assert undone.state is JobState.UNDOING
    assert undone.problem is not None
    assert undone.problem.code == "worker_lost"
    assert undone.problem.facts == {"attempts": 3}


def test_an_undo_that_brings_its_worker_down_three_times_ends_and_says_what_is_left(box: Box) -> None:
    job = box.install()
    later = box.install("wiki2", app_id=9)
    for _ in range(5):
        lease = box.taken(job)
        box.journal(lease).begun("reserve")
        box.pass_time(16)
        box.reclaim(max_losses=3)
    assert box.job(job).state is JobState.QUEUED
    box.taken(job)
    box.pass_time(16)

    assert box.reclaim(max_losses=3) == []

    ended = box.job(job)
    assert ended.state is JobState.FAILED
    assert ended.problem is not None
    assert ended.problem.code == "worker_lost"
    assert ended.problem.restored == "Could not be put back, since the worker was lost 6 times: reserve."
    assert box.events(job)[-1].kind == EventKind.JOB_FINISHED
    box.install()  # the names are free, since no app was recorded
    assert box.job(later).state is JobState.QUEUED


def test_an_undo_without_end_keeps_the_names_of_a_recorded_app_and_lets_the_next_job_go(box: Box) -> None:
    box.add_app()
    job, following = box.uninstall(), box.uninstall()
    lease = box.taken(job)
    assert box.take(following) is None
    box.journal(lease).begun("stop")
    box.journal(lease).undoing(PROBLEM)
    box.pass_time(16)

    assert box.reclaim(max_losses=0) == [following.id]

    ended = box.job(job)
    assert ended.problem is not None
    assert "`homeport uninstall wiki` removes it" in ended.problem.restored
    with pytest.raises(TakenError):
        box.install()
    assert box.take(following) is not None


@pytest.mark.parametrize("crashed", [True, False])
def test_what_was_being_undone_is_undone_further(box: Box, *, crashed: bool) -> None:
    job = box.install()
    lease = box.taken(job)
    box.journal(lease).undoing(PROBLEM)
    if crashed:
        box.pass_time(16)
        box.reclaim(max_losses=1)
    else:
        box.hand_back(lease)

    box.taken(job)

    assert box.job(job).state is JobState.UNDOING
    assert box.job(job).problem == PROBLEM


def test_a_finished_job_says_how_it_ended(box: Box) -> None:
    job = box.install()
    lease = box.taken(job)

    with box.database.write() as conn:
        result = {"url": "http://wiki.localhost"}
        finish(conn, lease, state=JobState.SUCCEEDED, problem=None, result=result, now=box.now)

    ended = box.job(job)
    assert (ended.state, ended.progress, ended.result) == (JobState.SUCCEEDED, 1.0, result)
    assert ended.finished_at == box.now
    assert box.events(job)[-1].facts == {
        "kind": "install",
        "subject": "wiki",
        "state": "succeeded",
        "problem": None,
    }


def test_a_job_does_not_end_as_running(box: Box) -> None:
    lease = box.taken(box.install())

    with pytest.raises(ValueError, match="does not end"):
        box.finish(lease, JobState.RUNNING)


def _send(box: Box, sent_before_s: float) -> list[str]:
    """Sends what was never sent, or last sent that long ago; their subjects."""
    with box.database.write() as conn:
        jobs = sendable(conn, limit=10, sent_before=box.now - timedelta(seconds=sent_before_s))
        mark_sent(conn, [job.id for job in jobs], box.now)
    return [job.subject for job in jobs]


def test_what_is_queued_is_sent_in_order_and_again_after_a_while(box: Box) -> None:
    box.install("wiki")
    box.pass_time(5)
    box.install("blog")

    assert _send(box, 60) == ["wiki", "blog"]
    box.pass_time(60)
    assert _send(box, 60) == []
    box.pass_time(1)
    assert _send(box, 60) == ["wiki", "blog"]


def test_what_runs_or_waits_for_another_is_not_sent(box: Box) -> None:
    box.add_app()
    first, second = box.uninstall(), box.uninstall()
    box.taken(first)
    box.take(second)

    assert _send(box, -1) == []


def test_what_waited_is_sent_at_once_when_it_may_go_on(box: Box) -> None:
    box.add_app()
    first, second = box.uninstall(), box.uninstall()
    _send(box, 60)
    lease = box.taken(first)
    box.take(second)

    box.finish(lease)

    assert _send(box, 60) == ["wiki"]
    assert box.take(second) is not None


@pytest.mark.parametrize("crashed", [True, False])
def test_a_job_without_a_worker_is_sent_at_once(box: Box, *, crashed: bool) -> None:
    job = box.install()
    _send(box, 60)
    lease = box.taken(job)

    if crashed:
        box.pass_time(16)
        box.reclaim()
    else:
        box.hand_back(lease)

    assert _send(box, 60) == ["wiki"]


def test_only_the_jobs_whose_leases_are_said_to_be_lost_are_queued_again(box: Box) -> None:
    dead, alive = box.install("wiki"), box.install("blog")
    box.taken(dead, owner="dead")
    box.taken(alive, owner="alive")

    with box.database.write() as conn:
        lost = [held for held in held_leases(conn) if held.owner == "dead"]
        reclaimed = reclaim_lost(conn, lost, now=box.now, max_losses=3)

    assert reclaimed == [dead.id]
    assert box.job(dead).state is JobState.QUEUED
    assert _losses(box, dead) == 1
    assert box.job(alive).state is JobState.RUNNING


def _beaten(box: Box, lease: Lease) -> Lease:
    box.pass_time(1)
    _beat(box, lease)
    return lease


def _taken_anew(box: Box, lease: Lease) -> Lease:
    box.hand_back(lease)
    with box.database.write() as conn:
        again = take(conn, lease.job_id, owner=lease.owner, ttl_s=15, now=box.now)
    assert again is not None
    return again


@pytest.mark.parametrize("since", [_beaten, _taken_anew])
def test_a_worker_that_spoke_since_it_was_found_silent_keeps_its_job(
    box: Box, since: Callable[[Box, Lease], Lease]
) -> None:
    job = box.install()
    lease = box.taken(job)
    with box.database.read() as conn:
        lost = held_leases(conn)

    kept = since(box, lease)
    with box.database.write() as conn:
        reclaimed = reclaim_lost(conn, lost, now=box.now, max_losses=3)

    assert reclaimed == []
    assert _losses(box, job) == 0
    assert box.finish(kept) == []


def test_a_job_that_has_ended_since_its_worker_was_found_silent_stays_ended(box: Box) -> None:
    job = box.install()
    lease = box.taken(job)
    with box.database.read() as conn:
        lost = held_leases(conn)

    box.finish(lease)
    with box.database.write() as conn:
        reclaimed = reclaim_lost(conn, lost, now=box.now, max_losses=3)

    assert reclaimed == []
    assert box.job(job).state is JobState.SUCCEEDED


def _lose(box: Box, *jobs: Job) -> None:
    """All of them run, and their worker goes down."""
    for job in jobs:
        box.taken(job)
    box.pass_time(16)
    box.reclaim()


def _take_carefully(box: Box, job: Job) -> Lease | None:
    with box.database.write() as conn:
        return take(conn, job.id, owner="w", ttl_s=15, now=box.now, max_losses=3)


def test_of_the_jobs_at_their_last_chance_one_runs_at_a_time_so_that_none_fails_for_another(box: Box) -> None:
    killer, neighbour, other = box.install("killer"), box.install("neighbour"), box.install("other")
    _lose(box, killer, neighbour)
    _lose(box, killer, neighbour)

    last = _take_carefully(box, killer)
    assert last is not None
    assert _take_carefully(box, neighbour) is None
    assert box.job(neighbour).waiting_for == killer.id
    assert _take_carefully(box, other) is not None, "a job that lost no worker runs beside it"
    box.pass_time(16)
    box.reclaim()
    undoing = _take_carefully(box, killer)
    assert undoing is not None
    assert box.finish(undoing, JobState.FAILED) == [neighbour.id]

    assert _take_carefully(box, neighbour) is not None
    assert _losses(box, neighbour) == 2
