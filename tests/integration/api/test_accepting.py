"""Installing and uninstalling over HTTP: what is stored when the answer is 202, and what is refused."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from homeport.models import JobState, Queue
from homeport.settings import Settings
from homeport.state.database import Database
from homeport.state.jobs import find_job, list_jobs

TWO_PORTS = """\
services:
  web:
    image: registry.example/web:1
    container_name: APP_IDENTIFIER
    ports: ["HOST_PORT:80", "2224:22"]
"""

PRIVILEGED = """\
services:
  web:
    image: registry.example/web:1
    privileged: true
    ports: ["HOST_PORT:80"]
"""


def test_an_install_is_answered_202_with_the_job_that_is_stored(box: Any) -> None:
    answer = box.install("wiki", app_id=12)

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert job["parameters"] == {
        "definition": "wiki", "identifier": "wiki", "app_id": 12,
        "host_name": "wiki.home.example", "host_port": 35012,
    }  # fmt: skip
    assert (job["kind"], job["state"], job["subject"], job["amahi_progress"]) == (
        "install",
        "queued",
        "wiki",
        0,
    )
    with box.database.read() as connection:
        stored = find_job(connection, job["id"])
    assert stored is not None
    assert (stored.state, stored.queue) == (JobState.QUEUED, Queue.APPS)


def test_identifier_and_host_name_are_the_callers_to_choose(box: Any) -> None:
    job = box.install("wiki", identifier="family", host_name="notes.example.org").json()

    assert job["subject"] == "family"
    assert job["parameters"]["host_name"] == "notes.example.org"


def test_what_builds_images_goes_to_the_builds_queue(box: Any, define: Any) -> None:
    define("built", images=True)

    assert box.install("built").json()["queue"] == "builds"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/definition"),
        ({"definition": 5}, "/definition"),
        ({"definition": "wiki", "colour": "red"}, "/colour"),
        ({"definition": "wiki", "app_id": "12"}, "/app_id"),
        ({"definition": "wiki", "app_id": True}, "/app_id"),
        ({"definition": "wiki", "app_id": 0}, "/app_id"),
        ({"definition": "wiki", "app_id": 30536}, "/app_id"),
        ({"definition": "wiki", "identifier": "Not_A_Label"}, "/identifier"),
        ({"definition": "wiki", "identifier": "x"}, "/identifier"),
        ({"definition": "wiki", "identifier": ""}, "/identifier"),
        ({"definition": "wiki", "identifier": "../../etc"}, "/identifier"),
        ({"definition": "wiki", "host_name": "a..b"}, "/host_name"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(box: Any, body: dict[str, Any], pointer: str) -> None:
    answer = box.call("POST", "/v1/apps", json=body)

    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert problem["type"] == "urn:homeport:problem:invalid_input"
    assert pointer in [error["pointer"] for error in problem["facts"]["errors"]]
    assert _stored_jobs(box) == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"wiki"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"definition": "\\ud800"}',
        b"1" * 9000,
    ],
)
def test_what_is_no_json_object_is_refused(box: Any, body: bytes) -> None:
    answer = box.call("POST", "/v1/apps", data=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert _stored_jobs(box) == 0


@pytest.mark.parametrize("name", ["nothing-here", "../wiki", "Wiki", "wiki/../blog", "wiki\x00", "."])
def test_an_unknown_definition_is_not_found(box: Any, name: str) -> None:
    answer = box.install(name)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["facts"]["kind"] == "definition"


def test_a_definition_that_the_policy_refuses_is_refused_with_its_findings(box: Any, define: Any) -> None:
    define("evil", compose_yml=PRIVILEGED)

    answer = box.install("evil")

    finding = answer.json()["facts"]["findings"][0]
    assert (answer.status_code, answer.json()["code"]) == (422, "policy_refused")
    assert "privileged" in finding["key"]
    assert finding["line"] == 4
    assert _stored_jobs(box) == 0


def test_a_definition_that_breaks_its_schema_is_refused_and_can_be_mended(box: Any, define: Any) -> None:
    folder = define("broken", app_yml="name: broken\ntitle: 5\n")
    refused = box.install("broken")

    (folder / "app.yml").write_text(
        'name: broken\ntitle: Mended\nversion: "1"\nweb: {service: web, port: 80}\n'
    )

    assert (refused.status_code, refused.json()["code"]) == (422, "definition_invalid")
    assert refused.json()["facts"]["findings"]
    assert box.install("broken").status_code == 202


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ({"identifier": "one"}, {"identifier": "one", "host_name": "other"}, "identifier"),
        ({"identifier": "one", "app_id": 7}, {"identifier": "two", "app_id": 7}, "app_id"),
        ({"identifier": "one"}, {"identifier": "two", "host_name": "one"}, "host_name"),
    ],
)
def test_what_another_app_holds_is_a_conflict(
    box: Any, first: dict[str, Any], second: dict[str, Any], kind: str
) -> None:
    assert box.install("wiki", **first).status_code == 202

    answer = box.install("blog", **second)

    assert (answer.status_code, answer.json()["code"]) == (409, "taken")
    assert answer.json()["facts"]["kind"] == kind
    assert answer.json()["facts"]["holder"] == "one"
    assert _stored_jobs(box) == 1


def test_further_published_ports_are_claimed(box: Any, define: Any) -> None:
    define("git", compose_yml=TWO_PORTS)
    assert box.install("git", identifier="git-one").status_code == 202

    answer = box.install("git", identifier="git-two")

    assert (answer.status_code, answer.json()["facts"]["kind"]) == (409, "port")
    assert answer.json()["facts"]["value"] == "2224"


def test_one_conflict_among_many_at_once_spoils_no_other(box: Any) -> None:
    names = [f"app-{number}" for number in range(24)]

    def ask(name: str) -> int:
        answer = requests.post(
            f"{box.url}/v1/apps",
            json={"definition": "wiki", "identifier": name},
            headers=dict(box.session.headers),
            timeout=20,
        )
        return answer.status_code

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(ask, [*names, *names]))

    assert sorted(statuses) == [202] * 24 + [409] * 24
    assert _stored_jobs(box) == 24


def test_uninstalling_what_is_not_there_is_not_found(box: Any) -> None:
    answer = box.call("DELETE", "/v1/apps/nothing")

    assert (answer.status_code, answer.json()["facts"]["kind"]) == (404, "app")


def test_an_uninstall_is_answered_202_with_what_was_asked(box: Any, installed: Any) -> None:
    installed("wiki")

    answer = box.call("DELETE", "/v1/apps/wiki?purge=true")

    job = answer.json()
    assert (answer.status_code, job["kind"]) == (202, "uninstall")
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert job["parameters"] == {"identifier": "wiki", "purge": True, "remove_images": False}


def test_a_misspelled_option_of_uninstall_is_refused_instead_of_ignored(box: Any, installed: Any) -> None:
    installed("wiki")

    answer = box.call("DELETE", "/v1/apps/wiki?keep_images=1")

    assert (answer.status_code, answer.json()["facts"]["errors"][0]["pointer"]) == (422, "?keep_images")
    assert _stored_jobs(box) == 0


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
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
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
        try:
            assert requests.get(f"{url}/livez", timeout=2).status_code == 200
            return
        except requests.ConnectionError:
            time.sleep(0.05)


def _stored_jobs(box: Any) -> int:
    with box.database.read() as connection:
        return len(list_jobs(connection, before_seq=None, limit=100))
