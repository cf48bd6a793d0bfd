"""Requests that are refused before a job is accepted: a clear problem, and nothing changed."""

from collections.abc import Mapping
from typing import Any

import pytest
import requests

from tests.harness.definitions import pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json


def refused(box: HomeportBox, body: Json, status: int, **options: Any) -> Json:
    jobs = box.get("/v1/jobs?limit=1")["items"]
    answer = box.request("POST", "/v1/apps", json=body, **options)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem: Json = answer.json()
    assert problem["title"]
    assert problem["code"]
    assert box.get("/v1/jobs?limit=1")["items"] == jobs, "a refused request must leave no job"
    return problem


def test_an_unknown_definition_is_not_found(homeport_box: HomeportBox) -> None:
    assert refused(homeport_box, {"definition": "never-heard-of"}, 404)["code"] == "not_found"


@pytest.mark.parametrize("identifier", ["Wiki", "-wiki", "w", "wi ki", "wiki.home", "x" * 64, "../etc"])
def test_an_identifier_that_is_no_label_is_refused(homeport_box: HomeportBox, identifier: str) -> None:
    problem = refused(homeport_box, {"definition": "hydra", "identifier": identifier}, 422)

    assert problem["code"] == "invalid_input"


@pytest.mark.parametrize("app_id", [0, -1, 30536])
def test_an_app_id_without_a_port_is_refused(homeport_box: HomeportBox, app_id: int) -> None:
    assert refused(homeport_box, {"definition": "hydra", "app_id": app_id}, 422)["code"] == "invalid_input"


def test_what_is_taken_is_refused_with_its_holder(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    homeport_box.succeed(homeport_box.install("hydra", app_id=77, host_name="finder"))

    for body, kind in (
        ({"definition": "hydra"}, "identifier"),
        ({"definition": "hydra", "identifier": "other", "app_id": 77}, "app_id"),
        ({"definition": "hydra", "identifier": "other", "host_name": "finder"}, "host_name"),
    ):
        problem = refused(homeport_box, body, 409)
        assert problem["code"] == "taken"
        assert problem["facts"]["kind"] == kind
        assert problem["facts"]["holder"] == "hydra"

    homeport_box.succeed(homeport_box.uninstall("hydra", purge=True))


def test_a_wrong_token_and_none_are_refused(homeport_box: HomeportBox) -> None:
    for token in ("", "hp_wrong"):
        assert refused(homeport_box, {"definition": "hydra"}, 401, token=token)["code"] == "unauthorized"


def test_a_body_of_10_mb_is_refused(homeport_box: HomeportBox) -> None:
    problem = refused(homeport_box, {"definition": "x" * 10_000_000}, 413)

    assert problem["code"] == "payload_too_large"


def test_an_unknown_app_cannot_be_uninstalled(homeport_box: HomeportBox) -> None:
    answer = homeport_box.delete("/v1/apps/never-installed")

    assert answer.status_code == requests.codes.not_found
    assert answer.json()["code"] == "not_found"


BROKEN: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    "no mapping": (
        pulled_app("broken", "a/b:1") | {"app.yml": "- name: broken\n"},
        "definition_invalid",
        "app.yml",
    ),
    "duplicate key": (
        {**pulled_app("broken", "a/b:1"), "docker-compose.yml": "services: {}\nservices: {}\n"},
        "definition_invalid",
        "services",
    ),
    "privileged": (
        pulled_app("broken", "a/b:1", service="    privileged: true\n"),
        "policy_refused",
        "privileged",
    ),
    "docker socket": (
        pulled_app("broken", "a/b:1", service="    volumes: ['/var/run/docker.sock:/s']\n"),
        "policy_refused",
        "volumes",
    ),
    "path outside": (
        pulled_app("broken", "a/b:1", service="    volumes: ['../../etc:/etc']\n"),
        "policy_refused",
        "volumes",
    ),
    "provider": (
        pulled_app("broken", "a/b:1", service="    provider: {type: ./evil.sh}\n"),
        "policy_refused",
        "provider",
    ),
    "socket by key": (
        pulled_app("broken", "a/b:1", service="    use_api_socket: true\n"),
        "",
        "use_api_socket",
    ),
    "host network": (
        pulled_app("broken", "a/b:1", service="    network_mode: host\n"),
        "policy_refused",
        "network_mode",
    ),
    "host processes": (pulled_app("broken", "a/b:1", service="    pid: host\n"), "policy_refused", "pid"),
    "bind by driver": (
        pulled_app(
            "broken",
            "a/b:1",
            service="    volumes: ['v:/v']\nvolumes: {v: {driver_opts: {o: bind, device: /etc}}}\n",
        ),
        "policy_refused",
        "driver_opts",
    ),
    "environment of the host": (
        pulled_app("broken", "a/b:1", service="    env_file: /etc/environment\n"),
        "",
        "env_file",
    ),
    "extends outside": (
        pulled_app("broken", "a/b:1", service="    extends: {file: ../../other.yml, service: x}\n"),
        "",
        "extends",
    ),
    "include outside": (
        {
            **pulled_app("broken", "a/b:1"),
            "docker-compose.yml": "include: [../other.yml]\nservices: {broken: {image: 'a/b:1'}}\n",
        },
        "",
        "include",
    ),
    "remote context": (
        pulled_app("broken", "a/b:1", service="    build: https://example.org/x.git\n"),
        "",
        "build",
    ),
    "interpolation": (
        pulled_app("broken", "a/b:1", service="    environment: {A: $HOME}\n"),
        "policy_refused",
        "environment.A",
    ),
    "low port": (
        {
            **pulled_app("broken", "a/b:1"),
            "docker-compose.yml": "services:\n  broken:\n    image: a/b:1\n    ports: ['22:22']\n",
        },
        "policy_refused",
        "ports",
    ),
    "a tag of another language": (
        {**pulled_app("broken", "a/b:1"), "docker-compose.yml": "services: !!python/object:os.system {}\n"},
        "definition_invalid",
        "docker-compose.yml",
    ),
    "alias bomb": (
        {
            **pulled_app("broken", "a/b:1"),
            "docker-compose.yml": "x-a: &a [1,1,1,1,1,1,1,1,1,1]\nx-b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
            "x-c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nx-d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
            "x-e: [*d,*d]\nservices: {}\n",
        },
        "definition_invalid",
        "docker-compose.yml",
    ),
    "too deep": (
        {
            **pulled_app("broken", "a/b:1"),
            "docker-compose.yml": f"x-a: {'[' * 40}{']' * 40}\nservices: {{}}\n",
        },
        "definition_invalid",
        "docker-compose.yml",
    ),
    "two documents": (
        {**pulled_app("broken", "a/b:1"), "docker-compose.yml": "services: {}\n---\nservices: {}\n"},
        "definition_invalid",
        "docker-compose.yml",
    ),
    "unknown key": (pulled_app("broken", "a/b:1", service="    colour: red\n"), "", "colour"),
    "float version": (
        pulled_app("broken", "a/b:1") | {"app.yml": "name: broken\nversion: 1.0\n"},
        "",
        "version",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_definition_is_refused_with_file_key_and_line(homeport_box: HomeportBox, kind: str) -> None:
    files, code, key = BROKEN[kind]
    homeport_box.add_definition("broken", files)

    problem = refused(homeport_box, {"definition": "broken"}, 422)

    assert problem["code"] == code or code == ""
    findings = problem["facts"]["findings"]
    assert any(key in finding["key"] or key in finding["file"] for finding in findings), findings
    assert all(finding["remedy"] for finding in findings)
    assert all(finding["line"] for finding in findings)
