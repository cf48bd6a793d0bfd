"""What is forgotten of old jobs and events, and what never is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from homeport.events import EventKind
from homeport.models import Job, JobKind, JobState, Queue
from homeport.settings import Settings
from homeport.state import events, history, leases
from homeport.state.database import Database, migrate
from homeport.state.idempotency import RequestKey, find_replayed, remember
from homeport.state.jobs import add_job
from homeport.state.journal import JobJournal
from homeport.state.schema import EVENTS, IDEMPOTENCY_KEYS, JOBS, STEPS

NOW = datetime(2026, 6, 10, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(
        state_dir=tmp_path / "state", run_dir=tmp_path / "run", catalog_dir=tmp_path / "catalog"
    )
    settings.jobs_dir.mkdir(parents=True)
    return settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    migrate(settings.database)
    database = Database(settings.database)
    yield database
    database.close()


def job(database: Database, name: str, *, ended_days_ago: float | None) -> Job:
    """A job with a step and events; it ended so long ago, or runs."""
    begun = NOW - timedelta(days=400)
    with database.write() as connection:
        made = add_job(
            connection,
            id=name,
            kind=JobKind.REFRESH,
            subject=name,
            queue=Queue.UPKEEP,
            parameters={},
            now=begun,
        )
        lease = leases.take(connection, name, owner="w", ttl_s=60, now=begun)
    assert lease is not None
    JobJournal(database, lease, log=lambda _line: None, now=lambda: begun, publish=lambda: None).begun("step")
    if ended_days_ago is not None:
        with database.write() as connection:
            leases.finish(
                connection,
                lease,
                state=JobState.SUCCEEDED,
                problem=None,
                result=None,
                now=NOW - timedelta(days=ended_days_ago),
            )
    return made


def ids(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(JOBS.c.id).order_by(JOBS.c.seq)).scalars())


def forget_jobs(database: Database, *, days: int, keep: int) -> list[str]:
    with database.read() as connection:
        old = history.old_jobs(connection, before=NOW - timedelta(days=days), keep=keep, now=NOW)
    with database.write() as connection:
        assert history.forget_jobs(connection, old) == len(old)
    return old


def test_jobs_that_ended_long_ago_go_with_their_steps_and_events(database: Database) -> None:
    job(database, "old", ended_days_ago=91)
    job(database, "young", ended_days_ago=89)
    job(database, "running", ended_days_ago=None)

    assert forget_jobs(database, days=90, keep=100) == ["old"]

    assert ids(database) == ["young", "running"]
    with database.read() as connection:
        assert set(connection.execute(select(STEPS.c.job_id)).scalars()) == {"young", "running"}
        assert set(connection.execute(select(EVENTS.c.job)).scalars()) == {"young", "running"}


def test_a_job_is_kept_as_long_as_the_key_of_its_request_is_known(database: Database) -> None:
    for name, key_age_h in (("forgotten", 25), ("known", 23)):
        job(database, name, ended_days_ago=0.9)
        with database.write() as connection:
            key = RequestKey(token="t", key=name, digest="d")
            remember(connection, key, name, NOW - timedelta(hours=key_age_h))

    assert forget_jobs(database, days=90, keep=0) == ["forgotten"]

    with database.read() as connection:
        replayed = find_replayed(connection, RequestKey(token="t", key="known", digest="d"), NOW)
    assert replayed is not None
    assert replayed.id == "known"


def test_of_the_jobs_that_ended_the_newest_are_kept(database: Database) -> None:
    for number in range(5):
        job(database, f"job-{number}", ended_days_ago=1)
    job(database, "running", ended_days_ago=None)

    assert forget_jobs(database, days=90, keep=2) == ["job-0", "job-1", "job-2"]
    assert forget_jobs(database, days=90, keep=2) == []


def test_an_unfinished_job_is_never_forgotten(database: Database) -> None:
    job(database, "running", ended_days_ago=None)

    assert forget_jobs(database, days=1, keep=0) == []


def test_jobs_are_forgotten_in_pieces(database: Database) -> None:
    with database.write() as connection:
        for number in range(history.PIECE + 3):
            add_job(
                connection, id=f"job-{number}", kind=JobKind.REFRESH, subject="s", queue=Queue.UPKEEP,
                parameters={}, now=NOW,
            )  # fmt: skip
        connection.execute(
            JOBS.update().values(state=JobState.CANCELLED, finished_at=NOW - timedelta(days=100))
        )

    assert len(forget_jobs(database, days=90, keep=10_000)) == history.PIECE
    assert len(forget_jobs(database, days=90, keep=10_000)) == 3


def test_a_log_goes_before_its_job_so_that_none_is_left_over(settings: Settings) -> None:
    for name in ("old", "young"):
        (settings.jobs_dir / f"{name}.log").write_text("a line\n")

    history.remove_logs(settings.jobs_dir, ["old", "never-had-one"])
    history.remove_logs(settings.jobs_dir, ["old"])

    assert [path.name for path in settings.jobs_dir.iterdir()] == ["young.log"]


def test_events_that_are_old_or_too_many_go_and_their_numbers_are_not_used_again(database: Database) -> None:
    with database.write() as connection:
        for days in (100, 95, 10, 9, 8):
            events.append(
                connection,
                EventKind.BOX_REPAIRED,
                app=None,
                job=None,
                facts={},
                now=NOW - timedelta(days=days),
            )
    with database.write() as connection:
        assert history.forget_events(connection, before=NOW - timedelta(days=90), keep=100) == 2
        assert history.forget_events(connection, before=NOW - timedelta(days=90), keep=2) == 1
        assert history.forget_events(connection, before=NOW - timedelta(days=90), keep=2) == 0
        assert history.forget_events(connection, before=NOW, keep=0) == 2
        events.append(connection, EventKind.BOX_REPAIRED, app=None, job=None, facts={}, now=NOW)
    with database.read() as connection:
        assert list(connection.execute(select(EVENTS.c.seq)).scalars()) == [6]


def test_events_of_a_clock_that_was_ahead_keep_none_behind_them_that_is_old(database: Database) -> None:
    ahead = [
        {"at": NOW + timedelta(days=5000), "kind": "job.step", "facts": {}} for _ in range(history.PIECE + 1)
    ]
    old = [{"at": NOW - timedelta(days=100), "kind": "job.step", "facts": {}} for _ in range(3)]
    with database.write() as connection:
        connection.execute(insert(EVENTS), ahead + old)

    with database.write() as connection:
        by_age = history.forget_events(connection, before=NOW - timedelta(days=90), keep=10_000)
        beyond = history.forget_events(connection, before=NOW - timedelta(days=90), keep=history.PIECE)

    assert (by_age, beyond) == (3, 1)


def test_keys_of_requests_go_after_a_day(database: Database) -> None:
    with database.write() as connection:
        for hours in (25, 23):
            key = RequestKey(token="t", key=f"k{hours}", digest="d")
            remember(connection, key, "job", NOW - timedelta(hours=hours))
        assert history.forget_keys(connection, NOW) == 1
        assert connection.execute(select(IDEMPOTENCY_KEYS.c.key)).scalars().all() == ["k23"]


def test_much_is_forgotten_without_a_long_transaction(database: Database) -> None:
    with database.write() as connection:
        rows = [
            {"at": NOW - timedelta(days=100), "kind": "job.step", "facts": {}}
            for _ in range(3 * history.PIECE)
        ]
        connection.execute(insert(EVENTS), rows)
    pieces = []
    while True:
        with database.write() as connection:
            count = history.forget_events(connection, before=NOW - timedelta(days=90), keep=10_000)
        if not count:
            break
        pieces.append(count)

    assert pieces == [history.PIECE] * 3
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(EVENTS)).scalar() == 0
