"""The host's Apache as a program: what it says of its configuration, whether it lives through a reload."""

import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from homeport.errors import ComponentUnavailableError, HomeportError
from homeport.host.low_ports import is_apache
from homeport.host.ports import listener_on, process_name
from homeport.host.programs import find_program, run_program, server_environment

_CONTROL_S: Final = 30  # apachectl reads all of Apache's configuration
_RELOAD_S: Final = 15.0  # of one with hundreds of virtual hosts
_CHANGE_S: Final = 10.0  # until it has ended, or listens
_LOOK_S: Final = 0.02
_STAY_S: Final = 0.1

# A line of `apachectl -S` on the first virtual host of an address, which gets all that no other one takes.
_FIRST_HOST: Final = re.compile(r"(?:\s+default server|\S+:\d+)\s+\S+\s+\((?P<file>.+):\d+\)")


class ApacheServer:
    """An Apache on this host.

    Args:
        control: apachectl.
        port: where it listens.
    """

    def __init__(self, control: str, port: int) -> None:
        self.port = port
        self._control = control

    def complaint(self, further: Path) -> str:
        """What it has against its configuration with the files of a folder besides; "" where it takes it.

        Raises:
            ComponentUnavailableError: it is not installed.
        """
        exit_code, lines = self._run("-t", "-c", f"IncludeOptional {further}/*.conf")
        return _end_of(lines) if exit_code else ""

    def first_hosts(self) -> frozenset[Path] | None:
        """The files with the first virtual host of an address; None where it does not take its configuration.

        Raises:
            ComponentUnavailableError: it is not installed.
        """
        exit_code, lines = self._run("-S")
        if exit_code:
            return None
        return frozenset(Path(found["file"]) for line in lines if (found := _FIRST_HOST.fullmatch(line)))

    def runs(self) -> bool:
        """Whether it has its port."""
        return self._first_process() is not None

    def reload(self) -> bool:
        """Whether it lives on with what it has now, if it runs; else it reads that when it is started.

        Raises:
            ComponentUnavailableError: it does not take its configuration.
        """
        first = self._first_process()
        if first is None:
            return True
        serving = _children(first)
        exit_code, lines = self._run("graceful")
        if exit_code:
            raise broken(_end_of(lines))
        return _lives_on(first, serving)

    def start_again(self) -> None:
        """Starts it once the last process of the one that ended has.

        Raises:
            ComponentUnavailableError: it does not start.
        """
        self._wait(lambda: not self.runs())
        environment = server_environment()
        # Not `run_program`: what it left running would be ended with it, and that is Apache.
        with suppress(subprocess.TimeoutExpired):  # whether it listens is looked at in any case
            subprocess.run(
                [find_program(self._control, environment), "start"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                timeout=_CONTROL_S,
                check=False,
            )
        if not self._wait(self.runs):
            raise broken("It ended when it reloaded, and does not start again. Its error log says why.")

    @staticmethod
    def _wait(holds: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + _CHANGE_S
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_S)
        return True

    def _first_process(self) -> psutil.Process | None:
        """The process whose children serve the port; None where no Apache has it."""
        listener = listener_on(self.port)
        if listener is None or listener.pid is None or not is_apache(listener.process):
            return None
        try:
            process = psutil.Process(listener.pid)
            while is_apache(process_name(process.ppid())):
                process = psutil.Process(process.ppid())
        except psutil.NoSuchProcess:
            return None
        return process

    def _run(self, *words: str) -> tuple[int, list[str]]:
        lines: list[str] = []
        try:
            result = run_program(
                [self._control, *words],
                environment=server_environment(),
                ceiling_s=_CONTROL_S,
                on_line=lines.append,
            )
        except HomeportError as error:
            raise broken(str(error)) from error
        return result.exit_code, lines or [f"{self._control} {words[0]} failed"]


def broken(why: str) -> ComponentUnavailableError:
    """The error for an Apache that cannot be brought to what it shall serve."""
    return ComponentUnavailableError(
        "Apache could not be told.",
        why=why,
        remedy="Mend what it says; `apache2ctl configtest` says it again. It needs the modules proxy, "
        "proxy_http and headers (a2enmod), and has to read apache_sites_dir.",
        component="proxy",
    )


def _lives_on(first: psutil.Process, serving: frozenset[int]) -> bool:
    """Whether it took a reload: then it has new children that stay. Else it ends."""
    deadline = time.monotonic() + _RELOAD_S
    while _lives(first) and time.monotonic() < deadline:
        if new := _children(first) - serving:
            time.sleep(
                _STAY_S
            )  # what becomes another program, for a log, has another name by then or is gone
            if _children(first) & new:
                return _lives(first)
        time.sleep(_LOOK_S)
    return _lives(first)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _children(process: psutil.Process) -> frozenset[int]:
    try:
        return frozenset(child.pid for child in process.children() if is_apache(process_name(child.pid)))
    except psutil.NoSuchProcess:
        return frozenset()


def _end_of(lines: list[str]) -> str:
    return " ".join(lines[-5:])
