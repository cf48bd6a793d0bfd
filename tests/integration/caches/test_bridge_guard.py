"""nginx follows the bridge's address."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from build_cache.caches import bridge_guard
from tests.harness.programs import run, wait_until

ADDRESS = "10.213.77.1"


@pytest.fixture
def address() -> Iterator[str]:
    """An address of this host that can be taken away."""
    run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"])
    yield ADDRESS
    run(["ip", "address", "delete", f"{ADDRESS}/32", "dev", "lo"], check=False)


def guarded(address: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-S", str(bridge_guard.__file__), address, *words])


def test_an_address_is_here_or_not(address: str) -> None:
    assert bridge_guard.is_here(address)
    assert not bridge_guard.is_here("10.213.77.2")


def test_the_program_ends_soon_after_the_address_went(address: str) -> None:
    process = guarded(address, "sleep", "600")
    try:
        time.sleep(1)
        assert process.poll() is None
        run(["ip", "address", "delete", f"{address}/32", "dev", "lo"])

        assert process.wait(30) == 1
    finally:
        process.kill()


def test_it_ends_with_its_program(address: str) -> None:
    assert guarded(address, "true").wait(10) == 1


def test_told_to_stop_it_stops_its_program(address: str) -> None:
    process = guarded(address, "sleep", "600")
    wait_until(lambda: bool(children_of(process.pid)), what="the program", timeout_s=5)
    children = children_of(process.pid)

    process.terminate()

    assert process.wait(10) == 0
    assert not any(is_alive(pid) for pid in children)


def children_of(pid: int) -> list[str]:
    return run(["pgrep", "-P", str(pid)], check=False).split()


def is_alive(pid: str) -> bool:
    return bool(run(["ps", "-o", "pid=", "-p", pid], check=False).strip())
