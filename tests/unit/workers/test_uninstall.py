"""Uninstalling on a machine in memory."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from homeport.errors import CancelledError, LeaseLostError
from homeport.host.engine import ImageState
from homeport.models import AppState, DesiredState, JobKind, Queue, StepState
from homeport.plans import Ending, Outcome, StepRun
from homeport.state import images, leases
from homeport.state.accept import accept_install, accept_uninstall
from homeport.state.journal import JobJournal, under_lease
from homeport.state.schema import STEPS
from tests.unit.workers.conftest import NOW, Household, NoStop
from tests.unit.workers.fakes import container_state
from workers.operation import RunningJob
from workers.operations.uninstall import UninstallContext, release


def test_an_uninstall_keeps_the_data(household: Household) -> None:
    household.install()
    (household.project_dir / "files" / "letter").write_text("dear")

    outcome = household.uninstall()

    assert outcome.ending is Ending.SUCCEEDED
    assert household.left() == {"volumes": ["homeport-notes_store"], "files": ["notes"]}
    assert (household.project_dir / "files" / "letter").exists()
    assert not (household.project_dir / "docker-compose.yml").exists()
    assert len(household.machine.engine.images) == 2


def test_a_purge_removes_what_homeport_made_and_nothing_else(household: Household) -> None:
    household.project_dir.mkdir(parents=True)
    (household.project_dir / "mine.txt").write_text("the owner's")
    household.install()

    household.uninstall(purge=True)

    assert [path.name for path in household.project_dir.iterdir()] == ["mine.txt"]
    assert household.machine.engine.vols == {}


def test_an_app_whose_folder_its_owner_has_put_on_another_disk_can_be_purged(
    household: Household, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    household.project_dir.parent.mkdir(parents=True)
    household.project_dir.symlink_to(elsewhere)
    household.install()
    assert (elsewhere / "files").is_dir()

    outcome = household.uninstall(purge=True)

    assert outcome.ending is Ending.SUCCEEDED
    assert list(elsewhere.iterdir()) == []
    assert household.project_dir.is_symlink()


def test_images_are_removed_only_if_they_are_ours_and_unused(household: Household) -> None:
    household.install()
    engine = household.machine.engine
    engine.live["other"] = container_state("other", "theirs", {}, "database:1")

    household.uninstall(remove_images=True)

    assert list(engine.images) == ["database:1"]
    with household.database.read() as connection:
        assert [row.reference for row in images.ledger(connection)] == ["database:1"]


def test_after_a_failed_uninstall_the_app_is_repaired_and_can_be_uninstalled_again(
    household: Household,
) -> None:
    household.install()
    household.machine.engine.is_up = False

    failed = household.uninstall()

    assert failed.problem is not None
    assert (failed.problem.code, failed.problem.restored) == (
        "engine_unavailable",
        "Put back: withdraw route.",
    )
    assert _state(household) == (AppState.RUNNING, DesiredState.RUNNING)
    household.machine.engine.is_up = True
    job, repaired = household.run_next()
    assert (job.kind, repaired.ending) == (JobKind.REPAIR, Ending.SUCCEEDED)
    assert household.uninstall(purge=True).ending is Ending.SUCCEEDED
    assert household.left() == {}


def test_an_uninstall_that_is_cancelled_when_all_is_stopped_has_the_app_run_again(
    household: Household,
) -> None:
    household.install()
    containers = sorted(household.machine.engine.live)

    outcome = household.uninstall(_CancelledAfter(household, "stop"))

    assert outcome.ending is Ending.CANCELLED
    assert household.machine.engine.live == {}
    job, repaired = household.run_next()
    assert (job.parameters["found"], repaired.ending) == (
        ["its uninstall was broken off"],
        Ending.SUCCEEDED,
    )
    assert sorted(household.machine.engine.live) == containers
    assert _state(household) == (AppState.RUNNING, DesiredState.RUNNING)


def test_an_uninstall_that_has_removed_data_is_not_put_back_and_says_so(household: Household) -> None:
    household.install()

    outcome = household.uninstall(_CancelledAfter(household, "remove data"), purge=True, remove_images=True)

    assert outcome.problem is not None
    assert "Could not be put back: withdraw route" in outcome.problem.restored
    assert "some of it is gone for good" in outcome.problem.restored
    assert _state(household) == (AppState.UNINSTALLING, DesiredState.STOPPED)
    assert household.uninstall(purge=True).ending is Ending.SUCCEEDED


def test_a_worker_that_has_lost_its_uninstall_takes_nothing_from_the_next_app_of_the_name(
    household: Household,
) -> None:
    household.install()
    job = household.accept_uninstall()
    with household.database.write() as connection:
        late = leases.take(connection, job.id, owner="late", ttl_s=60, now=NOW)
    assert late is not None
    journal = JobJournal(household.database, late, log=lambda _: None, now=lambda: NOW, publish=lambda: None)
    running = RunningJob(job=job, steps=list, writing=partial(under_lease, household.database, late))
    context = UninstallContext(household.machine.tools, running)
    assert context.app is not None
    with household.database.write() as connection:
        leases.hand_back(connection, late, NOW)
    household.run_next()
    household.install()
    before = household.left()

    with pytest.raises(LeaseLostError):
        release(context, StepRun("release", {}, journal, NoStop(), lambda *_: None))

    assert household.left() == before
    assert (household.project_dir / "docker-compose.yml").exists()


def test_an_image_that_its_owner_has_named_is_kept(household: Household) -> None:
    household.install()
    engine = household.machine.engine
    engine.images["mine:1"] = replace(engine.images.pop("database:1"), tags=("mine:1",))

    household.uninstall(remove_images=True)

    assert list(engine.images) == ["mine:1"]
    assert any("it has another name, mine:1" in line for line in household.log)


def test_an_image_that_an_install_has_just_found_is_not_removed_under_it(household: Household) -> None:
    household.install()
    engine = household.machine.engine
    built = next(reference for reference in engine.images if reference.startswith("homeport/"))
    engine.images.pop("database:1")
    pull = engine.pull
    removed: list[Outcome] = []

    def pull_meanwhile(reference: str, **rest: Any) -> ImageState:
        removed.append(household.uninstall(remove_images=True))
        return pull(reference, **rest)

    engine.pull = pull_meanwhile  # type: ignore[method-assign]
    with household.database.write() as connection:
        later = accept_install(
            connection, job_id="later", identifier="later", host_name="later.localhost", app_id=None,
            definition="notes", queue=Queue.BUILDS, now=NOW,
        )  # fmt: skip

    outcome = household.run(later)

    assert [each.ending for each in removed] == [Ending.SUCCEEDED]
    assert outcome.ending is Ending.SUCCEEDED
    assert built in engine.images


def test_uninstalling_what_an_earlier_job_has_uninstalled_is_not_found(household: Household) -> None:
    household.install()
    with household.database.write() as connection:
        first, second = (
            accept_uninstall(connection, job_id=name, identifier="notes", parameters={"purge": True}, now=NOW)
            for name in ("first", "second")
        )
    household.run(first)

    outcome = household.run(second)

    assert outcome.problem is not None
    assert outcome.problem.code == "not_found"
    assert household.left() == {}


class _CancelledAfter:
    """Somebody cancels when that step is done."""

    def __init__(self, household: Household, step: str) -> None:
        self._household = household
        self._step = step

    def check(self) -> None:
        query = select(STEPS.c.name).where(STEPS.c.state == StepState.DONE)
        with self._household.database.read() as connection:
            if self._step in connection.execute(query).scalars().all():
                raise CancelledError("It was cancelled.")


def _state(household: Household) -> tuple[AppState, DesiredState]:
    app = household.app()
    assert app is not None
    return app.state, app.desired
