import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from homeport.errors import CancelledError, CeilingReachedError, ProgramMissingError, StalledError
from homeport.host.programs import run_program

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class CancelAfter:
    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() >= self._at:
            raise CancelledError("Cancelled.")


def _shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _wait_gone(pid: int, timeout_s: float = 2) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if _is_gone(pid):
            return True
        time.sleep(0.02)
    return False


def _read_pid(path: Path) -> int:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text().strip()):
            return int(text)
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written")


def test_lines_of_both_streams_and_the_exit_code_are_given() -> None:
    lines: list[str] = []

    result = run_program(
        _shell("echo out; echo err >&2; exit 3"), environment=ENVIRONMENT, on_line=lines.append
    )

    assert result.exit_code == 3
    assert result.tail == ("out", "err")
    assert lines == ["out", "err"]


def test_a_program_sees_only_the_environment_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "1")

    result = run_program(["env"], environment={**ENVIRONMENT, "GIVEN": "2"})

    assert "GIVEN=2" in result.tail
    assert not any("SECRET_OF_OURS" in line for line in result.tail)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ProgramMissingError) as raised:
        run_program(["no-such-program"], environment=ENVIRONMENT)

    assert raised.value.facts["program"] == "no-such-program"


def test_input_larger_than_a_pipe_goes_through_whole() -> None:
    received = bytearray()
    sent = os.urandom(3_000_000)

    result = run_program(["cat"], environment=ENVIRONMENT, stdin=sent, on_output=received.extend)

    assert result.exit_code == 0
    assert bytes(received) == sent


def test_a_program_that_reads_no_input_ends_as_it_likes() -> None:
    result = run_program(["true"], environment=ENVIRONMENT, stdin=b"x" * 1_000_000)

    assert result.exit_code == 0


def test_only_the_last_fifty_lines_are_kept() -> None:
    result = run_program(["seq", "1000"], environment=ENVIRONMENT)

    assert result.tail == tuple(str(number) for number in range(951, 1001))


def test_a_line_of_a_hundred_megabytes_does_not_grow_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lengths: list[int] = []

    run_program(
        _shell("head -c 100000000 /dev/zero | tr '\\0' x"),
        environment=ENVIRONMENT,
        on_line=lambda line: lengths.append(len(line)),
    )

    assert lengths == [2000]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_silence_is_a_stall_and_kills_grandchildren(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    began = time.monotonic()

    with pytest.raises(StalledError) as raised:
        run_program(
            _shell(f"echo last words; (sleep 60 & echo $! > {pid_file}; wait)"),
            environment=ENVIRONMENT,
            stall_s=0.5,
        )

    assert 0.4 < time.monotonic() - began < 1.5
    assert raised.value.facts["last_lines"] == ["last words"]
    assert _wait_gone(_read_pid(pid_file))


def test_output_that_goes_on_is_no_stall() -> None:
    result = run_program(
        _shell("for i in 1 2 3 4 5; do echo $i; sleep 0.2; done"), environment=ENVIRONMENT, stall_s=0.6
    )

    assert result.exit_code == 0


def test_the_ceiling_ends_even_a_program_that_floods_us() -> None:
    began = time.monotonic()

    with pytest.raises(CeilingReachedError):
        run_program(["yes"], environment=ENVIRONMENT, ceiling_s=0.5)

    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("script", ["sleep 60", "yes", "trap '' TERM INT HUP; while :; do sleep 0.1; done"])
def test_cancelling_ends_quiet_loud_and_stubborn_programs_within_half_a_second(script: str) -> None:
    began = time.monotonic()

    with pytest.raises(CancelledError):
        run_program(_shell(script), environment=ENVIRONMENT, control=CancelAfter(0.3))

    assert time.monotonic() - began < 0.3 + 0.5


def test_a_stray_that_holds_the_pipe_neither_hangs_us_nor_survives(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    began = time.monotonic()

    result = run_program(
        _shell(f"sleep 60 & echo $! > {pid_file}; echo done"), environment=ENVIRONMENT, ceiling_s=10
    )

    assert result.tail == ("done",)
    assert time.monotonic() - began < 1
    assert _wait_gone(_read_pid(pid_file))


def test_a_program_that_closes_its_output_is_still_waited_for() -> None:
    began = time.monotonic()

    result = run_program(_shell("exec >/dev/null 2>&1; sleep 0.5; exit 4"), environment=ENVIRONMENT)

    assert result.exit_code == 4
    assert time.monotonic() - began > 0.4


def test_an_error_of_the_one_who_listens_ends_the_program(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def refuse(_line: str) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        run_program(
            _shell(f"echo $$ > {pid_file}; echo line; sleep 60"), environment=ENVIRONMENT, on_line=refuse
        )

    assert _wait_gone(_read_pid(pid_file))


def test_a_signal_s_end_is_a_negative_exit_code() -> None:
    assert run_program(_shell("kill -9 $$"), environment=ENVIRONMENT).exit_code == -signal.SIGKILL


def test_nothing_stays_open_after_many_runs() -> None:
    run_program(["true"], environment=ENVIRONMENT)
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        run_program(["echo", "x"], environment=ENVIRONMENT, stdin=b"y")

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_program_dies_with_a_killed_worker_though_a_thread_runs_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"""
import threading
from homeport.host.programs import run_program
run = lambda: run_program(["sh", "-c", "echo $$ > {pid_file}; exec sleep 60"], environment={ENVIRONMENT!r})
thread = threading.Thread(target=run); thread.start(); thread.join()
"""
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    pid = _read_pid(pid_file)
    assert not _is_gone(pid)

    worker.kill()
    worker.wait()

    assert _wait_gone(pid)


def test_programs_of_several_threads_do_not_disturb_each_other() -> None:
    results: dict[int, tuple[str, ...]] = {}

    def run(number: int) -> None:
        script = f"sleep 0.{number}; echo {number}"
        results[number] = run_program(_shell(script), environment=ENVIRONMENT).tail

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == {number: (str(number),) for number in range(6)}
