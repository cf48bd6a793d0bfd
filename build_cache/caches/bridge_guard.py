"""Runs a program for as long as this host has an address; ends with it, and ends it when the address goes.

`python -I -S bridge_guard.py ADDRESS PROGRAM…`: a process of its own that stays small, so it imports nothing
that it does not need. nginx listens on the bridge's address for ever, also when the engine has given its
bridge another one; ended, it is started anew by the supervisor, on the new address.
"""

import os
import signal
import socket
import sys

_LOOK_S = 5.0
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def is_here(address: str) -> bool:
    """Whether this host has the IPv4 address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def guard(address: str, words: list[str]) -> int:
    """Runs the program and waits; 0 where it was told to stop, 1 where it or the address has gone."""
    awaited = {signal.SIGCHLD, *_STOPS}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    child = os.posix_spawnp(words[0], words, os.environ, setpgroup=0, setsigmask=[])
    code, sent = 1, 0
    while True:
        arrived = signal.sigtimedwait(awaited, _LOOK_S)
        if arrived is not None and arrived.si_signo in _STOPS:
            code, sent = 0, _stop(child, sent)
        elif arrived is None and (sent or not is_here(address)):
            sent = _stop(child, sent)
        if os.waitpid(child, os.WNOHANG)[0]:
            return code


def _stop(child: int, sent: int) -> int:
    """Asks the program's whole group to end; what was asked already is killed. The signal that it sent."""
    chosen = signal.SIGKILL if sent else signal.SIGTERM
    os.killpg(child, chosen)
    return chosen


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1], sys.argv[2:]))
