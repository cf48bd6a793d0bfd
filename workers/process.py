"""What the processes of the worker side have in common: they die with their parent and stop on a signal."""

import logging
import os
import signal
import socket
import threading
from functools import cache
from pathlib import Path

_log = logging.getLogger(__name__)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = threading.Event()

    def stop(number: int, _frame: object) -> None:
        # Written without logging: a handler may run while the logging lock is held.
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


@cache
def owner_name() -> str:
    """This process's name in the leases that it takes: no other process has it, not even one of its id."""
    return f"{_place()}:{os.getpid()}:{_started(os.getpid())}"


def is_dead(owner: str) -> bool:
    """Whether the process of that name is seen to be gone; False also where it cannot be seen from here."""
    place, _, process = owner.rpartition("/")
    namespace, _, rest = process.partition(":")
    pid, _, started = rest.partition(":")
    if f"{place}/{namespace}" != _place() or not pid.isdecimal():
        return False
    return _started(int(pid)) != started


def _place() -> str:
    """The machine and the process namespace, within which process ids mean something."""
    return f"{socket.gethostname()}/{Path('/proc/self/ns/pid').stat().st_ino}"


def _started(pid: int) -> str:
    """When the process began, in clock ticks since boot (proc(5), stat); "" where none runs any more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def end_now(code: int) -> None:
    """Ends the process without waiting for its threads; a stuck one must not hold up the stop."""
    logging.shutdown()
    os._exit(code)
