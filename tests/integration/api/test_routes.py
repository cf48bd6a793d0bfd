"""Host names and certificates over the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from homeport.state.certificates import list_certificates
from homeport.state.schema import CERTIFICATES
from tests.harness.authority import Authority, Issued

AUTHORITY = Authority()


def give(box: Any, name: str, issued: Issued) -> Any:
    return box.call("POST", "/v1/certificates", json={"name": name, "chain": issued.chain, "key": issued.key})


def test_an_install_claims_its_aliases(box: Any) -> None:
    answer = box.install("wiki", aliases=["docs", "Wiki.Example.ORG"])

    assert answer.status_code == 202
    assert answer.json()["parameters"]["aliases"] == ["docs.home.example", "wiki.example.org"]
    refused = box.install("wiki", identifier="other", aliases=["wiki.example.org"])
    assert (refused.status_code, refused.json()["code"]) == (409, "taken")
    assert "wiki.example.org" in refused.json()["title"]
    refused = box.install("wiki", identifier="docs")
    assert (refused.status_code, refused.json()["code"]) == (409, "taken")


@pytest.mark.parametrize("names", [{"host_name": "homeport"}, {"aliases": ["wpad"]}, {"identifier": "wpad"}])
def test_a_reserved_name_is_refused(box: Any, names: dict[str, Any]) -> None:
    refused = box.install("wiki", **names)

    assert (refused.status_code, refused.json()["code"]) == (409, "taken")
    assert "is reserved" in refused.json()["title"]


def test_an_app_shows_its_names_and_its_address(box: Any, installed: Any) -> None:
    installed("wiki")

    shown = box.call("GET", "/v1/apps/wiki").json()

    assert (shown["aliases"], shown["published"], shown["no_route"], shown["url"]) == ([], False, None, None)


def test_a_certificate_is_kept_shown_without_its_key_and_removed(box: Any) -> None:
    issued = AUTHORITY.issue("wiki.hda", "*.apps.hda")

    made = give(box, "home", issued)

    assert made.status_code == 201, made.text
    assert made.json()["names"] == ["wiki.hda", "*.apps.hda"]
    listed = box.call("GET", "/v1/certificates")
    assert listed.json() == {"items": [made.json()], "next": None}
    assert "PRIVATE" not in listed.text + made.text
    with box.database.read() as connection:
        assert issued.key.split("\n")[1] in list_certificates(connection)[0].pem
    assert box.call("DELETE", "/v1/certificates/home").status_code == 204
    assert box.call("DELETE", "/v1/certificates/home").status_code == 404
    assert box.call("GET", "/v1/certificates").json()["items"] == []


def test_a_certificate_of_the_same_name_takes_its_place(box: Any) -> None:
    give(box, "home", AUTHORITY.issue("wiki.hda"))

    assert give(box, "home", AUTHORITY.issue("blog.hda")).status_code == 201

    with box.database.read() as connection:
        assert connection.execute(select(CERTIFICATES.c.names)).scalars().all() == [["blog.hda"]]


def test_two_certificates_for_one_name_are_refused(box: Any) -> None:
    give(box, "home", AUTHORITY.issue("wiki.hda"))

    refused = give(box, "other", AUTHORITY.issue("wiki.hda", "blog.hda"))

    assert (refused.status_code, refused.json()["code"]) == (409, "taken")
    assert "'home'" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("issued", "pointer"),
    [
        (Issued(AUTHORITY.issue("a.hda").chain, AUTHORITY.issue("a.hda").key), "/key"),
        (AUTHORITY.issue("a.hda", until=datetime.now(UTC) - timedelta(hours=1)), "/chain"),
        (Issued("no chain", "no key either"), "/chain"),
    ],
)
def test_what_cannot_be_served_is_refused_and_nothing_is_kept(box: Any, issued: Issued, pointer: str) -> None:
    refused = give(box, "home", issued)

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert refused.json()["facts"]["errors"][0]["pointer"] == pointer
    assert issued.key not in refused.text
    assert box.call("GET", "/v1/certificates").json()["items"] == []
