"""Permissions, settings and definitions that are sent: what an install is accepted with, and what not."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
import requests

APP_YML = """\
name: {name}
title: A tunnel
version: "1.0"
web: {{service: web, port: 80}}
permissions: ["capability:NET_ADMIN", "device:/dev/net/tun"]
settings:
  PEERS: {{required: true, description: how many}}
  MTU: {{default: "1400"}}
"""
COMPOSE_YML = """\
services:
  web:
    image: registry.example/web:1
    ports: ["HOST_PORT:80"]
    cap_add: [NET_ADMIN]
    devices: ["/dev/net/tun:/dev/net/tun"]
    environment: [PEERS, MTU]
"""
NEEDED = ["capability:NET_ADMIN", "device:/dev/net/tun"]
SET = {"PEERS": "3"}
TAR = {"Content-Type": "application/x-tar"}


@pytest.fixture
def tunnel(define: Any) -> None:
    define("tunnel", app_yml=APP_YML.format(name="tunnel"), compose_yml=COMPOSE_YML)


def archive(name: str = "sent", **files: str) -> bytes:
    raw = io.BytesIO()
    usual = {"app.yml": APP_YML.format(name=name), "docker-compose.yml": COMPOSE_YML}
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, text in {**usual, **files}.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return raw.getvalue()


@pytest.fixture
def send(box: Any, settings: Any) -> Callable[..., requests.Response]:
    settings.uploads_dir.mkdir()

    def post(body: bytes, /, *, media_type: str = TAR["Content-Type"], **query: Any) -> requests.Response:
        asked = {"permissions": ",".join(NEEDED), "settings": json.dumps(SET), **query}
        given = {name: value for name, value in asked.items() if value is not None}
        answer: requests.Response = box.call(
            "POST", "/v1/apps", params=given, data=body, headers={"Content-Type": media_type}
        )
        return answer

    return post


@pytest.fixture
def stored(settings: Any) -> Callable[[], list[str]]:
    return lambda: sorted(path.name for path in settings.uploads_dir.iterdir())


def jobs_of(box: Any) -> list[Any]:
    jobs: list[Any] = box.call("GET", "/v1/jobs").json()["items"]
    return jobs


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ([], NEEDED),
        (["capability:NET_ADMIN"], ["device:/dev/net/tun"]),
        (["privileged", "docker_socket"], NEEDED),
        (["device:/dev/net/tun2", "capability:NET_RAW"], NEEDED),
    ],
)
def test_what_was_not_granted_is_refused_in_plain_words(
    box: Any, tunnel: None, granted: list[str], missing: list[str]
) -> None:
    answer = box.install("tunnel", permissions=granted, settings=SET)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "permissions_not_granted")
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert [one["permission"] for one in problem["facts"]["missing"]] == missing
    assert all(one["words"] and one["risk"] for one in problem["facts"]["missing"])
    assert problem["facts"]["rating"]["risk"] == "high"
    assert len(problem["facts"]["rating"]["reasons"]) == len(NEEDED)
    assert (problem["facts"]["name"], problem["facts"]["title"]) == ("tunnel", "A tunnel")
    assert jobs_of(box) == []


def test_what_was_granted_is_stored_and_no_more_than_the_definition_asks_for(box: Any, tunnel: None) -> None:
    surplus = ["privileged", "capability:cap_net_admin", *NEEDED]

    answer = box.install("tunnel", permissions=surplus, settings={**SET, "MTU": "1300"})

    assert answer.status_code == 202, answer.text
    assert answer.json()["parameters"]["permissions"] == NEEDED
    assert answer.json()["parameters"]["settings"] == {"PEERS": "3", "MTU": "1300"}


def test_a_setting_that_sounds_like_a_secret_is_shown_to_nobody(box: Any, define: Any) -> None:
    settings = "settings: {DB_PASSWORD: {required: true}, PUID: {default: '1000'}}"
    compose = "services: {web: {image: 'registry.example/web:1', environment: [DB_PASSWORD, PUID]}}"
    define("vault", app_yml=f"name: vault\ntitle: A vault\nversion: '1'\n{settings}\n", compose_yml=compose)

    job = box.install("vault", settings={"DB_PASSWORD": "hunter2"}).json()

    assert job["parameters"]["settings"]["DB_PASSWORD"] == "***"
    assert "hunter2" not in box.call("GET", f"/v1/jobs/{job['id']}").text


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"permissions": ["fly"]}, "/permissions"),
        ({"permissions": "capability:NET_ADMIN"}, "/permissions"),
        ({"permissions": [5]}, "/permissions/0"),
        ({"permissions": ["capability:NET_ADMIN"] * 201}, "/permissions"),
        ({"settings": {}}, "/settings/PEERS"),
        ({"settings": {"PEERS": ""}}, "/settings/PEERS"),
        ({"settings": {"PEERS": 3}}, "/settings/PEERS"),
        ({"settings": {**SET, "COLOUR": "red"}}, "/settings/COLOUR"),
        ({"settings": {**SET, "MTU": "1\n2"}}, "/settings/MTU"),
        ({"settings": {**SET, "MTU": "x" * 5000}}, "/settings/MTU"),
        ({"settings": ["PEERS"]}, "/settings"),
    ],
)
def test_wrong_permissions_and_settings_are_named(
    box: Any, tunnel: None, fields: dict[str, Any], pointer: str
) -> None:
    answer = box.install("tunnel", **{"permissions": NEEDED, "settings": SET, **fields})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert pointer in [error["pointer"] for error in answer.json()["facts"]["errors"]]
    assert jobs_of(box) == []


def test_the_catalog_tells_what_will_be_asked_for_and_what_can_be_set(box: Any, tunnel: None) -> None:
    entries = {entry["name"]: entry for entry in box.call("GET", "/v1/catalog").json()["items"]}
    shown = box.call("GET", "/v1/catalog/tunnel").json()
    qualified = box.call("GET", "/v1/catalog/homeport/tunnel").json()

    assert [one["permission"] for one in entries["tunnel"]["permissions"]] == NEEDED
    assert (entries["tunnel"]["rating"]["risk"], entries["wiki"]["rating"]["risk"]) == ("high", "none")
    assert (shown["catalog"], shown["qualified"]) == ("homeport", "homeport/tunnel")
    assert shown["settings"]["PEERS"] == {
        "default": "", "description": "how many", "required": True, "build": False
    }  # fmt: skip
    assert qualified == {**shown, "name": "homeport/tunnel"}


def test_an_installed_app_tells_what_was_granted_and_set(box: Any, installed: Any) -> None:
    installed("tunnel", catalog=None, permissions=tuple(NEEDED), settings=SET)
    installed("wiki", app_id=2, catalog="homeport")

    tunnel = box.call("GET", "/v1/apps/tunnel").json()

    assert (tunnel["catalog"], tunnel["settings"], tunnel["rating"]["risk"]) == (None, SET, "high")
    assert [one["permission"] for one in tunnel["permissions"]] == NEEDED
    assert box.call("GET", "/v1/apps/wiki").json()["rating"] == {"risk": "none", "reasons": []}


@pytest.mark.parametrize(
    ("pack", "media_type"), [(bytes, "application/x-tar"), (gzip.compress, "application/gzip")]
)
def test_a_definition_that_is_sent_is_stored_with_its_job(
    send: Any, settings: Any, stored: Any, pack: Callable[[bytes], bytes], media_type: str
) -> None:
    body = pack(archive())

    answer = send(body, media_type=media_type, identifier="mine", app_id=7, host_name="tunnel")

    job = answer.json()
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert job["parameters"] == {
        "definition": "sent", "catalog": None, "upload": job["id"], "identifier": "mine", "app_id": 7,
        "host_name": "tunnel.home.example", "aliases": [], "host_port": 35007,
        "permissions": NEEDED, "settings": SET,
    }  # fmt: skip
    assert stored() == [f"{job['id']}.tar"]
    assert (settings.uploads_dir / f"{job['id']}.tar").read_bytes() == body


@pytest.mark.parametrize(
    ("body", "query", "status", "code"),
    [
        (b"noise", {}, 422, "archive_refused"),
        (archive()[:700], {}, 422, "archive_refused"),
        (archive(**{"../evil": "x"}), {}, 422, "archive_refused"),
        (archive(**{"app.yml": "name: [\n"}), {}, 422, "definition_invalid"),
        (archive(**{"docker-compose.yml": "services: [\n"}), {}, 422, "definition_invalid"),
        (
            archive(**{"docker-compose.yml": COMPOSE_YML + "    privileged: true\n"}),
            {"permissions": "privileged," + ",".join(NEEDED)},
            422,
            "policy_refused",
        ),
        (archive(), {"permissions": None}, 403, "permissions_not_granted"),
        (archive(), {"permissions": ""}, 403, "permissions_not_granted"),
        (archive(), {"permissions": "fly"}, 422, "invalid_input"),
        (archive(), {"settings": None}, 422, "invalid_input"),
        (archive(), {"settings": "{"}, 422, "invalid_input"),
        (archive(), {"settings": '["PEERS"]'}, 422, "invalid_input"),
        (archive(), {"settings": '{"PEERS": "\\ud800"}'}, 422, "invalid_input"),
        (archive(), {"settings": '{"PEERS": "\\u0000"}'}, 422, "invalid_input"),
        (archive(), {"settings": "[" * 2000}, 422, "invalid_input"),
        (archive(), {"host_name": b"\xff"}, 422, "invalid_input"),
        (archive(), {"settings": '{"PEERS": 3}'}, 422, "invalid_input"),
        (archive(), {"settings": '{"PEERS": "3", "COLOUR": "red"}'}, 422, "invalid_input"),
        (archive(), {"identifier": "Not A Label"}, 422, "invalid_input"),
        (archive(), {"app_id": "0"}, 422, "invalid_input"),
        (archive(), {"app_id": "many"}, 422, "invalid_input"),
        (archive(), {"definition": "wiki"}, 422, "invalid_input"),
        (archive(), {"identifier": "held"}, 409, "taken"),
        (archive("a" * 64), {}, 422, "definition_invalid"),
    ],
)
def test_every_refusal_of_what_is_sent_leaves_nothing(
    box: Any, send: Any, stored: Any, *, body: bytes, query: dict[str, Any], status: int, code: str
) -> None:
    assert box.install("wiki", identifier="held").status_code == 202

    answer = send(body, **query)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert stored() == []
    assert [job["subject"] for job in jobs_of(box)] == ["held"]


def test_what_belongs_to_an_archive_is_refused_where_none_is_sent(box: Any) -> None:
    answer = box.call("POST", "/v1/apps?identifier=x1&permissions=", json={"definition": "wiki"})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["facts"]["errors"]] == ["?identifier", "?permissions"]
    assert jobs_of(box) == []


def test_a_definition_that_is_sent_installs_beside_the_catalogs_own_of_its_name(
    box: Any, tunnel: None, send: Any
) -> None:
    sent = send(archive("tunnel"), identifier="other").json()
    named = box.install("homeport/tunnel", permissions=NEEDED, settings=SET).json()

    assert (sent["parameters"]["catalog"], named["parameters"]["catalog"]) == (None, "homeport")
    assert named["parameters"]["definition"] == sent["parameters"]["definition"] == "tunnel"


def test_an_install_that_is_cancelled_before_it_began_takes_what_was_sent_along(
    box: Any, send: Any, stored: Any
) -> None:
    job = send(archive()).json()

    assert box.call("DELETE", f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"
    assert stored() == []
    assert send(archive()).status_code == 202
