"""The package caches by themselves: their entry points with own settings, without the rest of Homeport."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from build_cache.caches.addresses import find_caches
from homeport.caches import DEVPI_OFFSET, PORT_OFFSETS, CacheAddresses, Ecosystem
from homeport.cli.components import drop_privileges
from homeport.settings import Settings
from tests.harness.programs import start

PARTS = ("nginx", "devpi")
READY_S = 120
USER = "daemon"
"""There on every Debian machine, with a group of its name."""


class CachesBox:
    """nginx and devpi-server on ports of their own; a context manager.

    Args:
        root: the folder of all that they write; others than root have to be able to reach it.
        docker_host: the engine on whose bridge they listen.
        gateway: that bridge's address on this machine.
        port: the first of their ports.
        settings: by the names of `homeport.settings.Settings`, such as an upstream's.
    """

    def __init__(
        self, root: Path, docker_host: str, *, gateway: str, port: int, settings: Mapping[str, object]
    ) -> None:
        self.gateway = gateway
        self.settings = Settings(
            **{
                "state_dir": root / "state",
                "run_dir": root / "run",
                "docker_host": docker_host,
                "cache_port": port,
                "cache_user": USER,
                **settings,
            }  # type: ignore[arg-type]
        )
        self._root = root
        self._given = {"cache_port": port, "cache_user": USER, **settings}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Starts both and waits until builds can reach every cache."""
        self.settings.caches_dir.mkdir(parents=True, exist_ok=True)
        shutil.chown(self.settings.caches_dir, USER)
        for part in PARTS:
            self.start(part)
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops both."""
        for part in PARTS:
            self.stop(part)

    @property
    def addresses(self) -> CacheAddresses:
        """Where builds reach the caches just now."""
        return find_caches(self.settings, self.gateway)

    def port(self, ecosystem: Ecosystem) -> int:
        """The port of an ecosystem's cache."""
        return self.settings.cache_port + PORT_OFFSETS[ecosystem]

    def log(self, part: str) -> Path:
        """What `nginx` or `devpi` has printed."""
        return self._root / f"{part}.log"

    def start(self, part: str) -> None:
        """Starts `nginx` or `devpi`; does not wait."""
        argv = [sys.executable, "-m", f"build_cache.caches.{part}"]
        if part == "devpi":  # nginx changes its user by itself
            argv = [*drop_privileges(USER), *argv]
        self._processes[part] = start(argv, log=self.log(part), environment=self._environment())

    def stop(self, part: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends one with all that it has started; nothing happens when it does not run."""
        process = self._processes.pop(part, None)
        if process is None:
            return
        children = _children(process.pid)
        process.send_signal(number)
        _, left = psutil.wait_procs([*children, *_children(process.pid)], timeout=15)
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def memory_bytes(self) -> int:
        """The memory that all their processes use; what they share counts once."""
        used = 0
        for process in self._processes.values():
            for each in (psutil.Process(process.pid), *_children(process.pid)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    used += int(each.memory_full_info().pss)
        return used

    def wait_until_ready(self) -> None:
        """Waits until builds can reach every cache.

        Raises:
            RuntimeError: one of them ended, or was not there in time; with the end of its log.
        """
        deadline = time.monotonic() + READY_S
        while found := self.addresses.down:
            ended = [part for part, process in self._processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(f"{part}: {self.log(part).read_text()[-700:]}" for part in PARTS)
                raise RuntimeError(f"not ready: {found}; ended: {ended}\n{logs}")
            time.sleep(0.2)

    def _environment(self) -> dict[str, str]:
        given = {
            **self._given,
            "state_dir": self.settings.state_dir,
            "run_dir": self.settings.run_dir,
            "docker_host": self.settings.docker_host,
            "config": self._root / "none.toml",
        }
        return {**os.environ, **{f"HOMEPORT_{name.upper()}": str(value) for name, value in given.items()}}


def free_cache_port() -> int:
    """The first of enough ports in a row that nobody listens on, below those of outgoing connections."""
    taken = {connection.laddr.port for connection in psutil.net_connections("tcp") if connection.laddr}
    ports = range(8100, 9900, 10)
    return next(port for port in ports if not taken & set(range(port, port + DEVPI_OFFSET + 1)))


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
