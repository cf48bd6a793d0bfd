"""What is refused in the one service of a file is refused in a further one, or an extended one, too."""

import copy
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from homeport.catalog.reader import read_definition
from homeport.catalog.yaml12 import dump_yaml, load_yaml
from homeport.errors import DefinitionInvalidError, PolicyRefusedError
from tests.harness.attacks import Attack, Traps, load_corpus

WEB = {"image": "nginx:1.27", "ports": ["HOST_PORT:80"]}
Files = dict[str, Any]


@pytest.fixture
def traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traps]:
    traps = Traps(folder=tmp_path / "outside", secret=f"canary-{secrets.token_hex(8)}")
    monkeypatch.setenv("CANARY", traps.secret)
    yield traps
    traps.close()


def in_a_further_service(document: dict[str, Any]) -> Files:
    """In a service that looks like an extension, beside a sound one."""
    hostile = document["services"]["web"]
    if hostile.get("ports") == WEB["ports"]:
        del hostile["ports"]
    return {"docker-compose.yml": {**document, "services": {"web": WEB, "x-note": hostile}}}


def in_an_extended_service(document: dict[str, Any]) -> Files:
    """In a service of another file of the definition."""
    extending = {"image": "nginx:1.27", "extends": {"service": "web", "file": "base.yml"}}
    return {"docker-compose.yml": {**document, "services": {"web": extending}}, "base.yml": document}


@pytest.mark.parametrize("move", [in_a_further_service, in_an_extended_service])
def test_it_is_refused_there_too(
    move: Callable[[dict[str, Any]], Files], tmp_path: Path, traps: Traps
) -> None:
    folder = tmp_path / "definition"
    accepted: list[str] = []
    said = ""
    moved = 0
    for attack in load_corpus():
        if not attack.rule or attack.family == "app_yml":
            continue
        attack.write(folder, traps)
        if (document := only_service(folder, attack)) is not None:
            for name, value in move(copy.deepcopy(document)).items():
                (folder / name).write_text(dump_yaml(value))
            try:
                read_definition(folder)
            except (PolicyRefusedError, DefinitionInvalidError) as error:
                said += str(error)
            else:
                accepted.append(str(attack))
            moved += 1
        shutil.rmtree(folder)

    assert moved > 400
    assert accepted == []
    assert traps.sprung(said) == []


def only_service(folder: Path, attack: Attack) -> dict[str, Any] | None:
    """The compose file, if it has one service alone and can be read."""
    file = folder / "docker-compose.yml"
    if not file.is_file():
        return None
    try:
        document = load_yaml(file.read_bytes(), file=str(attack)).value
    except DefinitionInvalidError:
        return None
    services = document.get("services") if isinstance(document, dict) else None
    is_one = isinstance(services, dict) and list(services) == ["web"] and isinstance(services["web"], dict)
    return document if is_one else None
