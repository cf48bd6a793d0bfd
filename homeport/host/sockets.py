"""Sockets on this machine: which process listens, and what answers."""

import http.client
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


def http_status(address: str, port: int, path: str, *, timeout_s: float) -> int | None:
    """The status with which a server of this host answers a GET; None where none does in time."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
