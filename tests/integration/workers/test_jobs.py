"""Jobs from the doorbell to their end, on a real database and a real Valkey."""

import subprocess
import time
from pathlib import Path

import pytest
from dramatiq.worker import WorkerThread

from homeport.errors import DiskFullError
from homeport.events import EventKind
from homeport.models import Job, JobState, Queue, StepState
from homeport.state import events
from tests.integration.workers.conftest import WorkerBox
from tests.integration.workers.operations import STEPS

ROOT = Path(__file__).resolve().parents[3]


def test_a_job_runs_all_its_steps_and_says_what_came_of_it(box: WorkerBox) -> None:
    with box.workers():
        job = box.until_ended(box.send("wiki"))

    assert job.state is JobState.SUCCEEDED
    assert job.result == {"made": "wiki"}
    assert job.progress == 1.0
    assert [(step.name, step.state) for step in box.steps(job)] == [(name, StepState.DONE) for name in STEPS]
    log = (box.settings.jobs_dir / f"{job.id}.log").read_text()
    assert log.splitlines()[-1].endswith("Z Succeeded.")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_has_everything_undone(box: WorkerBox, step: str) -> None:
    box.world.failure = DiskFullError("No space.", why="It is full.", remedy="Free some.")

    with box.workers():
        job = box.until_ended(box.send("wiki", fail=step))

    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert (job.problem.code, job.problem.what) == ("disk_full", "No space.")
    assert job.problem.restored.startswith("Put back: ")
    assert box.world.things == []
    assert {row.state for row in box.steps(job)} == {StepState.UNDONE}
    assert box.world.given_up == ["wiki"]


@pytest.mark.parametrize("failure", [SystemExit(3), KeyboardInterrupt(), MemoryError(), ValueError("odd")])
def test_whatever_a_step_raises_the_job_fails_and_is_undone(box: WorkerBox, failure: BaseException) -> None:
    box.world.failure = failure

    with box.workers():
        job = box.until_ended(box.send("wiki", fail="second"))
        following = box.until_ended(box.send("wiki"))

    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert job.problem.code == "internal_error"
    assert following.state is JobState.SUCCEEDED


def test_a_job_whose_plan_cannot_be_built_fails(box: WorkerBox) -> None:
    with box.workers():
        job = box.until_ended(box.send("wiki", fail="building"))

    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert "it broke" in job.problem.why


def test_a_cancel_takes_effect_within_two_seconds_and_is_undone(box: WorkerBox) -> None:
    with box.workers():
        job = box.send("wiki", wait="second")
        box.until(lambda: ("wiki", "second") in box.world.things)

        box.cancel(job)

        took_s = box.until(lambda: box.job(job).state.is_terminal)
    assert took_s < 2
    assert box.job(job).state is JobState.CANCELLED
    assert box.world.things == []


def test_a_stop_hands_the_job_back_and_the_next_worker_goes_on_at_the_unfinished_step(
    box: WorkerBox,
) -> None:
    with box.workers():
        job = box.send("wiki", wait="second")
        box.until(lambda: ("wiki", "second") in box.world.things)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    handed_back = box.job(job)
    assert (handed_back.state, handed_back.attempt) == (JobState.QUEUED, 1)
    assert box.world.things == [("wiki", "first"), ("wiki", "second")]

    box.world.gate.set()
    with box.workers():
        ended = box.until_ended(job)

    assert ended.state is JobState.SUCCEEDED
    assert box.world.done == [("wiki", name) for name in STEPS]
    assert [row.attempts for row in box.steps(job)] == [1, 2, 1]


def test_a_stop_during_an_undo_lets_the_next_worker_go_on_undoing(box: WorkerBox) -> None:
    with box.workers():
        job = box.send("wiki", fail="second", wait_undo="first")
        box.until_state(job, JobState.UNDOING)

    assert box.job(job).state is JobState.QUEUED
    box.world.gate.set()
    with box.workers():
        ended = box.until_ended(job)

    assert ended.state is JobState.FAILED
    assert ended.problem is not None
    assert "it broke" in ended.problem.why
    assert box.world.things == []


def _leave_in_second_step(box: WorkerBox) -> Job:
    """A job that its worker handed back when it had begun."""
    with box.workers():
        job = box.send("wiki", wait="second")
        box.until(lambda: ("wiki", "second") in box.world.things)
    box.world.gate.set()
    return job


def test_a_job_that_is_cancelled_while_it_waits_for_its_next_worker_is_undone(box: WorkerBox) -> None:
    job = _leave_in_second_step(box)

    box.cancel(job)
    box.runner().run(job.id)

    assert box.job(job).state is JobState.CANCELLED
    assert box.world.done == [("wiki", "first")]
    assert box.world.things == []


def test_a_cancel_does_not_stop_an_undo(box: WorkerBox) -> None:
    with box.workers():
        job = box.send("wiki", fail="second", wait_undo="first")
        box.until_state(job, JobState.UNDOING)

        box.cancel(job)
        time.sleep(1.2)  # it has been looked for twice
        state = box.job(job).state
        box.world.gate.set()
        ended = box.until_ended(job)

    assert state is JobState.UNDOING
    assert ended.state is JobState.FAILED
    assert ended.problem is not None
    assert "it broke" in ended.problem.why
    assert ended.problem.restored == "Put back: second, first."
    assert box.world.things == []


def test_a_job_that_is_cancelled_while_its_undo_waits_for_the_next_worker_is_undone(box: WorkerBox) -> None:
    with box.workers():
        job = box.send("wiki", fail="second", wait_undo="first")
        box.until_state(job, JobState.UNDOING)
    box.world.gate.set()

    box.cancel(job)
    box.runner().run(job.id)

    ended = box.job(job)
    assert ended.state is JobState.FAILED
    assert ended.problem is not None
    assert ended.problem.restored == "Put back: second, first."
    assert box.world.things == []


def test_a_job_whose_log_cannot_be_opened_is_carried_out_without_it(box: WorkerBox) -> None:
    box.settings.jobs_dir.write_text("in the way")
    job = box.add("wiki")

    box.runner().run(job.id)

    assert box.job(job).state is JobState.SUCCEEDED
    assert box.job(job).attempt == 0


def test_two_jobs_of_one_app_run_one_after_the_other_and_the_second_says_that_it_waits(
    box: WorkerBox,
) -> None:
    with box.workers():
        first = box.send("wiki", wait="first")
        box.until_state(first, JobState.RUNNING)
        second = box.send("wiki")
        box.until(lambda: box.job(second).waiting_for == first.id)
        other = box.until_ended(box.send("blog"))

        box.world.gate.set()
        box.until_ended(second)

    assert other.state is JobState.SUCCEEDED
    assert box.job(first).state is JobState.SUCCEEDED
    started, finished = box.job(second).started_at, box.job(first).finished_at
    assert started is not None
    assert finished is not None
    assert started >= finished


def test_builds_run_one_at_a_time_and_hold_up_no_other_job(box: WorkerBox) -> None:
    with box.workers():
        first = box.send("wiki", queue=Queue.BUILDS, wait="first")
        box.until_state(first, JobState.RUNNING)
        second = box.send("blog", queue=Queue.BUILDS)
        other = box.until_ended(box.send("feed"))
        time.sleep(0.3)

        assert box.job(second).state is JobState.QUEUED
        assert other.state is JobState.SUCCEEDED
        box.world.gate.set()
        box.until_ended(second)


def test_a_worker_that_was_silent_for_its_lease_writes_nothing_more(box: WorkerBox) -> None:
    with box.workers():
        job = box.send("wiki", wait="second")
        box.until(lambda: ("wiki", "second") in box.world.things)
        with box.database.write() as connection:
            connection.exec_driver_sql("UPDATE jobs SET fence = fence + 1, owner = 'another'")

        time.sleep(2.5)
        assert [row.state for row in box.steps(job)] == [StepState.DONE, StepState.RUNNING]

    assert box.job(job).state is JobState.RUNNING


def test_every_step_runs_inside_a_dramatiq_worker(box: WorkerBox) -> None:
    with box.workers():
        box.until_ended(box.send("wiki"))
        box.until_ended(box.send("blog", queue=Queue.BUILDS, fail="second"))

    assert box.world.threads
    assert all(isinstance(thread, WorkerThread) for thread in box.world.threads)


def test_only_the_job_runner_takes_leases_and_only_the_actor_is_given_it() -> None:
    def places(pattern: str) -> set[str]:
        found = subprocess.run(
            [
                "grep",
                "-rlE",
                "--include=*.py",
                pattern,
                "api",
                "workers",
                "build_cache",
                "compose",
                "homeport",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return set(found.stdout.split())

    assert places(r"leases\.take\(|import .*\btake\b") == {"workers/job.py"}
    assert places(r"declare_run_job\(") == {"workers/actor.py", "workers/run.py"}
    assert places(r"runner\.run\b") == {"workers/run.py"}


def test_events_tell_of_start_steps_and_end(box: WorkerBox) -> None:
    with box.workers():
        job = box.until_ended(box.send("wiki"))

    with box.database.read() as connection:
        kinds = [event.kind for event in events.events_after(connection, 0, job=job.id)]
    assert kinds[:2] == [EventKind.JOB_QUEUED, EventKind.JOB_STARTED]
    assert kinds[-1] == EventKind.JOB_FINISHED
    assert kinds.count(EventKind.JOB_STEP) == 2 * len(STEPS)
