"""What a comparison has put right, on a machine in memory: by jobs, and without one what is no app's."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, select

from homeport.errors import StateUnavailableError
from homeport.host.engine import Engine
from homeport.host.files import remove_tree
from homeport.host.ports import add_reserved_port
from homeport.models import AppState, Job, JobKind, JobState, Queue
from homeport.plans import Ending
from homeport.state import apps, events, jobs, leases, repairs
from homeport.state.database import Database
from homeport.state.doorbell import Doorbell
from homeport.state.schema import JOBS
from tests.unit.workers.conftest import NOW, Household
from workers.operations import engine_wait
from workers.steward.reconcile import Reconciler, Rounds

RECONCILE_S = 300
CONTAINERS_GONE = (
    "the container of the service web is gone",
    "the container of the service db is gone",
)


class UnreliableDatabase(Database):
    """A database that can be read, and written so many times more."""

    writes_left = 1000

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if self.writes_left == 0:
            raise StateUnavailableError("The database is locked.")
        self.writes_left -= 1
        with super().write() as connection:
            yield connection


class Silent:
    """A doorbell that nobody hears."""

    def announce(self, *_channel: str) -> bool:
        return True


class Comparing:
    """A household, its reconciler with a clock that a test moves, and a list of reserved ports."""

    def __init__(self, household: Household) -> None:
        self.household = household
        self.engine = household.machine.engine
        self.database = UnreliableDatabase(household.settings.database)
        self.table = household.settings.state_dir.parent / "reserved"
        self.table.write_text("8080\n")
        self.time = 0.0
        self.reconciler = Reconciler(
            settings=household.settings,
            database=self.database,
            doorbell=cast("Doorbell", Silent()),
            engine=cast("Engine", self.engine),
            now=lambda: NOW + timedelta(seconds=self.time),
            ports_table=self.table,
        )
        self.rounds = Rounds(self.reconciler, clock=lambda: self.time)

    def compare(self, *, is_fresh: bool = False) -> list[str]:
        return self.reconciler.turn(is_fresh=is_fresh)

    def pass_time(self, seconds: float) -> None:
        self.time += seconds

    def queued(self) -> list[Job]:
        """The jobs that wait, by arrival."""
        with self.database.read() as connection:
            ids = connection.execute(select(JOBS.c.id).where(JOBS.c.state == JobState.QUEUED)).scalars()
            found = [jobs.find_job(connection, job_id) for job_id in ids.all()]
        return [job for job in found if job is not None]

    def fail(self, job: Job) -> None:
        """A worker takes the job, and it fails at once."""
        now = self.reconciler.now()
        with self.database.write() as connection:
            lease = leases.take(connection, job.id, owner="test", ttl_s=60, now=now)
            assert lease is not None
            leases.finish(connection, lease, state=JobState.FAILED, problem=None, result=None, now=now)

    def told(self) -> list[Any]:
        """What was told to be put right: the app, and the facts."""
        with self.database.read() as connection:
            return [
                (event.app, event.facts)
                for event in events.events_after(connection, 0)
                if event.kind == "box.repaired"
            ]

    def leave_app_in(self, state: AppState) -> None:
        """A job has left the app in the middle of its work."""
        with self.database.write() as connection:
            apps.update_app(connection, "notes", state=state, updated_at=NOW)

    def leave_project(self, name: str) -> Path:
        """A project folder of an app that is not recorded, as we rendered it, with a file of its owner's."""
        rendered = (self.household.project_dir / "docker-compose.yml").read_text()
        folder = self.household.settings.projects_dir / name
        (folder / "definition").mkdir(parents=True)
        (folder / "docker-compose.yml").write_text(
            rendered.replace("homeport.app: notes", f"homeport.app: {name}")
        )
        (folder / "mine").write_text("kept")
        return folder


@pytest.fixture
def comparing(household: Household) -> Iterator[Comparing]:
    household.install()
    comparing = Comparing(household)
    add_reserved_port(35001, run_dir=household.settings.run_dir, table=comparing.table)
    yield comparing
    comparing.database.close()


def test_a_household_that_is_as_it_shall_be_is_left_alone(comparing: Comparing) -> None:
    assert comparing.compare() == []
    assert comparing.queued() == []
    assert comparing.told() == []


def test_files_that_we_rendered_for_an_app_that_is_gone_are_removed_and_its_data_stays(
    comparing: Comparing,
) -> None:
    folder = comparing.leave_project("gone")

    comparing.compare()

    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert comparing.told() == [(None, {"files": ["projects/gone"]})]


@pytest.mark.parametrize(
    "text",
    [
        "services: {web: {image: nginx}}\n",
        "services: {}\n",
        "services: [web]\nnetworks: 5\n",
        "services: {web: {labels: ['homeport.app=gone']}}\n",
        "no: [yaml\n",
        "[" * 3000,
        None,
    ],
    ids=["theirs", "empty", "no services", "another form", "broken", "nested", "none"],
)
def test_a_project_folder_without_a_file_of_ours_is_left_alone(
    comparing: Comparing, text: str | None
) -> None:
    folder = comparing.leave_project("gone")
    (folder / "definition" / "letter").write_text("mine")
    (folder / "docker-compose.yml").unlink()
    if text is not None:
        (folder / "docker-compose.yml").write_text(text)

    comparing.compare()

    assert (folder / "definition" / "letter").read_text() == "mine"
    assert (folder / "docker-compose.yml").exists() is (text is not None)
    assert comparing.told() == []


def of_another_app(text: str) -> str:
    return text.replace("homeport.app: gone", "homeport.app: notes")


def of_another_box(text: str) -> str:
    return text.replace("homeport.box: ", "homeport.box: /srv")


def with_a_service_of_the_owners(text: str) -> str:
    return text.replace("services:\n", "services:\n  mine: {image: nginx}\n")


@pytest.mark.parametrize("changed", [of_another_app, of_another_box, with_a_service_of_the_owners])
def test_a_file_that_bears_another_mark_than_its_folders_is_left_alone(
    comparing: Comparing, changed: Callable[[str], str]
) -> None:
    file = comparing.leave_project("gone") / "docker-compose.yml"
    text = file.read_text()
    file.write_text(changed(text))
    assert file.read_text() != text

    comparing.compare()

    assert file.exists()
    assert comparing.told() == []


def test_a_mark_with_a_dollar_sign_in_it_is_known_again(tmp_path: Path) -> None:
    household = Household(tmp_path / "worth $5")
    household.install()
    comparing = Comparing(household)
    folder = comparing.leave_project("gone")

    comparing.compare()

    assert [path.name for path in folder.iterdir()] == ["mine"]
    comparing.database.close()
    household.database.close()


def test_a_file_that_its_owner_has_replaced_meanwhile_is_left_alone(
    comparing: Comparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = comparing.leave_project("gone")
    claimed = repairs.is_claimed

    def replace_meanwhile(connection: Connection, name: str) -> bool:
        (folder / "docker-compose.yml").write_text("services: {web: {image: nginx}}\n")
        return claimed(connection, name)

    monkeypatch.setattr(repairs, "is_claimed", replace_meanwhile)

    comparing.compare()

    assert (folder / "definition").is_dir()
    assert (folder / "docker-compose.yml").exists()
    assert comparing.told() == []


def test_what_cannot_be_read_holds_up_no_comparison(comparing: Comparing) -> None:
    (comparing.leave_project("huge") / "docker-compose.yml").write_bytes(b"#" * 3 * 1024 * 1024)
    pipe = comparing.leave_project("pipe") / "docker-compose.yml"
    pipe.unlink()
    os.mkfifo(pipe)
    comparing.engine.live.clear()

    assert comparing.compare() == ["notes"]
    assert comparing.told() == []


def test_what_cannot_be_removed_holds_up_nothing_else_and_is_not_told(
    comparing: Comparing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, gone = comparing.leave_project("a-stuck"), comparing.leave_project("b-gone")

    def refuse(path: Path, *, within: Path) -> None:
        if within == stuck:
            raise PermissionError(1, "Operation not permitted")
        remove_tree(path, within=within)

    monkeypatch.setattr("workers.steward.strays.remove_tree", refuse)

    comparing.compare()

    assert (stuck / "docker-compose.yml").exists(), "by its mark the rest is found again"
    assert [path.name for path in gone.iterdir()] == ["mine"]
    assert comparing.told() == [(None, {"files": ["projects/b-gone"]})]
    assert "a-stuck" in caplog.text


def test_a_thing_that_cannot_be_removed_makes_no_comparison_come_sooner(
    comparing: Comparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparing.leave_project("stuck")

    def refuse(_path: Path, *, within: Path) -> None:
        raise PermissionError(1, f"Operation not permitted: {within}")

    monkeypatch.setattr("workers.steward.strays.remove_tree", refuse)
    comparing.engine.live.clear()

    repaired = 0
    for _ in range(RECONCILE_S):
        comparing.rounds.turn()
        for job in comparing.queued():
            comparing.fail(job)
            repaired += 1
        comparing.pass_time(1)

    assert repaired == 1


def test_an_upload_of_no_job_is_removed_once_it_is_old(comparing: Comparing) -> None:
    uploads = comparing.household.settings.uploads_dir
    uploads.mkdir(exist_ok=True)
    for name, age_s in (("old.tar", 4000), ("new.tar", 10)):
        (uploads / name).touch()
        moment = NOW.timestamp() - age_s
        os.utime(uploads / name, (moment, moment))

    comparing.compare()

    assert [path.name for path in uploads.iterdir()] == ["new.tar"]
    assert comparing.told() == [(None, {"files": ["uploads/old.tar"]})]


def test_a_database_that_cannot_be_written_leaves_the_comparison_due_and_fresh(comparing: Comparing) -> None:
    comparing.engine.live.clear()
    comparing.compare()
    (first,) = comparing.queued()
    comparing.fail(first)
    comparing.database.writes_left = 0
    with pytest.raises(StateUnavailableError):
        comparing.rounds.turn()
    comparing.database.writes_left = 1000

    comparing.pass_time(1)
    comparing.rounds.turn()

    assert [job.subject for job in comparing.queued()] == ["notes"]  # at once, as only a fresh one would be


def test_a_database_that_fails_after_repairs_were_queued_makes_no_comparison_come_sooner(
    comparing: Comparing,
) -> None:
    folder = comparing.leave_project("gone")
    comparing.engine.live.clear()
    comparing.database.writes_left = 1
    comparing.rounds.turn()
    comparing.database.writes_left = 1000
    (job,) = comparing.queued()
    comparing.fail(job)

    comparing.pass_time(RECONCILE_S - 1)
    comparing.rounds.turn()

    assert comparing.queued() == []
    assert (folder / "docker-compose.yml").exists()
    comparing.pass_time(1)
    comparing.rounds.turn()
    assert not (folder / "docker-compose.yml").exists()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (AppState.INSTALLING, "its install was broken off"),
        (AppState.UNINSTALLING, "its uninstall was broken off"),
    ],
)
def test_an_app_that_a_job_left_in_the_middle_is_uninstalled_and_keeps_data_and_images(
    comparing: Comparing, state: AppState, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    household = comparing.household
    (household.project_dir / "files" / "mine").write_text("kept")
    comparing.leave_app_in(state)

    assert comparing.compare() == ["notes"]

    (job,) = comparing.queued()
    assert (job.kind, job.queue) == (JobKind.UNINSTALL, Queue.APPS)
    assert job.parameters == {
        "identifier": "notes",
        "purge": False,
        "remove_images": False,
        "found": [words],
    }
    assert words in caplog.text
    assert comparing.told() == [("notes", {"found": [words]})]
    assert household.run(job).ending is Ending.SUCCEEDED
    left = household.left()
    assert left.keys() == {"volumes", "files"}
    assert (household.project_dir / "files" / "mine").read_text() == "kept"
    assert len(comparing.engine.images) == 2


def test_an_install_whose_undo_failed_since_the_engine_was_away_leaves_no_container_for_ever(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_wait, "_WAIT_S", 0.0)
    engine = household.machine.engine

    def go_away() -> None:
        engine.is_up = False
        engine.version()

    household.machine.projects.on_up = go_away
    household.install()
    engine.is_up = True
    assert engine.live
    comparing = Comparing(household)

    comparing.compare()
    (job,) = comparing.queued()
    household.run(job)

    assert household.left().keys() <= {"volumes", "files"}
    assert not (household.project_dir / "docker-compose.yml").exists()
    comparing.database.close()


def test_an_uninstall_of_what_was_broken_off_that_fails_is_tried_again_after_pauses(
    comparing: Comparing,
) -> None:
    comparing.leave_app_in(AppState.UNINSTALLING)
    tries: list[float] = []

    while comparing.time < 8 * RECONCILE_S:
        comparing.compare()
        for job in comparing.queued():
            comparing.fail(job)
            tries.append(comparing.time / RECONCILE_S)
        comparing.pass_time(RECONCILE_S / 4)

    assert tries == [0, 1, 3, 7]


def test_an_uninstall_that_its_owner_asked_for_makes_no_repair_wait(comparing: Comparing) -> None:
    household = comparing.household
    household.uninstall()
    household.install()
    comparing.engine.live.clear()

    assert comparing.compare() == ["notes"]


def test_an_app_that_a_job_is_about_to_change_gets_no_second_one(comparing: Comparing) -> None:
    comparing.leave_app_in(AppState.UNINSTALLING)
    comparing.compare()

    assert comparing.compare(is_fresh=True) == []
    assert len(comparing.queued()) == 1


def test_a_repair_that_builds_an_image_waits_among_the_builds(comparing: Comparing) -> None:
    comparing.engine.live.clear()
    for reference in [name for name in comparing.engine.images if name.startswith("homeport/")]:
        del comparing.engine.images[reference]

    comparing.compare()

    (job,) = comparing.queued()
    assert (job.kind, job.queue) == (JobKind.REPAIR, Queue.BUILDS)
    comparing.household.machine.requests.clear()
    assert comparing.household.run(job).ending is Ending.SUCCEEDED
    assert len(comparing.household.machine.requests) == 1


def test_a_repair_that_builds_nothing_waits_for_no_build(comparing: Comparing) -> None:
    comparing.engine.live.clear()
    del comparing.engine.images["database:1"]  # which is pulled

    comparing.compare()

    (job,) = comparing.queued()
    assert (job.kind, job.queue) == (JobKind.REPAIR, Queue.APPS)
    assert job.parameters["found"] == list(CONTAINERS_GONE)


def test_a_port_that_somebody_took_out_of_the_kernels_list_is_reserved_again(comparing: Comparing) -> None:
    comparing.table.write_text("9090\n")

    comparing.compare()

    assert comparing.table.read_text() == "9090,35001\n"
    assert comparing.told() == [(None, {"reserved": ["35001"]})]
    comparing.compare()
    assert len(comparing.told()) == 1


def test_a_port_that_is_reserved_again_is_given_back_with_its_app(comparing: Comparing) -> None:
    comparing.table.write_text("9090\n")
    comparing.compare()
    comparing.household.uninstall()

    comparing.compare()

    assert comparing.table.read_text() == "9090\n"


def test_ports_are_left_to_the_worker_when_homeport_has_just_started(comparing: Comparing) -> None:
    comparing.table.write_text("9090\n")

    comparing.compare(is_fresh=True)

    assert comparing.table.read_text() == "9090\n"
    assert comparing.told() == []


def test_ports_of_apps_that_a_job_is_about_to_change_are_left_to_the_job(comparing: Comparing) -> None:
    comparing.table.write_text("9090\n")
    comparing.leave_app_in(AppState.UNINSTALLING)

    comparing.compare()

    assert comparing.table.read_text() == "9090\n"


def test_a_list_of_ports_that_is_not_there_holds_up_nothing_else(comparing: Comparing) -> None:
    comparing.table.unlink()
    shutil.rmtree(comparing.household.settings.run_dir)
    comparing.household.settings.run_dir.touch()
    folder = comparing.leave_project("gone")

    comparing.compare()

    assert [path.name for path in folder.iterdir()] == ["mine"]
