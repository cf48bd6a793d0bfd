"""Catalogs over HTTP: added, listed, refreshed, removed, and what their definitions are called."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from homeport.errors import CatalogUnavailableError
from homeport.state.catalogs import find_catalog, record_refresh, record_refresh_failure
from tests.integration.api.conftest import write_definition

SOURCES = "/v1/catalog/sources"


@pytest.fixture
def redis_url(valkey: Any) -> str:
    return str(valkey.url)


@pytest.fixture
def fetched(box: Any) -> Callable[..., Path]:
    """Adds a catalog as if its refresh had succeeded."""

    def add(name: str, *definitions: str) -> Path:
        assert box.call("POST", SOURCES, json={"name": name, "source": f"/srv/{name}"}).status_code == 202
        folder: Path = box.settings.catalogs_dir / name / "1"
        folder.mkdir(parents=True)
        for definition in definitions:
            write_definition(folder, definition)
        with box.database.write() as connection:
            catalog = find_catalog(connection, name)
            assert catalog is not None
            had: dict[str, Any] = {"generation": "1", "revision": "abc", "definitions": len(definitions)}
            record_refresh(connection, catalog, **had, problem=None, now=datetime.now(UTC))
        return folder

    return add


def test_a_catalog_is_added_with_the_job_that_fetches_it(box: Any, valkey: Any, eventually: Any) -> None:
    answer = box.call("POST", SOURCES, json={"name": "family", "source": "/srv/apps/"})

    job = answer.json()
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["subject"], job["queue"]) == ("refresh", "box:catalogs", "upkeep")
    assert job["parameters"] == {"catalogs": ["family"]}
    assert eventually(lambda: valkey.client().llen("dramatiq:upkeep") == 1)
    listed = box.call("GET", SOURCES).json()["items"]
    assert listed == [
        {
            "name": "family", "kind": "folder", "source": "/srv/apps", "revision": "", "definitions": 0,
            "added_at": listed[0]["added_at"], "refreshed_at": None, "problem": None,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "family"}, "/source"),
        ({"name": "Fam ily", "source": "/srv/apps"}, "/name"),
        ({"name": "homeport", "source": "/srv/apps"}, "/name"),
        ({"name": "sources", "source": "/srv/apps"}, "/name"),
        ({"name": "family", "source": "apps"}, "/source"),
        ({"name": "family", "source": "http://example.org/index.json"}, "/source"),
        ({"name": "family", "source": "ssh://git@example.org/apps.git"}, "/source"),
        ({"name": "family", "source": "https://example.org/apps"}, "/kind"),
        ({"name": "family", "source": "https://example.org/apps", "kind": "folder"}, "/kind"),
        ({"name": "family", "source": "/srv/apps", "kind": "tape"}, "/kind"),
        ({"name": "family", "source": "/srv/apps", "colour": "red"}, "/colour"),
    ],
)
def test_a_catalog_that_cannot_be_is_refused(box: Any, body: dict[str, Any], pointer: str) -> None:
    answer = box.call("POST", SOURCES, json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert pointer in [error["pointer"] for error in answer.json()["facts"]["errors"]]
    assert box.call("GET", SOURCES).json()["items"] == []
    assert box.call("GET", "/v1/jobs").json()["items"] == []


def test_a_password_in_an_address_is_stored_and_shown_nowhere(box: Any) -> None:
    body = {"name": "family", "source": "https://me:secret@git.example.org/apps.git"}

    answers = [
        box.call("POST", SOURCES, json=body),
        box.call("POST", SOURCES, json=body),
        box.call("GET", SOURCES),
        box.call("GET", "/v1/jobs"),
    ]

    assert [answer.status_code for answer in answers] == [202, 409, 200, 200]
    assert not [answer.text for answer in answers if "secret" in answer.text]
    assert answers[2].json()["items"][0]["source"] == "https://git.example.org/apps.git"
    with box.database.read() as connection:
        stored = find_catalog(connection, "family")
    assert stored is not None
    assert stored.source == body["source"]


def test_definitions_of_all_catalogs_are_listed_and_those_of_one_name_are_qualified(
    box: Any, fetched: Any
) -> None:
    fetched("family", "wiki", "games", "shared")
    fetched("club", "shared")

    entries = {entry["name"]: entry["qualified"] for entry in box.call("GET", "/v1/catalog").json()["items"]}

    assert entries == {
        "blog": "homeport/blog", "games": "family/games", "homeport/wiki": "homeport/wiki",
        "family/wiki": "family/wiki", "family/shared": "family/shared", "club/shared": "club/shared",
    }  # fmt: skip
    for name in ("games", "family/games", "family/wiki", "homeport/wiki", "wiki"):
        assert box.call("GET", f"/v1/catalog/{name}").status_code == 200, name
    assert box.call("GET", "/v1/catalog/family%2Fgames").json()["catalog"] == "family"
    assert box.call("GET", "/v1/catalog/wiki").json()["catalog"] == "homeport"
    assert box.call("GET", "/v1/catalog/club/wiki").status_code == 404


def test_a_definition_of_an_added_catalog_installs_by_its_own_and_by_its_whole_name(
    box: Any, fetched: Any
) -> None:
    fetched("family", "wiki", "games", "shared")
    fetched("club", "shared")

    bare = box.install("games").json()["parameters"]
    whole = box.install("family/wiki").json()["parameters"]
    shipped = box.install("wiki", identifier="second").json()["parameters"]
    unclear = box.install("shared")

    assert (bare["definition"], bare["catalog"]) == ("games", "family")
    assert (whole["definition"], whole["identifier"], whole["catalog"]) == ("wiki", "wiki", "family")
    assert shipped["catalog"] == "homeport"
    assert (unclear.status_code, unclear.json()["code"]) == (422, "invalid_input")
    assert "club/shared" in unclear.json()["detail"]
    assert "family/shared" in unclear.json()["detail"]


def test_a_removed_catalogs_definitions_are_gone(box: Any, fetched: Any) -> None:
    fetched("family", "games")
    assert box.call("GET", "/v1/catalog/games").status_code == 200

    removed = box.call("DELETE", f"{SOURCES}/family")

    assert box.install("games").status_code == 404
    assert (removed.status_code, removed.text) == (204, "")
    assert box.call("DELETE", f"{SOURCES}/family").status_code == 404
    assert box.call("GET", SOURCES).json()["items"] == []
    assert [entry["name"] for entry in box.call("GET", "/v1/catalog").json()["items"]] == ["blog", "wiki"]
    assert box.call("DELETE", f"{SOURCES}/homeport").status_code == 404


def test_a_refresh_is_of_all_catalogs_or_of_those_that_are_named(box: Any, fetched: Any) -> None:
    fetched("family")
    fetched("club")

    everything = box.call("POST", "/v1/catalog/refresh", json={})
    one = box.call("POST", "/v1/catalog/refresh", json={"catalogs": ["club", "club"]})
    unknown = box.call("POST", "/v1/catalog/refresh", json={"catalogs": ["club", "nobody"]})

    assert (everything.status_code, one.status_code, unknown.status_code) == (202, 202, 404)
    assert everything.json()["parameters"] == {"catalogs": ["club", "family"]}
    assert one.json()["parameters"] == {"catalogs": ["club"]}
    assert unknown.json()["facts"] == {"kind": "catalog", "name": "nobody"}


def test_a_catalog_that_could_not_be_fetched_keeps_what_it_had_and_tells_why(box: Any, fetched: Any) -> None:
    fetched("family", "games")
    problem = CatalogUnavailableError("It does not answer.", catalog="family").problem()
    with box.database.write() as connection:
        catalog = find_catalog(connection, "family")
        assert catalog is not None
        record_refresh_failure(connection, catalog, problem)

    listed = box.call("GET", SOURCES).json()["items"][0]
    metrics = box.call("GET", "/metrics").text

    assert 'homeport_catalog_definitions{catalog="family"} 1.0' in metrics
    assert 'homeport_catalog_refresh_failed{catalog="family"} 1.0' in metrics
    assert (listed["definitions"], listed["revision"]) == (1, "abc")
    assert listed["problem"]["code"] == "catalog_unavailable"
    assert box.install("family/games").status_code == 202
