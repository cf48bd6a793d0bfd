"""The catalogs that were added, as the database keeps them."""

from dataclasses import replace
from pathlib import Path

import pytest

from homeport.errors import CatalogUnavailableError, InvalidInputError, NotFoundError, TakenError
from homeport.models import SHIPPED, Catalog, CatalogKind, JobKind, Queue
from homeport.settings import Settings
from homeport.state.accept import accept_refresh
from homeport.state.catalogs import (
    add_catalog,
    catalog_folders,
    find_catalog,
    list_catalogs,
    record_refresh,
    record_refresh_failure,
    remove_catalog,
)
from tests.integration.state.box import Box

PROBLEM = CatalogUnavailableError("It is gone.", source="/srv/mine").problem()


def add(box: Box, name: str) -> Catalog:
    with box.database.write() as conn:
        return add_catalog(conn, name=name, kind=CatalogKind.GIT, source=f"/srv/{name}", now=box.now)


def test_added_catalogs_come_back_by_name(box: Box) -> None:
    two, one = add(box, "two"), add(box, "one")

    with box.database.read() as conn:
        assert list_catalogs(conn) == [one, two]
        assert find_catalog(conn, "two") == two
        assert find_catalog(conn, "three") is None


@pytest.mark.parametrize("name", ["homeport", "sources", "", "Mine", "a/b", "..", "x" * 64])
def test_a_name_that_is_no_label_or_is_kept_is_refused(box: Box, name: str) -> None:
    with pytest.raises(InvalidInputError):
        add(box, name)


def test_a_name_is_given_once(box: Box) -> None:
    add(box, "mine")

    with pytest.raises(TakenError):
        add(box, "mine")


def test_what_was_fetched_is_in_force_until_something_else_is(box: Box, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, run_dir=tmp_path, catalog_dir=tmp_path / "apps")
    mine = add(box, "mine")
    add(box, "never-fetched")
    with box.database.write() as conn:
        record_refresh(conn, mine, generation="g1", revision="r1", definitions=3, problem=None, now=box.now)
        record_refresh_failure(conn, mine, PROBLEM)

    with box.database.read() as conn:
        folders = catalog_folders(conn, settings)
        stored = find_catalog(conn, "mine")
    assert stored == replace(
        mine, generation="g1", revision="r1", definitions=3, problem=PROBLEM, refreshed_at=box.now
    )
    assert [(folder.name, folder.path, folder.is_copy) for folder in folders] == [
        (SHIPPED, settings.catalog_dir, False),
        ("mine", settings.catalogs_dir / "mine" / "g1", True),
    ]


def test_a_refresh_of_a_catalog_that_was_added_anew_meanwhile_is_refused(box: Box) -> None:
    before = add(box, "mine")
    with box.database.write() as conn:
        remove_catalog(conn, "mine")
    box.pass_time(1)
    after = add(box, "mine")

    with pytest.raises(NotFoundError), box.database.write() as conn:
        record_refresh(conn, before, generation="g", revision="r", definitions=1, problem=None, now=box.now)

    with box.database.read() as conn:
        assert find_catalog(conn, "mine") == after


def test_a_refresh_is_of_catalogs_that_there_are_and_without_names_of_all(box: Box) -> None:
    for name in ("one", "two"):
        add(box, name)
    with box.database.write() as conn:
        all_of_them = accept_refresh(conn, job_id="a", catalogs=(), now=box.now)
        some = accept_refresh(conn, job_id="b", catalogs=["two", "two"], now=box.now)
        with pytest.raises(NotFoundError):
            accept_refresh(conn, job_id="c", catalogs=["one", "three"], now=box.now)

    assert all_of_them.parameters == {"catalogs": ["one", "two"]}
    assert some.parameters == {"catalogs": ["two"]}
    assert (some.kind, some.subject, some.queue) == (JobKind.REFRESH, "box:catalogs", Queue.UPKEEP)


def test_only_what_there_is_can_be_removed(box: Box) -> None:
    with pytest.raises(NotFoundError), box.database.write() as conn:
        remove_catalog(conn, "mine")
