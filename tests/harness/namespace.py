"""A network namespace of the test run's own, with a way out, and a process namespace that dies as a whole."""

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from tests.harness.programs import reap_for_ever, run, start, wait_until

SLOTS = 8
"""Test runs that may go on side by side on one machine."""

PORTS = "10000 34999"
"""From which outgoing connections get theirs: below all host ports of apps."""

CLONE_NEWNET = 0x40000000  # linux/sched.h


class Namespace:
    """The place where a test run's engine, registry, Homeport and tests live.

    Args:
        slot: which of the machine's places; the lock on it is held by the caller.

    `root` is the folder of everything that the run writes, short enough for Unix sockets.
    """

    def __init__(self, slot: int, lock: IO[str]) -> None:
        self.name = f"homeport-test-{slot}"
        self.root = Path(tempfile.gettempdir()) / f"hp-test-{slot}"
        self.cgroup = f"/{self.name}"
        self._lock = lock
        self._outer = f"10.77.{slot}.1"
        self._inner = f"10.77.{slot}.2"
        self._network = f"10.77.{slot}.0/24"
        self._veth = f"hptest{slot}"
        self._home: int | None = None
        self._holder: subprocess.Popen[bytes] | None = None
        self.chains_before: frozenset[str] = frozenset()

    @property
    def address(self) -> str:
        """This machine's address inside, which containers reach, too, and which is no engine's gateway."""
        return self._inner

    def create(self) -> None:
        """Makes it, after removing what an interrupted run left behind."""
        self.remove()
        self.root.mkdir(mode=0o755)
        self.chains_before = self.outer_chains()
        name, veth = self.name, self._veth
        run(["ip", "netns", "add", name])
        run(["ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", name])
        run(["ip", "address", "add", f"{self._outer}/24", "dev", veth])
        run(["ip", "link", "set", veth, "up"])
        run(["ip", "-n", name, "address", "add", f"{self._inner}/24", "dev", "eth0"])
        run(["ip", "-n", name, "link", "set", "eth0", "up"])
        run(["ip", "-n", name, "link", "set", "lo", "up"])
        run(["ip", "-n", name, "route", "add", "default", "via", self._outer])
        # A connection of the tests that got an app's port would keep it for a minute after its end.
        argv = [
            "nsenter",
            f"--net=/run/netns/{name}",
            "sysctl",
            "-qw",
            f"net.ipv4.ip_local_port_range={PORTS}",
        ]
        run(argv)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        mark = ["-m", "comment", "--comment", name]
        leaving = ["-s", self._network, "!", "-o", veth]
        run(["iptables", "-w", "-t", "nat", "-I", "POSTROUTING", *leaving, *mark, "-j", "MASQUERADE"])
        run(["iptables", "-w", "-I", "FORWARD", "-i", veth, *mark, "-j", "ACCEPT"])
        run(["iptables", "-w", "-I", "FORWARD", "-o", veth, *mark, "-j", "ACCEPT"])
        self._hold()

    def _hold(self) -> None:
        """Starts the first process of the process namespace, whose mounts are its own too."""
        argv = ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--mount", "--pid", "--fork"]
        argv += ["--kill-child=KILL", "--mount-proc", *reap_for_ever()]
        self._holder = start(argv, log=self.root / "holder.log")
        wait_until(lambda: bool(self._first_pid()), what="the process namespace", timeout_s=10)

    def _first_pid(self) -> str:
        return run(["pgrep", "-P", str(self._holder.pid)], check=False).strip() if self._holder else ""

    def inside(self, argv: list[str]) -> list[str]:
        """The command line that runs a program in the network, process and mount namespaces."""
        return ["nsenter", "--target", self._first_pid(), "--net", "--mount", "--pid", "--", *argv]

    def enter(self) -> None:
        """Takes this process into the network; the threads and processes it starts from now on are in it."""
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        target = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        _set_network(target)
        os.close(target)

    def leave(self) -> None:
        """Takes this process back to the network it came from."""
        if self._home is not None:
            _set_network(self._home)
            os.close(self._home)
            self._home = None

    def cut_off(self) -> None:
        """Takes the way out away, until `reconnect`."""
        run(["ip", "-n", self.name, "route", "delete", "default"])

    def reconnect(self) -> None:
        """Gives the way out back; nothing happens where it is there."""
        run(["ip", "-n", self.name, "route", "replace", "default", "via", self._outer])

    def outer_chains(self) -> frozenset[str]:
        """The chains of the machine's own packet filter, with their policies."""
        network = f"/proc/{os.getpid()}/fd/{self._home}" if self._home else "/proc/self/ns/net"
        lists = [
            run(["nsenter", f"--net={network}", "iptables", "-w", "-t", table, "-S"])
            for table in ("filter", "nat")
        ]
        return frozenset(
            line for text in lists for line in text.splitlines() if line.startswith(("-N", "-P"))
        )

    def pids(self) -> list[int]:
        """The processes that live in the network, by the machine's count."""
        return [int(pid) for pid in run(["ip", "netns", "pids", self.name], check=False).split()]

    def remove(self) -> None:
        """Removes all of it; nothing happens where there is nothing."""
        self.leave()
        if self._holder:
            self._holder.kill()
            self._holder.wait(10)
            self._holder = None
        deadline = time.monotonic() + 10
        while (pids := [pid for pid in self.pids() if pid != os.getpid()]) and time.monotonic() < deadline:
            for pid in pids:
                _kill(pid)
            time.sleep(0.05)
        if Path(f"/run/netns/{self.name}").exists():
            run(["ip", "netns", "delete", self.name])
        run(["ip", "link", "delete", self._veth], check=False)
        self._remove_rules("nat", "POSTROUTING")
        self._remove_rules("filter", "FORWARD")
        self._unmount()
        shutil.rmtree(self.root, ignore_errors=True)
        remove_cgroups(self.cgroup.strip("/"))

    def _remove_rules(self, table: str, chain: str) -> None:
        for rule in run(["iptables", "-w", "-t", table, "-S", chain]).splitlines():
            if f"--comment {self.name} " in rule.replace('"', "") + " ":
                run(["iptables", "-w", "-t", table, "-D", *rule.replace('"', "").split()[1:]])

    def _unmount(self) -> None:
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if Path(mount).is_relative_to(self.root)]):
            run(["umount", "--lazy", mount], check=False)


def take_namespace() -> Namespace:
    """The first free place on this machine, not yet made.

    Raises:
        RuntimeError: this is not root, or all places are in use.
    """
    if os.geteuid() != 0:
        raise RuntimeError("The system tests need root: they start a Docker Engine of their own.")
    for slot in range(SLOTS):
        lock = (Path(tempfile.gettempdir()) / f"hp-test-{slot}.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return Namespace(slot, lock)
    raise RuntimeError(f"{SLOTS} runs of the system tests are going on already.")


def remove_cgroups(name: str) -> None:
    """Removes the dead control groups of that name, of both versions."""
    for parent in Path("/sys/fs/cgroup").glob(f"**/{name}"):
        for folder in sorted(parent.glob("**/"), key=lambda path: len(path.parts), reverse=True):
            try:
                folder.rmdir()
            except OSError:  # in use still, by a process that is about to die: the next run removes it
                continue


def _set_network(descriptor: int) -> None:
    """`setns(2)`: of the calling thread, so call it before there are others. Python has it from 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
