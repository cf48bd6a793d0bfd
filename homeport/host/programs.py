"""Running a program: bounded, cancellable, and gone when it is told to go or when we die."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from homeport.errors import CeilingReachedError, ProgramMissingError, StalledError
from homeport.host.lines import LineCutter
from homeport.plans import Control
from homeport.settings import program_environment

TAIL_LINES = 50
"""How many of a program's last lines are kept."""

_SLICE_S = 0.2  # the longest wait between two looks at the control
_PIECE_BYTES = 64 * 1024
_DRAIN_BYTES = (
    1024 * 1024
)  # the largest pipe of an unprivileged process (pipe(7)): all that an ended one left
_REAP_S = 5.0


@dataclass(frozen=True, kw_only=True)
class ProgramResult:
    """How a program ended: its exit code (-9: ended by signal 9) and its last lines, both streams merged."""

    exit_code: int
    tail: tuple[str, ...]


def server_path() -> str:
    """Where programs lie, those that only an administrator looks for among them."""
    return program_environment()["PATH"] + ":/usr/sbin:/sbin"


def server_environment() -> dict[str, str]:
    """What such programs are run with: their helpers lie there, too."""
    return {**program_environment(), "PATH": server_path()}


def find_server(name: str, *, title: str, why: str, remedy: str) -> str:
    """The path of a server, which may lie where only an administrator looks.

    Args:
        name: the program's.
        title: what people call it.
        why: who needs it.
        remedy: how to get it, or to do without.

    Raises:
        ProgramMissingError: it is not installed.
    """
    if program := shutil.which(name, path=server_path()):
        return program
    raise ProgramMissingError(f"{title} is not installed.", why=why, remedy=remedy, program=name)


def run_program(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    control: Control | None = None,
    cwd: Path | None = None,
    stall_s: float | None = None,
    ceiling_s: float = 60,
    on_line: Callable[[str], None] | None = None,
    on_output: Callable[[bytes], None] | None = None,
    stdin: bytes | None = None,
) -> ProgramResult:
    """Runs a program to its end, in a session of its own, and kills its process group in every other case.

    The program is killed by the kernel when the calling thread ends (prctl(2), PR_SET_PDEATHSIG), so also
    when this process is killed. What it leaves running in its process group is killed when it ends.

    Args:
        argv: the program and its arguments; the program is looked up in the environment's PATH.
        environment: the whole environment of the program.
        control: asked at least four times a second.
        cwd: the folder it runs in.
        stall_s: the longest time without any output.
        ceiling_s: the longest time altogether.
        on_line: gets each line of both streams, without its end, cut at 2000 characters.
        on_output: gets the bytes of both streams as they come.
        stdin: what the program reads; without it, nothing.

    Returns:
        How it ended; an exit code other than 0 is no error here.

    Raises:
        ProgramMissingError: there is no such program.
        StalledError: no output for `stall_s`.
        CeilingReachedError: it ran for `ceiling_s`.
    """
    process = _start(argv, environment, cwd, with_stdin=stdin is not None)
    watch = _Watch(process, Path(argv[0]).name, on_line, on_output, stdin)
    try:
        watch.until_ended(control, stall_s, ceiling_s)
    finally:
        _kill_group(process)
        watch.close()
    return ProgramResult(exit_code=process.returncode, tail=tuple(watch.tail))


def find_program(name: str, environment: Mapping[str, str]) -> str:
    """The program's absolute path.

    Raises:
        ProgramMissingError: the environment's PATH has none of this name.
    """
    if found := shutil.which(name, path=environment.get("PATH", os.defpath)):
        return str(Path(found).absolute())
    raise ProgramMissingError(
        f"The program {name!r} is not installed.",
        why="It was not found on the PATH.",
        remedy="`homeport doctor` names the command that installs it.",
        program=name,
    )


def _start(
    argv: Sequence[str], environment: Mapping[str, str], cwd: Path | None, *, with_stdin: bool
) -> subprocess.Popen[bytes]:
    # setpriv sets the death signal and becomes the program: the process id stays. A preexec_fn would run
    # Python between fork and exec, which is unsafe beside other threads.
    program = find_program(argv[0], environment)
    setpriv = find_program("setpriv", {"PATH": f"{os.defpath}:{environment.get('PATH', '')}"})
    return subprocess.Popen(
        [setpriv, "--pdeathsig", "KILL", "--", program, *argv[1:]],
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.PIPE if with_stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        bufsize=0,
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kills what is left of the group, then reaps the leader: until then its id is not reused."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody is left, or only what changed its user
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel: it goes when its disk answers
        process.wait(_REAP_S)


class _Watch:
    """What a running program writes, reads and does, seen through one selector."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        name: str,
        on_line: Callable[[str], None] | None,
        on_output: Callable[[bytes], None] | None,
        stdin: bytes | None,
    ) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process = process
        self._name = name
        self._on_line = on_line
        self._on_output = on_output
        self._unsent = memoryview(stdin or b"")
        self._cutter = LineCutter()
        self._ended = os.pidfd_open(process.pid)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ended, selectors.EVENT_READ)
        if process.stdout is not None:
            self._add(process.stdout, selectors.EVENT_READ)
        if process.stdin is not None:
            self._add(process.stdin, selectors.EVENT_WRITE)

    def until_ended(self, control: Control | None, stall_s: float | None, ceiling_s: float) -> None:
        """Passes output on until the program has ended and all that it wrote is read."""
        began = moved = checked = time.monotonic()
        while not self._has_ended():
            now = time.monotonic()
            if control is not None and now - checked >= _SLICE_S / 2:
                control.check()
                checked = now
            if now - began >= ceiling_s:
                raise self._too_long(ceiling_s)
            if stall_s is not None and now - moved >= stall_s:
                raise self._stalled(stall_s)
            if self._pass_on():
                moved = time.monotonic()
        self._drain()
        self._take_lines(self._cutter.flush())

    def close(self) -> None:
        """Lets go of the pipes and of what the watch has opened."""
        self._selector.close()
        os.close(self._ended)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _add(self, pipe: IO[bytes], event: int) -> None:
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, event)

    def _has_ended(self) -> bool:
        # WNOWAIT leaves the process unreaped: its id still names our group and no other
        return os.waitid(os.P_PIDFD, self._ended, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _pass_on(self) -> bool:
        """Waits for a slice; whether the program wrote something."""
        wrote = False
        for key, _ in self._selector.select(_SLICE_S):
            if key.fileobj is self._process.stdout:
                wrote = self._read() > 0 or wrote
            elif key.fileobj is self._process.stdin:
                self._feed()
        return wrote

    def _read(self) -> int:
        """Reads a piece of output and passes it on; its length, 0 where there is none now."""
        assert self._process.stdout is not None  # noqa: S101 - it was registered
        try:
            piece = os.read(self._process.stdout.fileno(), _PIECE_BYTES)
        except BlockingIOError:
            return 0
        if not piece:
            self._selector.unregister(self._process.stdout)
            return 0
        if self._on_output is not None:
            self._on_output(piece)
        self._take_lines(self._cutter.feed(piece))
        return len(piece)

    def _drain(self) -> None:
        """Reads what the ended program left in the pipe; others that hold it open are not waited for."""
        left = _DRAIN_BYTES
        while left > 0 and self._process.stdout in self._selector.get_map():
            if not (count := self._read()):
                return
            left -= count

    def _take_lines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.tail.append(line)
            if self._on_line is not None:
                self._on_line(line)

    def _feed(self) -> None:
        """Writes a piece of what the program reads, and closes its input behind the last."""
        assert self._process.stdin is not None  # noqa: S101 - it was registered
        try:
            sent = os.write(self._process.stdin.fileno(), self._unsent[:_PIECE_BYTES]) if self._unsent else 0
        except BlockingIOError:
            return
        except BrokenPipeError:  # it reads no more, which is its own affair
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._selector.unregister(self._process.stdin)
            self._process.stdin.close()

    def _too_long(self, ceiling_s: float) -> CeilingReachedError:
        return CeilingReachedError(
            f"{self._name} was stopped after {ceiling_s:g} seconds.",
            why="That is the longest that it may take.",
            remedy="Try again; if it needs longer on this machine, raise the setting.",
            ceiling_s=ceiling_s,
            last_lines=list(self.tail),
        )

    def _stalled(self, stall_s: float) -> StalledError:
        return StalledError(
            f"{self._name} was stopped: it said nothing for {stall_s:g} seconds.",
            why=f"Its last words: {self.tail[-1]}" if self.tail else "It had said nothing at all.",
            remedy="Look at the network and the disk, and try again.",
            stall_s=stall_s,
            last_lines=list(self.tail),
        )
