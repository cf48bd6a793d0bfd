"""Running the machine's own programs for the harness, with their words when they fail."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def run(argv: Sequence[str], *, timeout_s: float = 60, check: bool = True) -> str:
    """What a program wrote on stdout.

    Raises:
        RuntimeError: it failed and `check` is set; with what it wrote.
    """
    done = subprocess.run(  # noqa: PLW1510 - the exit code is looked at below
        list(argv),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def start(
    argv: Sequence[str], *, log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A program in the background that dies with the test run, writing into `log`.

    Call it from the main thread: the death signal follows the thread that forked.
    """
    with log.open("ab") as sink:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def wait_until(holds: Callable[[], bool], *, what: str, timeout_s: float, log: Path | None = None) -> None:
    """Waits until something holds.

    Raises:
        TimeoutError: it did not in time; with the end of `log`.
    """
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-4000:] if log and log.exists() else ""
            raise TimeoutError(f"{what}: not within {timeout_s} s\n{said}")
        time.sleep(0.1)


def reap_for_ever() -> list[str]:
    """The first process of a process namespace: it takes in orphans and does nothing else."""
    code = "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True: signal.pause()"
    return [sys.executable, "-I", "-c", code]
