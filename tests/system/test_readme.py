"""What README.md tells people to type is typed here, in order, on a terminal, and does what it says."""

import os
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import requests

from tests.harness.command_line import run_on_terminal
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import QUICK, free_port
from tests.harness.programs import REPOSITORY

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"^http://\S+/\s*$", re.MULTILINE)
# What a command may say that it did to this machine, and must not in a test.
OURS = (Path("/usr/local/bin/homeport"), Path("/var/lib/homeport-setup/made"), Path("/var/lib/homeport"))


def commands_of(document: str) -> list[str]:
    """The commands of a document's console blocks, without their comments."""
    text = (REPOSITORY / document).read_text()
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]


class Machine:
    """A place for a second Homeport beside the machine's own: what the scripts make lies below `root`."""

    def __init__(self, engine: EngineBox) -> None:
        self.engine = engine
        self.root = engine.root / "readme"
        self.state_dir = self.root / "var/lib/homeport"
        self.record = self.root / "var/lib/homeport-setup/made"
        self.listen = f"127.0.0.1:{free_port()}"
        settings = {
            **QUICK,
            "state_dir": self.state_dir,
            "run_dir": self.root / "run/homeport",
            "docker_host": engine.docker_host,
            "listen": self.listen,
            "config": self.root / "none.toml",
        }
        self.environment: Mapping[str, str] = {
            **os.environ,
            **{f"HOMEPORT_{name.upper()}": str(value) for name, value in settings.items()},
            "SETUP_ROOT": str(self.root),
            "DOCKER_HOST": engine.docker_host,
            "PATH": f"{self.root}/usr/local/bin:{os.environ['PATH']}",
        }

    def type(self, command: str, *, timeout_s: float = 400) -> str:
        """Types a command and says yes to what it asks; what came on the screen.

        Raises:
            AssertionError: it failed.
        """
        argv = ["bash", "--norc", "-c", command]
        code, screen = run_on_terminal(argv, self.environment, answers={"[y/N]": "y"}, timeout_s=timeout_s)
        assert code == 0, f"{command} ended with {code}:\n{screen}"
        return screen

    def answers(self) -> bool:
        """Whether Homeport runs."""
        try:
            return requests.get(f"http://{self.listen}/readyz", timeout=5).ok
        except requests.RequestException:
            return False

    def apps(self) -> list[str]:
        """The containers of apps of this Homeport."""
        found = self.engine.client.containers.list(all=True, filters={"label": "homeport.app=dokuwiki"})
        return [str(container.name) for container in found]


@pytest.fixture
def machine(engine_box: EngineBox) -> Iterator[Machine]:
    """The place; what still runs in it is stopped afterwards."""
    place = Machine(engine_box)
    place.root.mkdir(mode=0o755)
    yield place
    place.type("scripts/down")


def the_demo_opens(machine: Machine, screen: str) -> None:
    address = ADDRESS.findall(screen)[-1].strip()
    assert not address.startswith("http://127."), "the address has to open from another machine"
    answer = requests.get(address, timeout=30)
    assert answer.ok
    assert "dokuwiki" in answer.text.lower()

    record, began = machine.record.read_text(), time.monotonic()
    again = machine.type("scripts/up demo", timeout_s=30)
    assert "==>" not in again, "a second run takes no step"
    assert machine.record.read_text() == record
    assert address in again
    assert time.monotonic() - began < 15


def the_data_is_there(machine: Machine, _screen: str) -> None:
    assert machine.apps() == []
    assert any((machine.state_dir / "projects" / "dokuwiki").iterdir())


def the_data_is_gone(machine: Machine, _screen: str) -> None:
    assert machine.apps() == []
    assert not (machine.state_dir / "projects" / "dokuwiki").exists()


def it_is_stopped(machine: Machine, _screen: str) -> None:
    assert not machine.answers()
    assert (machine.state_dir / "token").exists()


def nothing_is_left(machine: Machine, _screen: str) -> None:
    assert not machine.answers()
    left = [path for path in machine.root.rglob("*") if not path.is_dir()]
    assert left == []
    assert not machine.state_dir.exists()


CHECKS: Mapping[str, Callable[[Machine, str], None]] = {
    "scripts/up demo": the_demo_opens,
    "homeport uninstall dokuwiki": the_data_is_there,
    "homeport uninstall dokuwiki --purge --yes": the_data_is_gone,
    "scripts/down": it_is_stopped,
    "scripts/down --purge": nothing_is_left,
}
"""What must be so after a command."""

SAYS: Mapping[str, str] = {
    "homeport catalog": "dokuwiki",
    "homeport apps": "running",
    "homeport show dokuwiki": "dokuwiki",
    "homeport logs dokuwiki --tail 20": "|",
    "homeport jobs": "succeeded",
    "homeport doctor": "ready at",
    "homeport install dokuwiki": "dokuwiki is installed.",
}
"""What a command must have on the screen."""


def test_the_readmes_commands_work_in_order(machine: Machine) -> None:
    before = [_look(path) for path in OURS]
    commands = commands_of("README.md")

    for command in commands:
        screen = machine.type(command)
        assert SAYS.get(command, "") in screen, screen
        if check := CHECKS.get(command):
            check(machine, screen)

    assert {*CHECKS, *SAYS} <= set(commands), "the README no longer has a command that is looked at here"
    assert [_look(path) for path in OURS] == before, "the machine's own Homeport is left alone"
    assert (REPOSITORY / ".venv" / "bin" / "homeport").exists()


def _look(path: Path) -> tuple[bool, str]:
    exists = os.path.lexists(path)
    return exists, str(path.lstat().st_mtime_ns) if exists and not path.is_dir() else ""


def test_other_documents_have_only_commands_that_are_run_elsewhere() -> None:
    commands = commands_of("CONTRIBUTING.md") + commands_of("docs/setup.md")

    assert commands
    for command in commands:
        script, *words = shlex.split(command)
        assert script == "scripts/test", f"{command}: nothing here runs it"
        for word in [word for word in words if "/" in word]:
            assert (REPOSITORY / word).exists(), command
