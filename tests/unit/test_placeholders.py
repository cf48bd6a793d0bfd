from typing import Any

import pytest

from homeport.placeholders import (
    holds_placeholder,
    placeholder_pattern,
    replace_in_tree,
    replace_placeholders,
)

VALUES = {
    "HOST_PORT": "35012",
    "WEBAPP_PATH": "/srv/projects/wiki",
    "APP_IDENTIFIER": "wiki",
    "APP_HOSTNAME": "wiki.localhost",
}


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("HOST_PORT:80", "35012:80"),
        ("http://APP_HOSTNAME:HOST_PORT/", "http://wiki.localhost:35012/"),
        ("WEBAPP_PATH/data", "/srv/projects/wiki/data"),
        ("APP_IDENTIFIER_db", "wiki_db"),
        ("db_APP_IDENTIFIER", "db_wiki"),
        ("APP_IDENTIFIERdb", "wikidb"),
        ("-APP_IDENTIFIER-", "-wiki-"),
        ("MY_HOST_PORT", "MY_HOST_PORT"),
        ("HOST_PORT_MAP", "HOST_PORT_MAP"),
        ("HOST_PORT2", "HOST_PORT2"),
        ("HOST_PORTS", "HOST_PORTS"),
        ("xHOST_PORT", "xHOST_PORT"),
        ("APP_IDENTIFIER_2", "APP_IDENTIFIER_2"),
        ("APP_IDENTIFIER_", "wiki_"),
        ("HOST_PORT HOST_PORT", "35012 35012"),
        ("host_port", "host_port"),
    ],
)
def test_a_placeholder_counts_in_lower_case_names_and_not_in_upper_case_ones(
    text: str, replaced: str
) -> None:
    assert replace_placeholders(text, VALUES) == replaced


def test_a_value_is_taken_as_it_stands() -> None:
    assert replace_placeholders("WEBAPP_PATH", {"WEBAPP_PATH": r"/a\1\g<0>"}) == r"/a\1\g<0>"


def test_a_value_may_hold_a_later_placeholder_and_no_earlier_one() -> None:
    assert replace_placeholders("WEBAPP_PATH", {**VALUES, "WEBAPP_PATH": "/p/APP_IDENTIFIER"}) == "/p/wiki"
    assert replace_placeholders("APP_HOSTNAME", {**VALUES, "APP_HOSTNAME": "HOST_PORT"}) == "HOST_PORT"


def test_a_placeholder_without_a_value_stays() -> None:
    assert replace_placeholders("HOST_PORT APP_IDENTIFIER", {"HOST_PORT": "1"}) == "1 APP_IDENTIFIER"


def test_a_tree_is_copied_with_keys_and_text_replaced() -> None:
    tree: dict[str, Any] = {"APP_IDENTIFIER": ["HOST_PORT", 5, True, None, {"x": "APP_HOSTNAME"}]}

    replaced = replace_in_tree(tree, VALUES)

    assert replaced == {"wiki": ["35012", 5, True, None, {"x": "wiki.localhost"}]}
    assert tree["APP_IDENTIFIER"][0] == "HOST_PORT"


@pytest.mark.parametrize(
    ("text", "holds"),
    [("APP_IDENTIFIER", True), ("APP_IDENTIFIER_db", True), ("MY_HOST_PORT", False), ("db", False)],
)
def test_whether_a_text_will_change_is_known_before(text: str, holds: bool) -> None:
    assert holds_placeholder(text) is holds
    assert (replace_placeholders(text, VALUES) != text) is holds


def test_what_a_text_may_become_is_known_before() -> None:
    pattern = placeholder_pattern("a.APP_IDENTIFIER_db-HOST_PORT")

    assert pattern.fullmatch("a.wiki_db-35012")
    assert pattern.search("x\na.b_db-1\ny")
    assert not pattern.search("a.wiki_dc-35012")
    assert not pattern.search("axwiki_db-35012")
