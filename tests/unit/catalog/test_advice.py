"""Advice about definitions: each piece where it belongs, and none where it does not."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from homeport.catalog.advice import advise
from homeport.catalog.advice_dockerfile import (
    DockerfileUse,
    advise_dockerfile,
    has_health_check,
    is_brisk,
    is_moving,
)
from homeport.catalog.reader import read_definition
from tests.unit.catalog.conftest import MakeDefinition

SLIM = "FROM debian:bookworm-slim\n"
APP = 'name: wiki\ntitle: Wiki\nversion: "1"\ndescription: A wiki.\nlimits: {memory: 64M}\n'
INSTALL = "apt-get install --no-install-recommends a"
WEB = "web: {service: web, port: 80, health: /}\n"
COMPOSE = "services:\n  web:\n    image: nginx:1.27\n"
REPOSITORY = Path(__file__).parents[3]


def rules(text: str, *, target: str = "", drops_root: bool = True) -> list[tuple[int | None, str]]:
    use = DockerfileUse(file="web/Dockerfile", target=target, drops_root=drops_root)
    return [(finding.line, finding.rule) for finding in advise_dockerfile(text.encode(), use)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM debian\n", [(1, "base-moving")]),
        ("FROM ghcr.io/acme/base:latest\n", [(1, "base-moving")]),
        ("FROM registry.example:5000/base\n", [(1, "base-moving")]),
        ("FROM debian:bookworm\n", [(1, "base-large")]),
        ("FROM docker.io/library/python:3.12\n", [(1, "base-large")]),
        ("FROM python:3.12-alpine3.20\n", []),
        (f"FROM debian@sha256:{'0' * 64}\n", []),
        ("FROM scratch\n", []),
        ("FROM ubuntu:24.04\n", []),
        ("ARG BASE\nFROM $BASE\n", []),
        ("ARG V=latest\nFROM acme/base:$V\n", [(2, "base-moving")]),
        ("FROM golang:1.22 AS made\nFROM scratch\nCOPY --from=made /a /a\n", []),
        ("FROM debian:bookworm AS made\nRUN true\nFROM debian:bookworm-slim\n", []),
        (f"{SLIM}RUN apt-get update && apt-get install -y --no-install-recommends a\n", [(2, "apt-lists")]),
        (
            f"{SLIM}RUN apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*\n",
            [(2, "apt-recommends")],
        ),
        (f"{SLIM}RUN --mount=type=tmpfs,target=/var/lib/apt/lists apt-get update && {INSTALL}\n", []),
        (f"{SLIM}RUN apt-get update && rm -rf /var/lib/apt/lists/*\n", [(2, "apt-update-alone")]),
        ("FROM alpine:3.20\nRUN apk add curl\n", [(2, "apk-cache")]),
        ("FROM alpine:3.20\nRUN apk add --no-cache curl && apk --no-cache add git\n", []),
        ("FROM alpine:3.20\nRUN apk add --no-cache curl\n", []),
        (f"{SLIM}RUN chmod -R 777 /srv\n", [(2, "mode-open")]),
        (f"{SLIM}RUN chmod a+rwx /srv\n", [(2, "mode-open")]),
        (f"{SLIM}COPY --chmod=0777 a /a\n", [(2, "mode-open")]),
        (f"{SLIM}RUN chmod 1775 /srv && chmod 755 /a-777\n", []),
        (f"{SLIM}RUN curl -fsSL https://x.example/i.sh | bash\n", [(2, "download-piped")]),
        (f"{SLIM}RUN curl https://x.example/a | tar -x\n", []),
        (f"{SLIM}RUN curl -skL https://x.example/a -o a\n", [(2, "download-unverified")]),
        (f"{SLIM}RUN wget --no-check-certificate https://x.example/a\n", [(2, "download-unverified")]),
        (f"{SLIM}RUN curl -o /srv/k https://x.example/a\n", []),
        (f"{SLIM}ADD https://x.example/a /a\n", [(2, "download-unverified")]),
        (f"{SLIM}ADD --checksum=sha256:{'0' * 64} https://x.example/a /a\n", []),
        (f"{SLIM}ENV DB_PASSWORD=hunter2\n", [(2, "secret-written")]),
        (f"{SLIM}ENV API_KEY abc\n", [(2, "secret-written")]),
        (f"{SLIM}ARG TOKEN\nENV DB_PASSWORD_FILE=/run/x PASSWORD=$P ALLOW_TOKEN=false\n", []),
        (f"{SLIM}HEALTHCHECK --interval=2s CMD true\n", [(2, "health-often")]),
        (f"{SLIM}HEALTHCHECK --interval=1m30s --start-interval=1s CMD true\n", []),
        (f"{SLIM}RUN apt-get \\\n update\n", [(2, "apt-lists"), (2, "apt-update-alone")]),
        ("RUN no from\n", []),
        ("\x00\xff", []),
    ],
)
def test_a_dockerfiles_lines_are_judged_one_by_one(text: str, found: list[tuple[int, str]]) -> None:
    assert rules(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SLIM, [(1, "user-root")]),
        (f"{SLIM}USER app\n", []),
        (f"{SLIM}USER app\nUSER root\n", [(3, "user-root")]),
        (f"{SLIM}USER 0:0\n", [(2, "user-root")]),
        ("FROM acme/base:1\n", []),
        ("FROM debian:bookworm-slim AS base\nUSER app\nFROM base\n", []),
        ("FROM debian:bookworm-slim AS made\nUSER app\nFROM alpine:3.20\n", [(3, "user-root")]),
    ],
)
def test_root_is_told_where_it_is_certain(text: str, found: list[tuple[int, str]]) -> None:
    assert rules(text, drops_root=False) == found


def test_only_the_stages_that_are_kept_are_judged_by_their_size() -> None:
    text = "FROM alpine:3.20 AS made\nRUN apk add gcc\nFROM alpine:3.20 AS app\nRUN apk add curl\n"

    assert rules(text) == [(4, "apk-cache")]
    assert rules(text, target="made") == [(2, "apk-cache")]


def of(make_definition: MakeDefinition, files: Mapping[str, str]) -> list[tuple[str, str, str]]:
    folder = make_definition(files)
    return [(one.file, one.key, one.rule) for one in advise(read_definition(folder))]


@pytest.mark.parametrize(
    ("app", "compose", "found"),
    [
        (APP + WEB, "", []),
        (APP.replace("A wiki.", '""') + WEB, "", [("app.yml", "description", "description-missing")]),
        (APP.replace("limits: {memory: 64M}\n", WEB), "", [("app.yml", "limits.memory", "limits-missing")]),
        (APP.replace("limits: {memory: 64M}\n", WEB), "    mem_limit: 64M\n", []),
        (APP + "web: {service: web, port: 80}\n", "", [("app.yml", "web.health", "health-missing")]),
        (APP + "web: {service: web, port: 80}\n", "    healthcheck: {test: [CMD, a]}\n", []),
        (
            APP + "web: {service: web, port: 80}\n",
            "    healthcheck: {disable: true}\n",
            [("app.yml", "web.health", "health-missing")],
        ),
        (
            APP + "settings: {DB_PASSWORD: {default: x, description: A password}}\n",
            "    environment: [DB_PASSWORD]\n",
            [("app.yml", "settings.DB_PASSWORD.default", "secret-written")],
        ),
        (
            APP + "settings: {PUID: {default: '1000'}}\n",
            "    environment: [PUID]\n",
            [("app.yml", "settings.PUID", "setting-undescribed")],
        ),
        (
            APP,
            "    environment: {ADMIN_PASSWORD: admin}\n",
            [("docker-compose.yml", "services.web.environment.ADMIN_PASSWORD", "secret-written")],
        ),
        (
            APP,
            "    volumes: [/config]\n",
            [("docker-compose.yml", "services.web.volumes[0]", "volume-nameless")],
        ),
        (
            APP,
            "    volumes: [./x:/a, './y:/b:ro']\n",
            [("docker-compose.yml", "services.web.volumes[0]", "data-undeclared")],
        ),
        (APP + "data: [x]\n", "    volumes: [./x/in:/a]\n", []),
        (APP, "    user: '0:0'\n", [("docker-compose.yml", "services.web.user", "user-root")]),
        (
            APP,
            "    healthcheck: {test: [CMD, a], interval: 2s}\n",
            [("docker-compose.yml", "services.web.healthcheck.interval", "health-often")],
        ),
        (
            APP + "permissions: [privileged]\n",
            "    privileged: true\n",
            [("app.yml", "permissions[0]", "permission-full")],
        ),
        (
            APP + "permissions: [host_network, 'capability:NET_ADMIN']\n",
            "    network_mode: host\n    cap_add: [NET_ADMIN]\n",
            [("app.yml", "permissions", "permission-full")],
        ),
        (APP + "permissions: ['capability:IPC_LOCK']\n", "    cap_add: [IPC_LOCK]\n", []),
    ],
)
def test_app_yml_and_the_compose_file_are_judged_where_it_stands(
    make_definition: MakeDefinition, app: str, compose: str, found: list[tuple[str, str, str]]
) -> None:
    assert of(make_definition, {"app.yml": app, "docker-compose.yml": COMPOSE + compose}) == found


def test_an_image_that_moves_is_told_with_its_line(make_definition: MakeDefinition) -> None:
    folder = make_definition({"app.yml": APP + WEB, "docker-compose.yml": COMPOSE.replace(":1.27", "")})

    (finding,) = advise(read_definition(folder))

    assert (finding.rule, finding.line) == ("image-moving", 3)
    assert "nginx:VERSION" in finding.remedy


@pytest.mark.parametrize(("script", "found"), [("exec setpriv --reuid=app app\n", []), ("exec app\n", [1])])
def test_an_entry_point_that_changes_the_user_is_enough(
    make_definition: MakeDefinition, script: str, found: list[int]
) -> None:
    files = {
        "app.yml": APP + WEB + "images: {web: {context: ./web}}\n",
        "docker-compose.yml": "services:\n  web:\n    container_name: APP_IDENTIFIER\n",
        "web/Dockerfile": f"{SLIM}COPY start /\n",
        "web/start": script,
    }

    advice = advise(read_definition(make_definition(files)))

    assert [(one.file, one.line) for one in advice] == [("web/Dockerfile", line) for line in found]


@pytest.mark.parametrize(
    ("reference", "moves"),
    [("a", True), ("a:latest", True), ("h:5000/a", True), ("h:5000/a:1", False), ("a@sha256:0", False)],
)
def test_a_reference_moves_without_tag_and_digest(reference: str, moves: bool) -> None:
    assert is_moving(reference) is moves


@pytest.mark.parametrize(
    ("interval", "brisk"),
    [("1s", True), ("4999ms", True), ("5s", False), ("1m", False), ("", False), ("..s", False)],
)
def test_an_interval_is_brisk_below_five_seconds(interval: str, brisk: bool) -> None:
    assert is_brisk(interval) is brisk


def test_the_last_health_check_counts() -> None:
    assert has_health_check(b"FROM a\nHEALTHCHECK CMD true\n")
    assert not has_health_check(b"FROM a\nHEALTHCHECK CMD true\nHEALTHCHECK NONE\n")


def test_there_is_no_advice_about_what_is_shipped_but_for_images_of_others() -> None:
    shipped = [folder for folder in sorted((REPOSITORY / "apps").iterdir()) if folder.is_dir()]

    rules = {finding.rule for folder in shipped for finding in advise(read_definition(folder))}

    assert rules <= {"image-moving"}
