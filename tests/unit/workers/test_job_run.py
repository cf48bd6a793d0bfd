"""One run of a leased job, where it fails outside its steps."""

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import func, select

from homeport.models import Job, JobKind, JobState
from homeport.state import jobs, leases
from homeport.state.journal import JobJournal
from homeport.state.schema import CLAIMS
from tests.unit.workers.conftest import NOW, Household
from workers.fail_points import FolderFailPoints, point_file
from workers.job_run import JobRun
from workers.lease_keeper import RunningControl, UndoingControl
from workers.operation import Operation
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


def carry_out(household: Household, job: Job, points: Path, operations: Mapping[JobKind, Operation]) -> Job:
    """The job after one run of it."""
    with household.database.write() as connection:
        lease = leases.take(connection, job.id, owner="test", ttl_s=60, now=NOW)
    assert lease is not None
    stopping = threading.Event()
    control = RunningControl(stopping)
    run = JobRun(
        job=job,
        lease=lease,
        database=household.database,
        journal=JobJournal(
            household.database, lease, log=lambda _line: None, now=lambda: NOW, publish=lambda: None
        ),
        control=control,
        undo_control=UndoingControl(control, stopping),
        now=lambda: NOW,
        fail_points=FolderFailPoints(points),
    )
    run.to_its_end(operations)
    with household.database.read() as connection:
        found = jobs.find_job(connection, job.id)
    assert found is not None
    return found


def claims_of(household: Household) -> int:
    with household.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(CLAIMS)).scalar_one())
