"""When the steward takes a worker for lost, by clocks that the test moves."""

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from homeport.models import Job, JobState
from homeport.state import jobs, leases
from homeport.state.doorbell import Doorbell
from homeport.state.leases import Lease
from tests.unit.workers.conftest import NOW, Household
from workers.steward.reclaim import LOOK_S, LeaseWatch, reclaim_lost

LEASE_S = 15.0
SILENT_DOORBELL = cast("Doorbell", SimpleNamespace(announce=lambda *_channel: True))


class Clocks:
    """A household's worker and steward; the wall's clock and the one that nobody sets go on together."""

    def __init__(self, household: Household) -> None:
        self.household = household
        self.wall = NOW
        self.monotonic_s = 0.0
        self.dead: set[str] = set()
        self.watch = self.new_watch()
        self.job = household.accept_install()

    def new_watch(self) -> LeaseWatch:
        return LeaseWatch(
            lease_s=LEASE_S, is_dead=lambda owner: owner in self.dead, clock=lambda: self.monotonic_s
        )

    def take(self) -> Lease:
        with self.household.database.write() as connection:
            lease = leases.take(connection, self.job.id, owner="worker", ttl_s=LEASE_S, now=self.wall)
        assert lease is not None
        return lease

    def beat(self, lease: Lease) -> None:
        with self.household.database.write() as connection:
            leases.heartbeat(connection, lease, LEASE_S, self.wall)

    def look(self) -> list[str]:
        return reclaim_lost(
            self.household.database, SILENT_DOORBELL, self.watch, lambda: self.wall, max_losses=3
        )

    def pass_time(self, seconds: float, *, beating: Lease | None = None) -> list[str]:
        """What the steward takes away meanwhile, looking again and again."""
        lost: list[str] = []
        for turn in range(round(seconds / LOOK_S)):
            self.wall += timedelta(seconds=LOOK_S)
            self.monotonic_s += LOOK_S
            if beating is not None and turn % 2:
                self.beat(beating)
            lost += self.look()
        return lost

    def stored(self) -> Job:
        with self.household.database.read() as connection:
            found = jobs.find_job(connection, self.job.id)
        assert found is not None
        return found


@pytest.fixture
def clocks(household: Household) -> Clocks:
    return Clocks(household)


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1)])
def test_a_wall_clock_that_is_set_takes_no_job_from_a_worker_that_keeps_renewing(
    clocks: Clocks, jump: timedelta
) -> None:
    lease = clocks.take()
    lost = clocks.pass_time(20, beating=lease)

    for _ in range(4):
        clocks.wall += jump
        lost += clocks.look()
        lost += clocks.pass_time(20, beating=lease)

    assert lost == []
    assert clocks.stored().state is JobState.RUNNING


def test_a_suspend_takes_no_job_from_its_worker(clocks: Clocks) -> None:
    lease = clocks.take()
    lost = clocks.pass_time(LEASE_S - 1)

    clocks.wall += timedelta(hours=8)  # the other clock stood still, and the steward comes before the worker
    lost += clocks.look()
    clocks.beat(lease)
    lost += clocks.pass_time(LEASE_S - 1)

    assert lost == []


def test_a_worker_that_falls_silent_loses_its_job_after_lease_s_of_the_stewards_clock(clocks: Clocks) -> None:
    lease = clocks.take()
    clocks.pass_time(60, beating=lease)

    early = clocks.pass_time(LEASE_S - LOOK_S)
    lost = clocks.pass_time(LOOK_S)

    assert early == []
    assert lost == [clocks.job.id]
    assert clocks.stored().state is JobState.QUEUED


def test_silence_is_counted_anew_for_the_next_worker(clocks: Clocks) -> None:
    clocks.take()
    first = clocks.pass_time(LEASE_S + LOOK_S)

    clocks.take()
    second = clocks.pass_time(LEASE_S)

    assert first == [clocks.job.id]
    assert second == []


def test_a_steward_that_starts_anew_waits_for_lease_s_once(clocks: Clocks) -> None:
    clocks.take()
    clocks.pass_time(LEASE_S - 1)

    clocks.watch = clocks.new_watch()
    early = clocks.pass_time(LEASE_S)
    lost = clocks.pass_time(LOOK_S)

    assert early == []
    assert lost == [clocks.job.id]


def test_the_job_of_a_worker_that_is_seen_to_be_dead_is_taken_at_once(clocks: Clocks) -> None:
    clocks.take()
    clocks.dead.add("worker")

    lost = clocks.look()

    assert lost == [clocks.job.id]
