"""Installing and uninstalling over HTTP: what is stored when the answer is 202, and what is refused."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from homeport.models import JobState, Queue
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
        "definition": "wiki", "catalog": "homeport", "upload": None, "identifier": "wiki", "app_id": 12,
        "host_name": "wiki.home.example", "aliases": [], "host_port": 35012,
        "permissions": [], "settings": {},
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


def _stored_jobs(box: Any) -> int:
    with box.database.read() as connection:
        return len(list_jobs(connection, before_seq=None, limit=100))
