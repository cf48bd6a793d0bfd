"""A start is watched without the engine being able to hold it up."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from compose.start_watch import StartWatch
from compose.values import HealthExpectation
from homeport.errors import CancelledError
from homeport.host.engine import Engine
from homeport.host.programs import run_program
from homeport.settings import Settings
from workers.lease_keeper import RunningControl

VERSION = b'{"Version":"28","ApiVersion":"1.45","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(VERSION)


class StuckEngine:
    """Listens as an engine does, tells its version, and answers nothing else."""

    def __init__(self, place: Path) -> None:
        self.address = f"unix://{place}"
        self.was_asked = threading.Event()
        self._connections: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(place))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for connection in (*self._connections, self._socket):
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):  # it is closed when the test is over
            while asked := connection.recv(65536):
                if b"/version" in asked.partition(b"\r\n")[0]:
                    connection.sendall(ANSWER + VERSION)
                else:
                    self.was_asked.set()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[StuckEngine]:
    engine = StuckEngine(tmp_path / "engine.sock")
    yield engine
    engine.close()


def test_an_engine_that_is_stuck_does_not_hold_up_a_cancel(engine: StuckEngine, tmp_path: Path) -> None:
    control = RunningControl(threading.Event())
    watch = StartWatch(
        Engine(engine.address),
        "homeport-notes",
        HealthExpectation(services=("web",)),
        control=control,
        settings=Settings(state_dir=tmp_path, run_dir=tmp_path, catalog_dir=tmp_path),
        on_wait=lambda _words: None,
    )
    cancelled_at: list[float] = []

    def cancel() -> None:
        engine.was_asked.wait(20)
        cancelled_at.append(time.monotonic())
        control.cancelled.set()

    threading.Thread(target=cancel, daemon=True).start()

    with pytest.raises(CancelledError):
        run_program(["sleep", "300"], environment={"PATH": os.defpath}, control=watch, ceiling_s=60)

    assert engine.was_asked.is_set()
    assert time.monotonic() - cancelled_at[0] < 2  # the promise: a cancelled step is gone within two seconds
