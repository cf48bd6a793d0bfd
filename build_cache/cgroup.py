"""The control group that builds run in: what they may use together, and whether they ran out of memory.

Docker's own build flags for memory and CPU are ignored by BuildKit; `--cgroup-parent` is not. BuildKit runs
each instruction in `<parent>/buildkit/<id>`, by the plain file interface also where systemd is (its executor,
oci.GenerateSpec), so that a plain folder serves for both versions of control groups.
"""

import contextlib
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from homeport.settings import Settings

BUILD_CGROUP: Final = "homeport-build"
"""The one name: it is part of the layer cache's keys, so another one would build everything again."""

_ROOT: Final = Path("/sys/fs/cgroup")
_CHILDREN: Final = "buildkit"  # BuildKit's folder in the parent that it is given
_SHARE: Final = 0.75  # of the machine, where no setting says otherwise: the rest keeps the apps alive
_PERIOD_US: Final = 100_000  # the kernel's own default (sched-bwc)
_PIDS: Final = 8192  # no build was seen to need a tenth; ends fork bombs


@dataclass(frozen=True, kw_only=True)
class BuildLimits:
    """What all instructions that run at a time may use together; swap counts as memory."""

    cpus: float
    memory_bytes: int
    pids: int = _PIDS


def build_limits(settings: Settings) -> BuildLimits:
    """The limits that the settings ask for, reckoned from this machine where they leave it open."""
    return BuildLimits(
        cpus=settings.build_cpus or (psutil.cpu_count() or 1) * _SHARE,
        memory_bytes=settings.build_memory_bytes or int(psutil.virtual_memory().total * _SHARE),
    )


class BuildCgroup:
    """The limited control group, made on entering; it stays afterwards, empty.

    Entering never fails: where no group can be made, `parent` is "" and `why_not` says why.

    Args:
        limits: what may be used.
        name: the group's path from the root; "" makes none.
        root: where control groups are mounted.
    """

    def __init__(self, limits: BuildLimits, *, name: str = BUILD_CGROUP, root: Path = _ROOT) -> None:
        self.limits = limits
        self.parent = ""
        self.why_not = ""
        self.ran_out = False
        """Whether an instruction needed more memory than there may be."""
        self._name = name
        self._root = root
        self._is_v2 = (root / "cgroup.controllers").exists()
        self._memory = root / name if self._is_v2 else root / "memory" / name
        self._shortages = -1
        self._kills_before = 0
        self._watcher: threading.Thread | None = None
        self._is_left = False

    def __enter__(self) -> Self:
        if not self._name:
            self.why_not = "the engine is on another machine"
            return self
        self._forget_use()
        try:
            self._make_v2() if self._is_v2 else self._make_v1()
        except OSError as error:
            self.why_not = f"{error.filename or self._memory}: {error.strerror or error}"
            self._close()
        else:
            self.parent = self._name
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.look()
        self._close()

    @property
    def was_used(self) -> bool:
        """Whether the engine has run an instruction in it since it was entered.

        Else it is another one than the engine's.
        """
        return (self._memory / _CHILDREN).is_dir()

    def look(self) -> None:
        """Brings `ran_out` up to date."""
        if self.parent and self._is_v2:
            self.ran_out = self.ran_out or self._kills() > self._kills_before

    def _forget_use(self) -> None:
        """Removes the engine's folder of a build before, which the engine makes anew when it needs it."""
        with contextlib.suppress(OSError):  # none is there, or something still runs in it: then it is used
            (self._memory / _CHILDREN).rmdir()

    def _make_v1(self) -> None:
        memory, cpu, pids = (self._root / kind / self._name for kind in ("memory", "cpu", "pids"))
        for folder in (memory, cpu, pids):
            folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(
            OSError
        ):  # kernels before 5.11; refused once there are children, which is as well
            _write(memory / "memory.use_hierarchy", 1)
        # Swap's limit may never be below memory's, nor above it for a moment that counts.
        with contextlib.suppress(OSError):  # without CONFIG_SWAP's accounting there is no such file
            _write(memory / "memory.memsw.limit_in_bytes", -1)
        _write(memory / "memory.limit_in_bytes", self.limits.memory_bytes)
        with contextlib.suppress(OSError):
            _write(memory / "memory.memsw.limit_in_bytes", self.limits.memory_bytes)
        _write(cpu / "cpu.cfs_period_us", _PERIOD_US)
        _write(cpu / "cpu.cfs_quota_us", int(self.limits.cpus * _PERIOD_US))
        _write(pids / "pids.max", self.limits.pids)
        self._watch_v1()

    def _watch_v1(self) -> None:
        """Has the kernel say when memory runs out (its documentation, cgroup-v1/memory.rst, section 10).

        The count of kills stands in the instruction's own group, which is gone afterwards, and the kernel
        kills one process only, which a pipe may hide. So all of the instruction is ended at once. To have
        the kernel kill nothing would not do: then programs get ENOMEM that nobody is told of.
        """
        self._shortages = os.eventfd(0, os.EFD_CLOEXEC)
        watched = os.open(self._memory / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _write(self._memory / "cgroup.event_control", f"{self._shortages} {watched}")
        finally:
            os.close(watched)
        self._watcher = threading.Thread(target=self._end_hungry, daemon=True)
        self._watcher.start()

    def _end_hungry(self) -> None:
        """Waits for shortages until the group is left."""
        while os.eventfd_read(self._shortages) and not self._is_left:
            self.ran_out = True
            self._end_largest()

    def _make_v2(self) -> None:
        folder = self._root
        for part in Path(self._name).parts:
            _write(folder / "cgroup.subtree_control", "+cpu +memory +pids")
            folder /= part
            folder.mkdir(exist_ok=True)
        _write(folder / "memory.max", self.limits.memory_bytes)
        with contextlib.suppress(OSError):  # without swap in the kernel there is no such file
            _write(folder / "memory.swap.max", 0)
        # All of it is killed at once, so that a kill inside a pipe does not let the build succeed.
        _write(folder / "memory.oom.group", 1)
        _write(folder / "cpu.max", f"{int(self.limits.cpus * _PERIOD_US)} {_PERIOD_US}")
        _write(folder / "pids.max", self.limits.pids)
        self._kills_before = self._kills()

    def _kills(self) -> int:
        """How many processes were ever killed here and below for want of memory."""
        return _flag(self._memory / "memory.events", "oom_kill")

    def _end_largest(self) -> None:
        """Kills the instruction that has used most."""
        largest = max((self._memory / _CHILDREN).glob("*/"), key=_usage, default=None)
        if largest is None:
            return
        for pid in _read(largest / "cgroup.procs").split():
            if int(pid) > 0:  # 0 stands for a process of a namespace that is not ours
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)

    def _close(self) -> None:
        if self._watcher is not None:
            self._is_left = True
            os.eventfd_write(self._shortages, 1)
            self._watcher.join()
            self._watcher = None
        if self._shortages >= 0:
            os.close(self._shortages)
            self._shortages = -1


def _usage(folder: Path) -> int:
    return int(_read(folder / "memory.max_usage_in_bytes") or 0)


def _flag(path: Path, name: str) -> int:
    """The number behind the name in a file of such lines; 0 where there is none."""
    lines = (line.split() for line in _read(path).splitlines())
    return next((int(words[1]) for words in lines if len(words) == 2 and words[0] == name), 0)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:  # the group is gone
        return ""


def _write(path: Path, value: object) -> None:
    path.write_text(str(value), encoding="ascii")
