"""`homeport up` as a user who may reach Docker and nothing else: its folders are XDG's, its apps run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.harness.engine import EngineBox
from tests.harness.homeport_box import QUICK, free_port
from tests.harness.programs import start, wait_until

USER = 65534  # nobody, in no group but the engine's
PROGRAM = str(Path(sys.executable).with_name("homeport"))


class OwnHomeport:
    """A Homeport that a user without root's rights starts for themselves.

    Args:
        engine: where its apps run; the user is in its socket's group.
    """

    def __init__(self, engine: EngineBox) -> None:
        self.engine = engine
        self.home = engine.root / "nobody"
        self.state_dir = self.home / ".local/state/homeport"
        self.log = engine.root / "nobody.log"
        self.listen = f"127.0.0.1:{free_port()}"
        settings = {**QUICK, "docker_host": engine.docker_host, "listen": self.listen, "proxy": "haproxy"}
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            **{f"HOMEPORT_{name.upper()}": str(value) for name, value in settings.items()},
        }

    def type(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command of the user, and how it ended."""
        return subprocess.run(
            [*self._as_user(), PROGRAM, *words],
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self) -> "subprocess.Popen[bytes]":
        """Runs `homeport up` until it is ready. Its output goes into a file of root's."""
        self.home.mkdir()
        os.chown(self.home, USER, USER)
        up = start([*self._as_user(), PROGRAM, "up"], log=self.log, environment=self.environment)
        wait_until(self._is_ready, what="Homeport", timeout_s=60, log=self.log)
        return up

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"http://{self.listen}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    def _as_user(self) -> list[str]:
        group = self.engine.socket.stat().st_gid
        return ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--groups", str(group), "--"]


@pytest.fixture
def own(engine_box: EngineBox) -> Iterator[OwnHomeport]:
    """It runs; afterwards it is stopped, and what is left of it removed."""
    homeport = OwnHomeport(engine_box)
    up = homeport.start()
    yield homeport
    up.terminate()
    assert up.wait(45) == 0
    for container in engine_box.client.containers.list(all=True, filters={"label": "homeport.app=mine"}):
        container.remove(force=True)
    shutil.rmtree(homeport.home)


def test_an_app_is_installed_used_and_removed_in_the_users_own_folders(own: OwnHomeport) -> None:
    installed = own.type("install", "dokuwiki", "--as", "mine")
    assert installed.returncode == 0, installed.stderr + own.log.read_text()
    port = json.loads(own.type("show", "mine", "--json").stdout)["host_port"]
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).ok
    by_name = requests.get("http://127.0.0.1:8080/", headers={"Host": "mine.localhost"}, timeout=10)
    assert by_name.ok, "port 80 is root's, so the proxy has 8080"
    assert own.state_dir.stat().st_uid == USER
    assert (own.state_dir / "token").stat().st_mode & 0o777 == 0o600
    assert "ip_local_reserved_ports cannot be written" in own.log.read_text(), "told, and no failure"

    purged = own.type("uninstall", "mine", "--purge", "--yes")

    data = own.state_dir / "projects/mine/data"
    assert purged.returncode == 1, "its pages are the container's user's, whose files only root may remove"
    assert f"sudo rm -r {data}" in purged.stderr
    shutil.rmtree(data)
    again = own.type("uninstall", "mine", "--purge", "--yes")
    assert again.returncode == 0, again.stderr
    assert not data.parent.exists()
    assert own.engine.client.containers.list(all=True, filters={"label": "homeport.app=mine"}) == []


def test_doctor_says_what_a_user_without_root_goes_without(own: OwnHomeport) -> None:
    examined = own.type("doctor")

    assert examined.returncode == 0, examined.stdout
    assert str(own.state_dir) in examined.stdout
    assert "the API runs as you" in examined.stdout
    assert "start Homeport as root" in examined.stdout
