"""One run of a leased job, where it fails outside its steps, or cannot write down how they went."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from homeport.errors import HandedBackError, LeaseLostError, Problem, StateUnavailableError, UnhealthyError
from homeport.models import Job, JobKind, JobState
from homeport.plans import Plan, Step, StepRun
from homeport.state import jobs, leases
from homeport.state.fail_points import FailPoints, FolderFailPoints, nowhere, point_file
from homeport.state.journal import JobJournal
from homeport.state.schema import CLAIMS
from tests.unit.workers.conftest import NOW, Household
from workers import job_run
from workers.job_run import JobRun
from workers.lease_keeper import RunningControl, UndoingControl
from workers.operation import Operation, OperationContext, RunningJob
from workers.operations import operations_with


def test_an_install_that_fails_before_its_first_step_gives_back_what_it_claimed(
    household: Household, tmp_path: Path
) -> None:
    point_file(tmp_path, "install:taken").write_text("raise")

    ended = carry_out(
        household, household.accept_install(), tmp_path, operations_with(household.machine.tools)
    )

    assert ended.state is JobState.FAILED
    assert ended.problem is not None
    assert ended.problem.restored == "Nothing had been changed."
    assert claims_of(household) == 0


def test_an_install_whose_plan_cannot_be_made_gives_back_what_it_claimed(
    household: Household, tmp_path: Path
) -> None:
    ended = carry_out(household, household.accept_install(), tmp_path, {})

    assert ended.state is JobState.FAILED
    assert claims_of(household) == 0


@pytest.mark.parametrize(
    "point", ["install/read definition:begun", "install/reserve:acted", "install/record:begun"]
)
def test_an_install_that_fails_at_a_step_gives_back_what_it_claimed(
    household: Household, tmp_path: Path, point: str
) -> None:
    point_file(tmp_path, point).write_text("raise")

    ended = carry_out(
        household, household.accept_install(), tmp_path, operations_with(household.machine.tools)
    )

    assert ended.state is JobState.FAILED
    assert claims_of(household) == 0


class Unwritable(JobJournal):
    """A journal that cannot be written in some moments: `refusals` by the name of the write."""

    refusals: Counter[str]

    def failed(self, step: str, problem: Problem) -> None:
        self.refuse("failed")
        super().failed(step, problem)

    def undoing(self, problem: Problem) -> None:
        self.refuse("undoing")
        super().undoing(problem)

    def undone(self, step: str) -> None:
        self.refuse("undone")
        super().undone(step)

    def refuse(self, write: str) -> None:
        if self.refusals[write] > 0:
            self.refusals[write] -= 1
            raise StateUnavailableError("The database is locked.")


def be_sick(_control: object) -> None:
    raise UnhealthyError("It is not healthy.")


@pytest.mark.parametrize(
    "refusals",
    [
        {"failed": 3},
        {"undoing": 3},
        {"undone": 1},
        {"undone": 5},
        {"failed": 2, "undoing": 2, "undone": 2},
    ],
    ids=str,
)
def test_an_undo_goes_on_when_the_database_can_be_written_again_and_its_first_reason_is_told(
    household: Household, monkeypatch: pytest.MonkeyPatch, refusals: dict[str, int]
) -> None:
    monkeypatch.setattr(job_run, "_WRITE_AGAIN_S", 0.0)
    household.machine.on_health = be_sick
    run, _control = leased(household, household.accept_install(), refusals=refusals)

    run.to_its_end(operations_with(household.machine.tools))

    ended = job_of(household, run)
    assert ended.state is JobState.FAILED
    assert ended.problem is not None
    assert ended.problem.code == "unhealthy"
    assert ended.problem.restored.startswith("Put back: ")
    assert household.left() == {}


def test_an_undo_step_that_cannot_write_is_done_again_and_not_told_as_left(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_run, "_WRITE_AGAIN_S", 0.0)
    household.machine.on_health = be_sick
    run, _control = leased(household, household.accept_install())
    operations = operations_with(household.machine.tools)
    refusing = {**operations, JobKind.INSTALL: refusing_undos(operations[JobKind.INSTALL], times=2)}

    run.to_its_end(refusing)

    ended = job_of(household, run)
    assert ended.problem is not None
    assert ended.problem.code == "unhealthy"
    assert "Could not" not in ended.problem.restored
    assert household.left() == {}


@pytest.mark.parametrize("reason", [LeaseLostError, HandedBackError])
def test_a_worker_that_may_not_go_on_leaves_an_undo_that_waits_for_the_database_to_the_next(
    household: Household, monkeypatch: pytest.MonkeyPatch, reason: type[Exception]
) -> None:
    monkeypatch.setattr(job_run, "_WRITE_AGAIN_S", 0.0)
    household.machine.on_health = be_sick
    run, control = leased(household, household.accept_install(), refusals={"undone": 1000})
    stop = control.lost if reason is LeaseLostError else control.stopping
    ways: list[None] = []

    def make_way() -> None:
        ways.append(None)
        if len(ways) == 3:
            stop.set()

    with pytest.raises(reason):
        replace(run, make_way=make_way).to_its_end(operations_with(household.machine.tools))

    left = job_of(household, run)
    assert len(ways) == 3
    assert left.state is JobState.UNDOING
    assert left.problem is not None
    assert left.problem.code == "unhealthy"


def refusing_undos(operation: Operation, *, times: int) -> Operation:
    """The operation, each of whose undos cannot write so many times."""

    def build(running: RunningJob) -> tuple[Plan[Any], OperationContext]:
        plan, context = operation(running)
        return Plan(*(refusing(step) for step in plan.steps)), context

    def refusing(step: Step[Any]) -> Step[Any]:
        undo, tries = step.undo, count()
        if undo is None:
            return step

        def refuse(context: Any, run: StepRun) -> None:
            if next(tries) < times:
                raise StateUnavailableError("The database is locked.")
            undo(context, run)

        return replace(step, undo=refuse)

    return build


class Stops(RunningControl):
    """A control that knows what it stops for."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        super().__init__(self.stopping)


def leased(
    household: Household, job: Job, points: FailPoints = nowhere, *, refusals: Mapping[str, int] | None = None
) -> tuple[JobRun, Stops]:
    """A run of the job that has its lease, with what stops it."""
    with household.database.write() as connection:
        lease = leases.take(connection, job.id, owner="test", ttl_s=60, now=NOW)
    assert lease is not None
    control = Stops()
    journal = Unwritable(
        household.database, lease, log=lambda _line: None, now=lambda: NOW, publish=lambda: None
    )
    journal.refusals = Counter(refusals or {})
    run = JobRun(
        job=job,
        lease=lease,
        database=household.database,
        journal=journal,
        control=control,
        undo_control=UndoingControl(control, control.stopping),
        now=lambda: NOW,
        fail_points=points,
    )
    return run, control


def carry_out(household: Household, job: Job, points: Path, operations: Mapping[JobKind, Operation]) -> Job:
    """The job after one run of it."""
    run, _control = leased(household, job, FolderFailPoints(points))
    run.to_its_end(operations)
    return job_of(household, run)


def job_of(household: Household, run: JobRun) -> Job:
    """The job as it stands."""
    with household.database.read() as connection:
        found = jobs.find_job(connection, run.job.id)
    assert found is not None
    return found


def claims_of(household: Household) -> int:
    with household.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(CLAIMS)).scalar_one())
