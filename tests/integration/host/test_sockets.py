"""Who listens on a Unix socket."""

import os
import socket
from pathlib import Path

from homeport.host.sockets import listener_pid


def test_a_listener_is_named_and_a_socket_that_was_left_behind_is_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert listener_pid(path) is None

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        assert listener_pid(path) == os.getpid()

    assert path.exists()
    assert listener_pid(path) is None
