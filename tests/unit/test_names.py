from collections.abc import Callable
from typing import Any

import pytest

from homeport.errors import InvalidInputError
from homeport.names import (
    MAX_APP_ID,
    check_app_id,
    check_host_name,
    check_identifier,
    full_host_name,
    host_port,
    is_label,
    project_name,
)


@pytest.mark.parametrize("text", ["a", "wiki", "family-wiki", "0", "a" * 63, "a--b"])
def test_labels_of_rfc_1123_are_labels(text: str) -> None:
    assert is_label(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", "A", "a_b", "a.b", "a" * 64, "a b", "é", "a\n", "../a", "wiki\x00", "１"]
)
def test_what_is_no_label_is_none(text: str) -> None:
    assert not is_label(text)


def test_an_identifier_has_two_characters_at_least() -> None:
    assert check_identifier("ab") == "ab"
    with pytest.raises(InvalidInputError) as caught:
        check_identifier("a")
    assert caught.value.facts["errors"][0]["pointer"] == "/identifier"


@pytest.mark.parametrize("text", ["wiki", "wiki.example.org", "a.b", "1.example", "a" * 63 + ".b"])
def test_host_names_pass(text: str) -> None:
    assert check_host_name(text) == text


@pytest.mark.parametrize(
    ("check", "given"),
    [
        (check_host_name, ""),
        (check_host_name, "a..b"),
        (check_host_name, ".a"),
        (check_host_name, "a."),
        (check_host_name, "192.168.1.5"),
        (check_host_name, "a_b.c"),
        (check_host_name, ".".join(["a" * 60] * 5)),
        (check_app_id, 0),
        (check_app_id, -1),
        (check_app_id, MAX_APP_ID + 1),
    ],
)
def test_what_breaks_the_rule_is_refused_with_a_remedy(check: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check(given)

    assert caught.value.remedy
    assert caught.value.facts["errors"]


def test_the_last_app_id_has_the_last_port() -> None:
    assert host_port(check_app_id(MAX_APP_ID)) == 65535
    assert host_port(check_app_id(1)) == 35001


def test_a_single_label_gets_the_domain() -> None:
    assert full_host_name("wiki", "localhost") == "wiki.localhost"
    assert full_host_name("wiki.example.org", "localhost") == "wiki.example.org"


def test_projects_have_a_prefix_of_ours() -> None:
    assert project_name("wiki") == "homeport-wiki"
