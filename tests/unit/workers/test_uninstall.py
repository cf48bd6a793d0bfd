"""Uninstalling on a machine in memory."""

from homeport.models import AppState
from homeport.plans import Ending
from homeport.state import images
from tests.unit.workers.conftest import Household
from tests.unit.workers.fakes import container_state


def test_an_uninstall_keeps_the_data(household: Household) -> None:
    household.install()
    (household.project_dir / "files" / "letter").write_text("dear")

    outcome = household.uninstall()

    assert outcome.ending is Ending.SUCCEEDED
    assert household.left() == {"volumes": ["homeport-notes_store"], "files": ["notes"]}
    assert (household.project_dir / "files" / "letter").exists()
    assert not (household.project_dir / "docker-compose.yml").exists()
    assert len(household.machine.engine.images) == 2


def test_a_purge_removes_what_homeport_made_and_nothing_else(household: Household) -> None:
    household.project_dir.mkdir(parents=True)
    (household.project_dir / "mine.txt").write_text("the owner's")
    household.install()

    household.uninstall(purge=True)

    assert [path.name for path in household.project_dir.iterdir()] == ["mine.txt"]
    assert household.machine.engine.vols == {}


def test_images_are_removed_only_if_they_are_ours_and_unused(household: Household) -> None:
    household.install()
    engine = household.machine.engine
    engine.live["other"] = container_state("other", "theirs", {}, "database:1")

    household.uninstall(remove_images=True)

    assert list(engine.images) == ["database:1"]
    with household.database.read() as connection:
        assert [row.reference for row in images.ledger(connection)] == ["database:1"]


def test_a_failed_uninstall_keeps_the_app_and_can_be_asked_again(household: Household) -> None:
    household.install()
    household.machine.engine.is_up = False

    failed = household.uninstall()

    assert failed.problem is not None
    assert failed.problem.code == "engine_unavailable"
    app = household.app()
    assert app is not None
    assert app.state is AppState.UNINSTALLING
    household.machine.engine.is_up = True
    assert household.uninstall(purge=True).ending is Ending.SUCCEEDED
    assert household.left() == {}
