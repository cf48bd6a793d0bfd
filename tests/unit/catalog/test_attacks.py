"""Every hostile definition of the corpus is refused as the corpus says, and springs no trap."""

import json
import os
import secrets
import signal
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

from homeport.catalog.granting import require_granted
from homeport.catalog.reader import read_definition
from homeport.errors import (
    DefinitionInvalidError,
    Finding,
    HomeportError,
    PermissionsNotGrantedError,
    PolicyRefusedError,
)
from tests.harness.attacks import Attack, Traps, load_corpus

ATTACKS = load_corpus()

KNOWN_OF_COMPOSE_AND_DOCKER: Final[Mapping[str, tuple[str, ...]]] = {
    "Compose runs the program that a provider names": (
        "host_programs: a provider is a program that Compose runs on the host",
        "host_programs: a provider that comes in by extends within the definition",
    ),
    "Compose reads any file of the host that env_file names, and prints it": (
        "files: variables from a file of the host",
        "files: variables from a file of the host by a way up",
        "files: variables from a link that leads to the host",
    ),
    "Compose puts its own environment into what it reads": (
        "files: a variable's value from the host",
        "files: an environment variable without a value is taken from the host",
        "builds: an argument without a value is taken from the host",
    ),
    "Compose fetches what is included from a repository": (
        "files: another file is included from the network",
        "files: a service that extends one of a repository",
    ),
    "Compose waits for ever for a pipe": (
        "files: variables from a pipe that never ends",
        "files: variables from a pipe in the definition",
        "files: a config from a pipe",
    ),
    "a registry's artefact overwrites files while Compose reads": (
        "files: a registry's artefact is included, which overwrites files",
        "files: a service that extends one of a registry's artefact, which overwrites files",
    ),
    "readers of YAML end lines elsewhere": (
        "yaml: a comment that ends in the next line for older readers",
        "yaml: a comment that ends at a line separator for older readers",
        "yaml: a comment that ends at a paragraph separator for older readers",
        "yaml: a comment that ends at a lone carriage return",
    ),
    "readers of YAML decode other letters": (
        "yaml: a file in UTF-16",
        "yaml: a file in UTF-16 without a mark",
        "yaml: a byte order mark in the middle",
        "yaml: bytes that are not UTF-8",
    ),
    "readers of YAML read one document or all": (
        "yaml: a second document that Compose would read too",
        "yaml: a second document behind an end mark",
    ),
    "readers of YAML take other words for true": (
        "types: privileged as on",
        "types: privileged as the letter t, which some readers take for true",
        "types: a service whose name is true by the words of YAML 1.1",
        "host_programs: the engine's socket as text that Compose takes for true",
    ),
    "aliases of YAML grow when they are written out": (
        "yaml: aliases that grow a thousand million times",
        "yaml: aliases that grow by merging",
        "yaml: aliases that grow in app.yml",
    ),
    "with driver options a volume is a folder of the host": (
        "volumes: a volume that is a folder of the host",
        "volumes: a volume of a disk of the host",
    ),
    "a key of its own hands the engine's socket out": (
        "host_programs: the engine's socket by a key of its own",
        "permissions: the Docker socket is declared, and a key hands it out with all of the owner's logins",
    ),
    "a container takes the name of another app's": (
        "names: the name of another app's container",
        "names: a name with a hyphen, which could be another app's",
        "names: a name by a host name",
    ),
}
"""What is known of how Compose and Docker let a file reach out, and the ideas of the corpus that try it."""


@pytest.fixture
def traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traps]:
    traps = Traps(folder=tmp_path / "outside", secret=f"canary-{secrets.token_hex(8)}")
    monkeypatch.setenv("CANARY", traps.secret)
    yield traps
    traps.close()


@pytest.fixture(autouse=True)
def _no_hanging() -> Iterator[None]:
    """Whoever opens a FIFO that nobody writes would wait for ever."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.rule], ids=str)
def test_it_is_refused_by_its_rule_and_springs_no_trap(attack: Attack, tmp_path: Path, traps: Traps) -> None:
    folder = tmp_path / "definition"
    attack.write(folder, traps)

    with pytest.raises((PolicyRefusedError, DefinitionInvalidError)) as caught:
        read_definition(folder)

    findings = caught.value.findings
    expected = [finding for finding in findings if finding.rule == attack.rule]
    assert expected, [f"{finding.rule}: {finding}" for finding in findings]
    assert not attack.key or attack.key in {finding.key for finding in expected}
    for finding in findings:
        check_words(finding, folder)
    assert traps.sprung(everything_said_by(caught.value)) == []


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.missing], ids=str)
def test_what_is_declared_is_refused_until_it_is_granted(
    attack: Attack, tmp_path: Path, traps: Traps
) -> None:
    folder = tmp_path / "definition"
    attack.write(folder, traps)

    loaded = read_definition(folder)

    assert {str(permission) for permission in loaded.permissions} == set(attack.missing)
    with pytest.raises(PermissionsNotGrantedError) as caught:
        require_granted(loaded, loaded.permissions[1:])
    assert [told["permission"] for told in caught.value.facts["missing"]] == [str(loaded.permissions[0])]
    assert caught.value.facts["rating"]["reasons"]
    assert caught.value.remedy
    assert require_granted(loaded, loaded.permissions) == loaded.permissions
    assert traps.sprung(everything_said_by(caught.value)) == []


def check_words(finding: Finding, folder: Path) -> None:
    """Whoever reads it knows where to look, what is wrong, and what would be right."""
    assert finding.file
    assert finding.key
    assert finding.what.strip()
    assert finding.remedy.strip()
    path = folder / finding.file
    if finding.key not in ("file", "document") and path.is_file():
        assert finding.line is not None, finding
        assert 1 <= finding.line <= path.read_bytes().count(b"\n") + 1
    said = f"{finding.key}{finding.what}{finding.remedy}"
    assert len(finding.what) < 400
    assert len(finding.remedy) < 1000
    assert "\x1b" not in said.replace("\n", ""), said


def everything_said_by(error: HomeportError) -> str:
    return (
        str(error)
        + json.dumps(error.problem().as_json())
        + repr(error.findings if hasattr(error, "findings") else "")
    )


def test_every_idea_is_there_once_and_there_are_enough() -> None:
    ideas = Counter(str(attack) for attack in ATTACKS)

    assert [idea for idea, count in ideas.items() if count > 1] == []
    assert len(ATTACKS) >= 150
    assert [str(attack) for attack in ATTACKS if bool(attack.rule) == bool(attack.missing)] == []


@pytest.mark.parametrize("known", KNOWN_OF_COMPOSE_AND_DOCKER)
def test_what_is_known_of_compose_and_docker_is_tried(known: str) -> None:
    refused = {str(attack) for attack in ATTACKS if attack.rule}

    assert KNOWN_OF_COMPOSE_AND_DOCKER[known]
    assert [idea for idea in KNOWN_OF_COMPOSE_AND_DOCKER[known] if idea not in refused] == []


def test_every_trap_is_sprung_by_what_it_waits_for(traps: Traps) -> None:
    assert traps.sprung("nothing") == []

    (traps.folder / "ran").touch()  # what the program would do
    reader = os.open(traps.folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    caller = socket.create_connection(traps.listener.getsockname())
    sprung = traps.sprung(f"it said {traps.secret}")
    os.close(reader)
    caller.close()

    assert f"echo run >> {traps.folder}/ran" in (traps.folder / "evil.sh").read_text()
    assert sprung == [
        "the program ran",
        "the FIFO is open",
        "the canary was told",
        "somebody called the address",
    ]
