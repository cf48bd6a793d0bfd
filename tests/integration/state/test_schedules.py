"""Schedules on a real database: a slot and its job are one."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from homeport.models import CatalogKind, Job, JobState
from homeport.schedule import SETTLING_S, Reading, Schedule, Work
from homeport.settings import Settings
from homeport.state.accept import accept_history
from homeport.state.catalogs import add_catalog
from homeport.state.database import Database, migrate
from homeport.state.doorbell import Doorbell
from homeport.state.jobs import list_jobs
from homeport.state.schedules import Reached, reached_by, schedules_json, settle
from homeport.state.schema import JOBS
from workers.steward.scheduler import Scheduler

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
SLOT = datetime(2026, 6, 10, 3, 30, tzinfo=UTC)
NIGHTLY = Schedule(work=Work.HISTORY, expression="30 3 * * *")


class Clock:
    """A clock that tests move, and the time since boot, which goes on as they say."""

    def __init__(self) -> None:
        self.reading = Reading(wall=NOW, since_boot_s=1e6)

    def __call__(self) -> Reading:
        return self.reading

    def passes(self, **time: float) -> None:
        moved = timedelta(**time)
        self.reading = Reading(
            wall=self.reading.wall + moved, since_boot_s=self.reading.since_boot_s + moved.total_seconds()
        )

    def boots(self, shows: datetime) -> None:
        """The box was off, and its clock shows that twenty seconds later."""
        self.reading = Reading(wall=shows, since_boot_s=20)

    def jumps(self, **time: float) -> None:
        self.reading = replace(self.reading, wall=self.reading.wall + timedelta(**time))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "run").mkdir()
    return Settings(
        state_dir=tmp_path / "state",
        run_dir=tmp_path / "run",
        catalog_dir=tmp_path / "catalog",
        time_zone="UTC",
        refresh_schedule="0 5 * * *",
        history_schedule="30 3 * * *",
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    migrate(settings.database)
    database = Database(settings.database)
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scheduler(settings: Settings, database: Database, clock: Clock) -> Scheduler:
    return begun(settings, database, clock)


def begun(settings: Settings, database: Database, clock: Clock) -> Scheduler:
    """A steward's, just started; its doorbell rings nobody."""
    doorbell = Doorbell("unix:///nowhere/valkey.sock")
    return Scheduler(settings=settings, database=database, doorbell=doorbell, clock=clock)


def rebooted(settings: Settings, database: Database, clock: Clock, *, shows: datetime) -> Scheduler:
    """The steward's of a box that has just booted, with a clock that shows that."""
    (settings.run_dir / "clock.json").unlink()  # a boot empties the folder
    clock.boots(shows)
    return begun(settings, database, clock)


def history_jobs(database: Database) -> list[Job]:
    with database.read() as connection:
        return list_jobs(connection, before_seq=None, limit=100)


def end_all(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(JOBS).values(state=JobState.SUCCEEDED, finished_at=NOW))


def queue_history(connection: Connection) -> Job:
    return accept_history(connection, job_id="history-1", now=NOW)


def test_a_slot_and_its_job_are_stored_together_or_not_at_all(database: Database) -> None:
    def killed() -> None:
        with database.write() as connection:
            settle(connection, NIGHTLY, SLOT, now=NOW, seen=None, queue=queue_history)
            raise RuntimeError("killed before it was committed")

    with pytest.raises(RuntimeError, match="killed"):
        killed()
    with database.read() as connection:
        assert reached_by(connection, NIGHTLY) is None
    assert history_jobs(database) == []

    with database.write() as connection:
        job = settle(connection, NIGHTLY, SLOT, now=NOW, seen=None, queue=queue_history)

    assert job is not None
    with database.read() as connection:
        assert reached_by(connection, NIGHTLY) == Reached(slot=SLOT, job_id=job.id, ran_at=NOW)


def test_what_was_decided_upon_something_else_is_not_done(database: Database) -> None:
    with database.write() as connection:
        settle(connection, NIGHTLY, SLOT, now=NOW, seen=None)

    with pytest.raises(LookupError), database.write() as connection:
        settle(connection, NIGHTLY, SLOT, now=NOW, seen=None, queue=queue_history)

    assert history_jobs(database) == []


def test_a_night_passes_and_each_work_is_queued_once(
    scheduler: Scheduler, database: Database, clock: Clock
) -> None:
    with database.write() as connection:
        add_catalog(connection, name="club", kind=CatalogKind.FOLDER, source="/srv/club", now=NOW)
    assert scheduler.turn() == []

    queued = []
    for _ in range(24 * 60):
        clock.passes(minutes=1)
        queued += [job.subject for job in scheduler.turn()]

    assert queued == ["box:history", "box:catalogs"]


def test_a_refresh_is_not_queued_where_there_is_nothing_to_fetch(
    scheduler: Scheduler, clock: Clock, database: Database
) -> None:
    scheduler.turn()
    clock.passes(days=1)

    assert [job.subject for job in scheduler.turn()] == ["box:history"]


def test_downtime_is_caught_up_once(settings: Settings, database: Database, clock: Clock) -> None:
    begun(settings, database, clock).turn()

    again = rebooted(settings, database, clock, shows=NOW + timedelta(days=9))
    first, second = again.turn(), again.turn()

    assert ([job.subject for job in first], second) == (["box:history"], [])


@pytest.mark.parametrize("is_late", [False, True], ids=["soon after the boot", "long after it"])
def test_a_slot_that_has_run_is_not_run_again_by_a_box_whose_clock_is_set_after_its_boot(
    settings: Settings, database: Database, clock: Clock, is_late: bool
) -> None:
    slot, noon = SLOT + timedelta(days=1), NOW + timedelta(days=1)
    before = begun(settings, database, clock)
    before.turn()
    clock.passes(days=1)
    assert [job.subject for job in before.turn()] == ["box:history"]
    end_all(database)

    scheduler = rebooted(settings, database, clock, shows=datetime(2025, 1, 1, tzinfo=UTC))
    assert scheduler.turn() == []
    if is_late:
        clock.passes(seconds=SETTLING_S)
        assert scheduler.turn() == []
    clock.passes(seconds=5)
    clock.jumps(seconds=(noon - clock().wall).total_seconds())

    assert scheduler.turn() == []
    with database.read() as connection:
        reached = reached_by(connection, NIGHTLY)
    assert reached is not None
    assert reached.slot == slot
    clock.passes(days=1)
    assert [job.subject for job in scheduler.turn()] == ["box:history"]


def test_what_a_box_missed_is_caught_up_once_its_clock_is_set(
    settings: Settings, database: Database, clock: Clock
) -> None:
    begun(settings, database, clock).turn()

    scheduler = rebooted(settings, database, clock, shows=datetime(2025, 1, 1, tzinfo=UTC))
    assert scheduler.turn() == []
    clock.passes(seconds=40)
    clock.jumps(seconds=(NOW + timedelta(days=9) - clock().wall).total_seconds())

    assert [job.subject for job in scheduler.turn()] == ["box:history"]
    assert scheduler.turn() == []


def test_a_steward_that_was_killed_is_no_downtime_of_the_clock(
    settings: Settings, database: Database, clock: Clock
) -> None:
    begun(settings, database, clock).turn()
    clock.jumps(days=9)

    assert begun(settings, database, clock).turn() == [], "the run folder says what the clock showed"
    assert json.loads((settings.run_dir / "clock.json").read_text())["wall"] == clock().wall.isoformat()


def test_what_the_clock_jumped_over_is_not_run_and_is_told(
    scheduler: Scheduler, database: Database, clock: Clock
) -> None:
    scheduler.turn()
    clock.jumps(days=3)

    assert scheduler.turn() == []
    with database.read() as connection:
        told = connection.exec_driver_sql("SELECT facts FROM events WHERE kind = 'schedule.skipped'").all()
    assert [json.loads(facts)["slots"] for (facts,) in told] == [3, 3]
    clock.passes(days=1)
    assert [job.subject for job in scheduler.turn()] == ["box:history"]


def test_a_clock_that_goes_back_runs_nothing_again(
    scheduler: Scheduler, database: Database, clock: Clock
) -> None:
    scheduler.turn()
    clock.passes(days=1)
    assert len(scheduler.turn()) == 1
    end_all(database)

    clock.jumps(hours=-12)
    assert scheduler.turn() == []
    clock.passes(hours=12)
    assert scheduler.turn() == []
    clock.passes(days=1)
    assert len(scheduler.turn()) == 1


def test_nothing_is_queued_while_the_last_job_of_it_waits(
    scheduler: Scheduler, database: Database, clock: Clock
) -> None:
    scheduler.turn()
    clock.passes(days=1)
    assert len(scheduler.turn()) == 1
    clock.passes(days=1)
    assert scheduler.turn() == []
    end_all(database)
    clock.passes(days=1)
    assert len(scheduler.turn()) == 1


def test_another_expression_begins_with_its_next_slot(
    settings: Settings, database: Database, clock: Clock
) -> None:
    begun(settings, database, clock).turn()
    changed = settings.model_copy(update={"history_schedule": "0 11 * * *"})

    assert begun(changed, database, clock).turn() == []
    clock.passes(hours=23)
    assert len(begun(changed, database, clock).turn()) == 1


def test_nothing_is_written_while_nothing_is_due(
    scheduler: Scheduler, database: Database, clock: Clock
) -> None:
    scheduler.turn()
    with database.read() as connection:
        before = connection.exec_driver_sql("PRAGMA data_version").scalar()
        for _ in range(50):
            clock.passes(seconds=5)
            scheduler.turn()
        assert connection.exec_driver_sql("PRAGMA data_version").scalar() == before


def test_clients_see_when_each_is_done_next_and_what_it_did(
    scheduler: Scheduler, settings: Settings, database: Database, clock: Clock
) -> None:
    scheduler.turn()
    clock.passes(days=1)
    (job,) = scheduler.turn()

    with database.read() as connection:
        refresh, history = schedules_json(connection, settings, clock().wall)

    assert history == {
        "name": "history",
        "expression": "30 3 * * *",
        "time_zone": "UTC",
        "next_at": "2026-06-12T03:30:00.000+00:00",
        "last_at": "2026-06-11T12:00:00.000+00:00",
        "last_job": job.id,
    }
    assert (refresh["last_at"], refresh["last_job"]) == (None, None)
