"""What the processes of the worker side have in common: they die with their parent and stop on a signal."""

import ctypes
import logging
import os
import signal
import threading

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent() -> None:
    """Asks the kernel for a SIGTERM when the parent ends; if it has ended already, sends it now."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        _log.warning("prctl: %s; this process may outlive its parent", os.strerror(ctypes.get_errno()))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = threading.Event()

    def stop(number: int, _frame: object) -> None:
        # Written without logging: a handler may run while the logging lock is held.
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


def end_now(code: int) -> None:
    """Ends the process without waiting for its threads; a stuck one must not hold up the stop."""
    logging.shutdown()
    os._exit(code)
