"""Fetching catalogs anew, on a machine in memory: what is in force is whole, or what was before."""

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from homeport.catalog.catalog import list_definitions
from homeport.errors import CancelledError, CatalogUnavailableError, HandedBackError, NotFoundError, Problem
from homeport.events import EventKind
from homeport.models import CatalogKind
from homeport.plans import Ending
from homeport.state import catalogs, events
from homeport.state.catalogs import stored_folders, sweep_generations
from tests.harness.definitions import headless_app
from tests.unit.workers.conftest import NOW, Household
from workers.catalogs import Fetched

GONE = CatalogUnavailableError("The source is gone.").problem()


class Source:
    """What a catalog's source has: versions by the definition's name, and what goes wrong there."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {"wiki": "1"}
        self.problems: dict[str, Problem] = {}
        self.on_fetch: Callable[[str], None] = lambda _source: None
        self.asked: list[str] = []

    def fetch(self, source: str, target: Path, work: Path, **_rest: Any) -> Fetched:
        self.asked.append(source)
        (work / "half").write_text("x")
        for name, version in self.versions.items():
            (target / name).mkdir()
            for path, text in headless_app(name, "acme/x:1").items():
                (target / name / path).write_text(text.replace('"1.0"', f'"{version}"'))
        self.on_fetch(source)
        return Fetched(revision="-".join(self.versions.values()), problems=self.problems)


@pytest.fixture
def source(household: Household) -> Source:
    source = Source()
    household.machine.fetchers[CatalogKind.FOLDER] = source.fetch
    household.add_catalog("mine")
    return source


def fails(error: BaseException) -> Callable[[object], None]:
    def fail(_source: object) -> None:
        raise error

    return fail


def offered(household: Household) -> dict[str, str | None]:
    """The versions of all definitions of added catalogs, by their listed names."""
    folders = [folder for folder in stored_folders(household.database, household.settings) if folder.is_copy]
    return {
        entry.name: entry.definition.version if entry.definition else None
        for entry in list_definitions(folders)
    }


def kept(household: Household) -> list[str]:
    """What lies in the catalogs' folder, as catalog/generation, and empty folders."""
    root = household.settings.catalogs_dir
    return [
        str(path.relative_to(root))
        for path in sorted(root.glob("*/*"))
        if not path.name.startswith("definition")
    ] + [path.name for path in root.glob("*") if not any(path.iterdir())]


def test_a_refresh_puts_what_was_fetched_in_force_and_removes_what_was_before(
    household: Household, source: Source
) -> None:
    assert household.run(household.accept_refresh()).ending is Ending.SUCCEEDED
    first = household.catalog("mine")
    source.versions = {"wiki": "2", "notes": "1"}

    outcome = household.run(household.accept_refresh("mine"))

    assert outcome.ending is Ending.SUCCEEDED
    second = household.catalog("mine")
    assert (second.definitions, second.revision, second.problem, second.refreshed_at) == (2, "2-1", None, NOW)
    assert second.generation != first.generation
    assert household.result == {"catalogs": {"mine": {"definitions": 2, "revision": "2-1"}}}
    assert offered(household) == {"wiki": "2", "notes": "1"}
    assert kept(household) == [f"mine/{second.generation}"]
    with household.database.read() as connection:
        told = [event for event in events.events_after(connection, 0) if "catalog" in event.kind]
    assert [(event.kind, event.app, event.facts["definitions"]) for event in told] == [
        (EventKind.CATALOG_REFRESHED, None, 1), (EventKind.CATALOG_REFRESHED, None, 2),
    ]  # fmt: skip


def test_a_source_that_breaks_leaves_the_last_good_in_force_with_the_problem(
    household: Household, source: Source
) -> None:
    household.run(household.accept_refresh())
    before = household.catalog("mine")
    source.on_fetch = fails(CatalogUnavailableError("The source is gone."))

    outcome = household.run(household.accept_refresh())

    assert outcome.ending is Ending.FAILED
    assert outcome.problem is not None
    assert (outcome.problem.code, outcome.problem.why) == ("catalog_unavailable", "The source is gone.")
    after = household.catalog("mine")
    assert (after.generation, after.problem) == (before.generation, GONE)
    assert offered(household) == {"wiki": "1"}
    assert kept(household) == [f"mine/{before.generation}"]

    source.on_fetch = lambda _source: None
    household.run(household.accept_refresh())
    assert household.catalog("mine").problem is None


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "catalog_unavailable")]
)
def test_a_disk_that_refuses_is_told_and_nothing_half_is_left(
    household: Household, source: Source, number: int, code: str
) -> None:
    household.run(household.accept_refresh())
    before = household.catalog("mine")
    source.on_fetch = fails(OSError(number, "no"))

    assert household.run(household.accept_refresh()).ending is Ending.FAILED

    after = household.catalog("mine")
    assert after.problem is not None
    assert (after.generation, after.problem.code) == (before.generation, code)
    assert kept(household) == [f"mine/{before.generation}"]


def test_a_definition_that_cannot_be_had_stays_as_it_was_and_a_broken_one_is_shown(
    household: Household, source: Source
) -> None:
    source.versions = {"wiki": "1", "notes": "1"}
    household.run(household.accept_refresh())
    source.versions = {"wiki": "2", "bad name": "1"}
    source.problems = {"notes": GONE, "new": GONE, "../../notes": GONE}

    assert household.run(household.accept_refresh()).ending is Ending.SUCCEEDED

    assert offered(household) == {"wiki": "2", "notes": "1", "bad name": None}
    problem = household.catalog("mine").problem
    assert problem is not None
    assert problem.what == "3 definitions of the catalog 'mine' could not be fetched."

    source.problems = {"notes": GONE}
    household.run(household.accept_refresh())
    problem = household.catalog("mine").problem
    assert problem is not None
    assert problem.what == "1 definition of the catalog 'mine' could not be fetched."


def test_a_refresh_in_which_nothing_can_be_had_fails(household: Household, source: Source) -> None:
    source.versions, source.problems = {}, {"wiki": GONE}

    outcome = household.run(household.accept_refresh())

    assert outcome.ending is Ending.FAILED
    assert household.catalog("mine").generation == ""
    assert offered(household) == {}
    assert kept(household) in ([], ["mine"])


def test_one_catalog_that_fails_keeps_no_other_from_being_fetched(
    household: Household, source: Source
) -> None:
    household.add_catalog("other")
    source.on_fetch = lambda address: (
        fails(CatalogUnavailableError("Gone."))(address) if "mine" in address else None
    )

    outcome = household.run(household.accept_refresh())

    assert outcome.problem is not None
    assert outcome.problem.what == "1 of 2 catalogs could not be fetched: 'mine'."
    assert offered(household) == {"wiki": "1"}


def test_a_name_that_several_catalogs_have_is_listed_with_its_catalog(
    household: Household, source: Source
) -> None:
    household.add_catalog("other")
    household.run(household.accept_refresh())

    assert offered(household) == {"mine/wiki": "1", "other/wiki": "1"}


def test_a_cancelled_refresh_leaves_what_was_in_force_and_nothing_of_its_own(
    household: Household, source: Source
) -> None:
    household.run(household.accept_refresh())
    before = household.catalog("mine")
    source.on_fetch = fails(CancelledError("Cancelled."))

    outcome = household.run(household.accept_refresh())

    assert outcome.ending is Ending.CANCELLED
    assert household.catalog("mine") == before
    assert kept(household) == [f"mine/{before.generation}"]


def test_a_catalog_that_is_removed_while_it_is_fetched_leaves_nothing(
    household: Household, source: Source
) -> None:
    def remove(_source: str) -> None:
        with household.database.write() as connection:
            catalogs.remove_catalog(connection, "mine")

    source.on_fetch = remove

    outcome = household.run(household.accept_refresh())

    assert outcome.problem is not None
    assert "There is no catalog 'mine'." in outcome.problem.why
    assert kept(household) == []


@pytest.mark.parametrize(
    "where",
    ["shutil.rmtree", "workers.operations.refresh.record_refresh", "workers.operations.refresh.remove_tree"],
)
def test_a_refresh_that_was_killed_goes_on(
    household: Household, source: Source, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    household.run(household.accept_refresh())
    source.versions = {"wiki": "2"}
    job = household.accept_refresh()
    with monkeypatch.context() as patch:
        patch.setattr(where, _dies)
        with pytest.raises(HandedBackError):
            household.run(job)
    in_force = offered(household)

    outcome = household.run(job)

    assert in_force in ({"wiki": "1"}, {"wiki": "2"})
    assert outcome.ending is Ending.SUCCEEDED
    assert offered(household) == {"wiki": "2"}
    assert kept(household) == [f"mine/{household.catalog('mine').generation}"]
    with household.database.read() as connection:
        told = [event for event in events.events_after(connection, 0) if "catalog" in event.kind]
    assert len(told) == 2


def test_what_was_put_in_force_just_before_a_crash_is_not_fetched_again(
    household: Household, source: Source
) -> None:
    job = household.accept_refresh()
    with household.database.write() as connection:
        catalogs.record_refresh(
            connection, household.catalog("mine"), generation=f"{job.id}.0", revision="r", definitions=1,
            problem=None, now=NOW,
        )  # fmt: skip

    assert household.run(job).ending is Ending.SUCCEEDED

    assert source.asked == []


def test_what_is_not_in_force_is_swept_unless_something_is_being_fetched(
    household: Household, source: Source
) -> None:
    swept: list[list[str]] = []
    sweep = partial(sweep_generations, household.database, household.settings)
    source.on_fetch = lambda _source: swept.append(sweep())
    household.run(household.accept_refresh())
    for path in ("mine/left", "mine/.half.new", "removed/old"):
        (household.settings.catalogs_dir / path).mkdir(parents=True)

    swept.append(sorted(sweep()))

    assert swept == [[], ["mine/.half.new", "mine/left", "removed/old"]]
    assert kept(household) == [f"mine/{household.catalog('mine').generation}"]


def test_a_refresh_removes_what_was_fetched_of_catalogs_that_are_no_more(
    household: Household, source: Source
) -> None:
    household.run(household.accept_refresh())
    with household.database.write() as connection:
        catalogs.remove_catalog(connection, "mine")

    household.run(household.accept_refresh())

    assert kept(household) == []


def test_only_catalogs_that_there_are_can_be_fetched(household: Household) -> None:
    with pytest.raises(NotFoundError):
        household.accept_refresh("absent")

    assert household.run(household.accept_refresh()).ending is Ending.SUCCEEDED


def _dies(*_given: object, **_named: object) -> None:
    raise HandedBackError
