"""The processes of the worker side, from start to SIGTERM."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from homeport.state.database import migrate
from tests.integration.workers.conftest import Valkey

ROOT = Path(__file__).resolve().parents[3]
READY = {"workers": "ready: builds x 1", "workers.steward": "ready: "}


def start(module: str, folder: Path, redis_url: str) -> tuple[subprocess.Popen[bytes], Path]:
    log = folder / "log"
    environment = {
        **os.environ,
        "HOMEPORT_STATE_DIR": str(folder / "state"),
        "HOMEPORT_RUN_DIR": str(folder),
        "HOMEPORT_REDIS_URL": redis_url,
        "HOMEPORT_CONFIG": str(folder / "none.toml"),
    }
    migrate(f"sqlite:///{folder}/state/db/homeport.sqlite")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module], cwd=ROOT, env=environment, stderr=output, stdout=output
        )
    deadline = time.monotonic() + 20
    while READY[module] not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return process, log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("is_redis_there", [True, False])
@pytest.mark.parametrize("module", READY)
def test_a_signal_ends_it_with_0_within_seconds(
    tmp_path_factory: pytest.TempPathFactory,
    valkey: Valkey,
    module: str,
    is_redis_there: bool,
    number: signal.Signals,
) -> None:
    if not is_redis_there:
        valkey.kill()
    process, log = start(module, tmp_path_factory.mktemp("p"), valkey.url)

    process.send_signal(number)

    assert process.wait(6) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("module", READY)
def test_it_ends_when_its_parent_is_killed(
    tmp_path_factory: pytest.TempPathFactory, valkey: Valkey, module: str
) -> None:
    folder = tmp_path_factory.mktemp("p")
    migrate(f"sqlite:///{folder}/state/db/homeport.sqlite")
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-m', '{module}'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    environment = {
        **os.environ,
        "HOMEPORT_STATE_DIR": str(folder / "state"),
        "HOMEPORT_RUN_DIR": str(folder),
        "HOMEPORT_REDIS_URL": valkey.url,
    }
    with (folder / "log").open("wb") as output:
        parent = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    deadline = time.monotonic() + 20
    while READY[module] not in (folder / "log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)

    parent.kill()
    parent.wait(5)
    parent.stdout.close()

    deadline = time.monotonic() + 6
    while Path(f"/proc/{child}").exists() and "\nState:\tZ" not in _status(child):
        assert time.monotonic() < deadline, f"{module} outlived its parent"
        time.sleep(0.05)


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return "\nState:\tZ"
