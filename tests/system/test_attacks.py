"""Hostile documents in place of what was rendered: Compose reads them, and nothing is run, told or called."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compose.resolved import resolve_project
from homeport.errors import CeilingReachedError, HomeportError, PolicyRefusedError, StartFailedError
from tests.harness.attacks import Traps
from tests.harness.engine import EngineBox
from tests.system.projects import IMAGE, Scratch, scratch

ONE = json.dumps({"services": {"web": {"image": IMAGE, "command": ["sleep", "1000"], "init": True}}})
FOLDER_OF_HOST = {"driver_opts": {"type": "none", "o": "bind", "device": "/etc"}}
DEADLINE_S = 4.0


@pytest.fixture
def traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traps]:
    traps = Traps(folder=tmp_path / "outside", secret=f"canary-{secrets.token_hex(8)}")
    monkeypatch.setenv("CANARY", traps.secret)
    monkeypatch.setattr("compose.resolved._CEILING_S", DEADLINE_S)
    yield traps
    traps.close()


@pytest.fixture
def project(engine_box: EngineBox, tmp_path: Path) -> Iterator[Scratch]:
    with scratch(engine_box.docker_host, tmp_path, ONE, "main: web\n") as project:
        yield project


def refusal_of(
    project: Scratch, traps: Traps, service: dict[str, Any], top: dict[str, Any] | None = None
) -> HomeportError:
    """What creating the project comes to, with these keys in its file; and nothing of it is there."""
    document = json.loads(json.dumps(project.rendered.document))
    document["services"]["web"] |= service
    text = traps.place(json.dumps(document | (top or {})))
    (project.facts.project_dir / "docker-compose.yml").write_text(text)

    with pytest.raises((PolicyRefusedError, StartFailedError, CeilingReachedError)) as caught:
        project.create()

    assert traps.sprung(str(caught.value) + json.dumps(caught.value.problem().as_json())) == []
    assert project.left() == []
    return caught.value


@pytest.mark.parametrize(
    ("service", "top", "rule"),
    [
        ({"provider": {"type": "@OUT@/evil.sh"}}, {}, "runs-on-host"),
        ({"use_api_socket": True}, {}, "docker-socket"),
        ({"volumes": ["/:/host"]}, {}, "docker-socket"),
        ({"post_start": [{"command": ["/evil"], "privileged": True}]}, {}, "host-access"),
        ({"privileged": True}, {}, "permission-not-granted"),
        ({"volumes": ["data:/x"]}, {"volumes": {"data": FOLDER_OF_HOST}}, "volume-driver-opts"),
        ({}, {"networks": {"default": {"external": True, "name": "host"}}}, "foreign-object"),
        ({"logging": {"driver": "gelf", "options": {"gelf-address": "@ADDRESS@"}}}, {}, "not-as-rendered"),
    ],
)  # fmt: skip
def test_what_compose_understands_is_refused_and_nothing_ran(
    project: Scratch, traps: Traps, service: dict[str, Any], top: dict[str, Any], rule: str
) -> None:
    error = refusal_of(project, traps, service, top)

    assert isinstance(error, PolicyRefusedError), error
    assert rule in {finding.rule for finding in error.findings}, str(error)


@pytest.mark.parametrize(
    ("service", "top"),
    [
        ({"env_file": ["@OUT@/canary.env"]}, {}),
        ({"env_file": ["@OUT@/pipe"]}, {}),
        ({"label_file": ["@OUT@/pipe"]}, {}),
        ({"extends": {"service": "web", "file": "@OUT@/pipe"}}, {}),
        ({}, {"include": ["@OUT@/pipe"]}),
        ({}, {"include": ["http://@ADDRESS@/x.git"]}),
        ({}, {"include": ["oci://@ADDRESS@/x:1"]}),
        ({"configs": ["x"]}, {"configs": {"x": {"file": "@OUT@/pipe"}}}),
        ({"configs": ["x"]}, {"configs": {"x": {"environment": "CANARY"}}}),
    ],
)
def test_files_and_addresses_are_neither_told_nor_waited_for_beyond_the_deadline(
    project: Scratch, traps: Traps, service: dict[str, Any], top: dict[str, Any]
) -> None:
    refusal_of(project, traps, service, top)

    assert not any(_has_open(process, traps.folder / "pipe") for process in Path("/proc").glob("[0-9]*"))


def test_a_variable_of_the_environment_is_nothing_to_compose(project: Scratch, traps: Traps) -> None:
    document = json.loads(json.dumps(project.rendered.document))
    document["services"]["web"]["environment"] = {"STOLEN": "<${CANARY}>"}
    file = project.facts.project_dir / "docker-compose.yml"
    file.write_text(json.dumps(document))

    resolved = resolve_project(project.settings, project.facts.project_dir, project.project)

    assert resolved["services"]["web"]["environment"] == {"STOLEN": "<>"}
    assert traps.secret not in json.dumps(resolved)


def _has_open(process: Path, file: Path) -> bool:
    try:
        return any(link.readlink() == file for link in (process / "fd").iterdir())
    except OSError:  # it has ended
        return False
