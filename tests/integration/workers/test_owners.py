"""Which worker a lease belongs to, and whether it is known to be dead."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from workers.process import is_dead, owner_name

TELL = "from workers.process import owner_name; print(owner_name(), flush=True); input()"


@pytest.fixture
def other() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process of this machine, and its name as an owner."""
    process = subprocess.Popen(
        [sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_a_process_that_lives_is_not_dead(other: tuple[subprocess.Popen[str], str]) -> None:
    assert not is_dead(other[1])
    assert not is_dead(owner_name())


def test_a_killed_process_is_dead_also_before_it_is_reaped(other: tuple[subprocess.Popen[str], str]) -> None:
    process, owner = other

    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner), "a zombie carries out no job"
    process.wait(10)

    assert is_dead(owner)


def test_another_process_of_the_same_number_is_not_taken_for_it() -> None:
    place, _, _started = owner_name().rpartition(":")

    assert is_dead(f"{place}:1")


@pytest.mark.parametrize(
    "owner", ["", "elsewhere/4026531836:1:1", "host:123", "an owner of an earlier version"]
)
def test_a_process_that_cannot_be_seen_from_here_is_not_said_to_be_dead(owner: str) -> None:
    assert not is_dead(owner)
