"""Every hostile definition of the corpus, sent to the API with the request to install it, is refused."""

import io
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.harness.attacks import Attack, Traps, load_corpus

TAR = {"Content-Type": "application/x-tar"}
FAMILIES = sorted({attack.family for attack in load_corpus()})

# The archive itself is refused before anything is unpacked: pipes, links that lead out, too many files.
NOT_UNPACKED = {"archive_refused", "invalid_input"}


@pytest.fixture
def traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traps]:
    traps = Traps(folder=tmp_path / "outside", secret=f"canary-{secrets.token_hex(8)}")
    monkeypatch.setenv("CANARY", traps.secret)
    yield traps
    traps.close()


def tar_of(attack: Attack, traps: Traps) -> bytes:
    members = [_member(name, tarfile.DIRTYPE) for name in attack.folders]
    members += [_member(name, tarfile.SYMTYPE, traps.place(target)) for name, target in attack.links]
    members += [_member(name, tarfile.FIFOTYPE) for name in attack.fifos]
    special = {member.name for member in members}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in attack.files(traps).items():
            if name not in special:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return raw.getvalue()


def _member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name.rstrip("/"))
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hostile_definition_is_refused_with_its_rule_and_nothing_is_accepted(
    family: str, box: Any, settings: Any, traps: Traps
) -> None:
    settings.uploads_dir.mkdir(exist_ok=True)
    wrong: dict[str, str] = {}
    for attack in load_corpus():
        if attack.family == family:
            answer = box.call("POST", "/v1/apps", data=tar_of(attack, traps), headers=TAR)
            if told := wrong_in(attack, answer) or traps.sprung(answer.text):
                wrong[str(attack)] = f"{told} {answer.text[:300]}"
    with box.database.read() as connection:
        stored = {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
            for table in ("jobs", "apps", "claims")
        }

    assert wrong == {}
    assert stored == {"jobs": 0, "apps": 0, "claims": 0}
    assert list(settings.uploads_dir.iterdir()) == []


def wrong_in(attack: Attack, answer: Any) -> str:
    """What is not as it has to be in the answer."""
    if not answer.headers["Content-Type"].startswith("application/problem+json"):
        return "no problem document"
    problem = answer.json()
    facts = problem["facts"]
    if not problem["title"]:
        return "words are missing"
    if attack.missing:
        told = {missing["permission"] for missing in facts["missing"]}
        held = (answer.status_code, problem["code"], told)
        return "" if held == (403, "permissions_not_granted", set(attack.missing)) else f"not refused: {held}"
    if problem["code"] in NOT_UNPACKED and (attack.links or attack.fifos or attack.folders or attack.many):
        return ""
    findings = [finding for finding in facts.get("findings", ()) if finding["rule"] == attack.rule]
    if answer.status_code != 422 or not findings:
        return f"{answer.status_code} without {attack.rule}"
    complete = all(finding[key] for finding in findings for key in ("file", "key", "what", "remedy"))
    return "" if complete else "an empty word in a finding"
