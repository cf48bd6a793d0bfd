"""`homeport explain`: every code that can be met has words."""

import json
from pathlib import Path

import click.testing
import pytest

from api.problems import STATUS_OF
from homeport.cli.explain import WHAT_TO_DO, explain, markdown_table, meanings
from homeport.cli.main import Context
from homeport.errors import InvalidInputError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "troubleshooting.md"


def run(*arguments: str, is_json: bool = False) -> str:
    context = Context(url=None, token=None, is_json=is_json)
    words = [*arguments, *(["--json"] if is_json else [])]
    outcome = click.testing.CliRunner().invoke(explain, words, obj=context)
    if outcome.exception is not None:
        raise outcome.exception
    return outcome.output


def test_every_code_is_explained_and_no_other() -> None:
    assert set(meanings()) == set(WHAT_TO_DO)


def test_every_code_that_the_api_answers_is_explained() -> None:
    assert set(STATUS_OF) - {"method_not_allowed"} <= set(WHAT_TO_DO)


def test_the_page_has_the_table() -> None:
    assert markdown_table() in PAGE.read_text(encoding="utf-8")


def test_a_code_is_explained_in_two_sentences() -> None:
    said = run("disk_full")

    assert "Too little space." in said
    assert "homeport caches trim" in said


def test_json_has_code_meaning_and_remedy() -> None:
    shape = json.loads(run("taken", is_json=True))

    assert set(shape) == {"code", "meaning", "remedy"}


def test_a_misspelt_code_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidInputError, match="disk_full"):
        run("disk_fuul")


def test_a_finding_s_rule_is_told_apart_from_a_code() -> None:
    with pytest.raises(InvalidInputError, match="rule of a finding"):
        run("permission-undeclared")


def test_pages_are_named_where_nobody_can_follow_a_link() -> None:
    said = run("policy_refused")

    assert "see permissions (docs/permissions.md)" in said
    assert "](" not in said
