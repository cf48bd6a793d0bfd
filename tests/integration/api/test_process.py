"""The API as a process of its own: durable answers, a clean end, and what it never loads."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import requests

from homeport.settings import Settings
from homeport.state.database import Database
from homeport.state.jobs import find_job


def test_the_api_loads_no_docker_and_nothing_that_acts() -> None:
    script = (
        "import sys, api.app, api.__main__\n"
        "banned = {'docker', 'workers', 'compose', 'build_cache', 'proxy', 'homeport.host', 'homeport.cli'}\n"
        "print(sorted(banned & sys.modules.keys()))"
    )

    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_an_accepted_job_survives_a_kill_right_after_the_answer(settings: Settings, token: str) -> None:
    api = _start(settings)
    try:
        url = f"http://{settings.listen}"
        _wait_alive(api, url)

        answer = requests.post(
            f"{url}/v1/apps",
            json={"definition": "wiki"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )
        os.kill(api.pid, signal.SIGKILL)
    finally:
        api.kill()
        api.wait(10)

    assert answer.status_code == 202
    database = Database(settings.database)
    with database.read() as connection:
        assert find_job(connection, answer.json()["id"]) is not None
    database.close()


def test_settings_beside_an_archive_may_be_long(settings: Settings, token: str) -> None:
    api = _start(settings)
    try:
        url = f"http://{settings.listen}"
        _wait_alive(api, url)
        given = json.dumps({f"NAME_{number}": "x" * 4096 for number in range(10)})

        answer = requests.post(
            f"{url}/v1/apps",
            params={"settings": given, "colour": "red"},
            data=b"",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/x-tar"},
            timeout=20,
        )
    finally:
        api.kill()
        api.wait(10)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert [error["pointer"] for error in answer.json()["facts"]["errors"]] == ["?colour"]


def test_sigterm_ends_it_cleanly_even_with_an_open_stream(settings: Settings, token: str) -> None:
    api = _start(settings)
    try:
        url = f"http://{settings.listen}"
        _wait_alive(api, url)
        stream = requests.get(
            f"{url}/v1/events", headers={"Authorization": f"Bearer {token}"}, stream=True, timeout=20
        )
        lines = stream.iter_lines()
        assert next(lines).startswith(b"id:")

        began = time.monotonic()
        api.terminate()

        assert list(lines)[-1:] == [b""]  # the stream has its end: nothing was cut off
        assert api.wait(10) == 0
        assert time.monotonic() - began < 5
    finally:
        api.kill()
        api.wait(10)


def test_it_does_not_start_on_a_database_that_is_not_migrated(settings: Settings) -> None:
    path = settings.state_dir / "db" / "homeport.sqlite"
    path.write_bytes(b"")

    api = _start(settings)

    assert api.wait(20) == 1
    assert api.stderr is not None
    assert b"migrate" in api.stderr.read()


def test_it_dies_with_the_process_that_started_it(settings: Settings) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER],
        env=_environment(settings), stdout=subprocess.PIPE,
    )  # fmt: skip
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    _wait_alive(starter, f"http://{settings.listen}")

    starter.kill()
    starter.wait(10)

    deadline = time.monotonic() + 10
    while _is_running(pid):
        assert time.monotonic() < deadline, "the API outlived its parent"
        time.sleep(0.05)


_STARTER = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-m", "api"]).pid, flush=True)
time.sleep(60)
"""


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _environment(settings: Settings) -> dict[str, str]:
    names = ("state_dir", "run_dir", "catalog_dir", "listen", "domain")
    mine = {f"HOMEPORT_{name.upper()}": str(getattr(settings, name)) for name in names}
    return {**os.environ, **mine, "HOMEPORT_CONFIG": str(settings.state_dir / "none.toml")}


def _start(settings: Settings) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "api"], env=_environment(settings), stderr=subprocess.PIPE)


def _wait_alive(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it did not answer within 20 s"
        with suppress(requests.ConnectionError):
            if requests.get(f"{url}/livez", timeout=2).status_code == 200:
                return
        time.sleep(0.05)
