"""Host names as owners write them."""

from pathlib import Path

import pytest

from homeport.catalog.host_names import settle_host_names
from homeport.errors import InvalidInputError, TakenError
from homeport.settings import Settings

BOX = Settings(
    state_dir=Path("/s"),
    run_dir=Path("/r"),
    catalog_dir=Path("/c"),
    domain="hda",
    reserved_names="Router, x.ORG,, käse",
)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("wiki", "wiki.hda"),
        ("wiki.example.org", "wiki.example.org"),
        ("Wiki", "wiki.hda"),
        ("WIKI.Example.ORG.", "wiki.example.org"),
        ("bücher", "xn--bcher-kva.hda"),
        ("Bücher.example.org", "xn--bcher-kva.example.org"),
        ("xn--bcher-kva", "xn--bcher-kva.hda"),
        ("例え.hda", "xn--r8jz45g.hda"),
    ],
)
def test_a_name_is_stored_complete_and_in_the_letters_of_dns(written: str, stored: str) -> None:
    assert settle_host_names(written, [], BOX) == (stored, ())


def test_aliases_are_stored_once_and_the_first_name_is_none_of_them() -> None:
    name, aliases = settle_host_names("wiki", ["docs", "WIKI.hda", "docs.hda", "a.example.org"], BOX)

    assert (name, aliases) == ("wiki.hda", ("docs.hda", "a.example.org"))


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "a b",
        "a_b",
        "-a",
        "a..b",
        "192.168.1.5",
        "wiki;x",
        "wiki\n",
        "wiki/x",
        "wiki:80",
        "xn--a",
        "xn--zzzzzzzzz",
        "a" * 64,
        "\u202ewiki",
        "wi\u200dki",
        "*.hda",
        "☃" * 60,
        "１.２.３.４",
    ],
)
def test_what_is_no_host_name_is_refused_with_where_it_stood(written: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        settle_host_names(written, [], BOX)
    assert raised.value.facts["errors"][0]["pointer"] == "/host_name"

    with pytest.raises(InvalidInputError) as raised:
        settle_host_names("wiki", ["docs", written], BOX)
    assert raised.value.facts["errors"][0]["pointer"] == "/aliases/1"


@pytest.mark.parametrize(
    "written",
    ["homeport", "Homeport.HDA", "wpad", "isatap", "router", "x.org", "käse", "wpad.hda", "hda", "localhost"],
)
def test_a_reserved_name_is_refused_as_the_first_and_as_an_alias(written: str) -> None:
    for name, aliases in ((written, []), ("wiki", [written])):
        with pytest.raises(TakenError, match="is reserved"):
            settle_host_names(name, aliases, BOX)
