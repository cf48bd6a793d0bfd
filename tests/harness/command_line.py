"""Running the `homeport` program, piped and on a pseudo-terminal."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness.programs import REPOSITORY

PROGRAM = Path(sys.executable).with_name("homeport")


class CommandLine:
    """The `homeport` program with an environment.

    Its standard input is empty, and its outputs are pipes, as in a script.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {**environment}

    def __call__(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs it to its end; `environment` is added."""
        return subprocess.run(
            [str(PROGRAM), *words],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )

    def lines(self, *words: str) -> list[str]:
        """The lines of standard output of a command that has to succeed."""
        done = self(*words)
        assert done.returncode == 0, f"homeport {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout.splitlines()

    def json(self, *words: str) -> Any:
        """The one JSON document of a command that has to succeed."""
        (line,) = self.lines(*words, "--json")
        return json.loads(line)

    @contextlib.contextmanager
    def begun(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """The program, running; it is killed at the end if it still runs.

        It heeds an interrupt, also where the tests run in the background of a shell, which ignores them.
        """
        with subprocess.Popen(
            ["env", "--default-signal=INT", str(PROGRAM), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def run_on_terminal(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    answers: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> tuple[int, str]:
    """Runs a program on a pseudo-terminal, as somebody at a keyboard does.

    Args:
        argv: the program and its words.
        environment: all of it; `TERM` is set.
        answers: what is typed when a text comes up, each once.
        timeout_s: it is killed after so long.

    Returns:
        Its exit code and all that it wrote.

    Raises:
        TimeoutError: it did not end in time; with what it wrote.
    """
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.execvpe(argv[0], list(argv), {**environment, "TERM": "xterm"})
    try:
        written = _converse(screen, dict(answers or {}), time.monotonic() + timeout_s)
    except TimeoutError:
        os.killpg(pid, signal.SIGKILL)
        raise
    finally:
        os.close(screen)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), written


def _converse(screen: int, answers: dict[str, str], deadline: float) -> str:
    written = b""
    while time.monotonic() < deadline:
        if not select.select([screen], [], [], 0.5)[0]:
            continue
        try:
            piece = os.read(screen, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            piece = b""
        if not piece:
            return written.decode(errors="replace")
        written += piece
        for question in [text for text in answers if text.encode() in written]:
            os.write(screen, answers.pop(question).encode() + b"\n")
    raise TimeoutError(written.decode(errors="replace")[-4000:])
