"""Every hostile definition of the corpus is refused as the corpus says, and springs no trap."""

import json
import os
import secrets
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

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
