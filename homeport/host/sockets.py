"""Sockets on this machine: which process listens."""

import socket
import struct
from pathlib import Path

_ANSWER_S = 2
_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group (unix(7))


def listener_pid(path: Path) -> int | None:
    """The process that listens on a Unix socket; None where none does, also where it left the file behind."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_S)
        try:
            connection.connect(str(path))
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return None
    pid: int = _CREDENTIALS.unpack(found)[0]
    return pid
