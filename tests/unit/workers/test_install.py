"""Installing on a machine in memory: all of it, or nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from homeport.errors import (
    CancelledError,
    DiskFullError,
    EngineUnavailableError,
    HandedBackError,
    StartFailedError,
    UnhealthyError,
)
from homeport.events import EventKind
from homeport.host.ports import Listener
from homeport.models import AppState, ImageOrigin
from homeport.plans import Control, Ending, Plan, Step, StepRun
from homeport.state import events, images
from homeport.state.catalogs import record_refresh
from homeport.state.uploads import upload_path
from tests.unit.workers.conftest import APP_YML, NOW, TEMPLATE, Household
from tests.unit.workers.fakes import container_state
from workers.operation import RunningJob
from workers.operations import install

SENT = {"app.yml": APP_YML, "docker-compose.yml": TEMPLATE, "web/Dockerfile": "FROM scratch\n"}
POWERFUL = {
    "app.yml": APP_YML
    + "permissions: ['capability:NET_ADMIN', privileged]\n"
    + "settings:\n  COLOUR: {default: red}\n  SOURCE: {build: true, required: true}\n",
    "docker-compose.yml": """
services:
  web: {volumes: ["./files:/files"], cap_add: [NET_ADMIN], environment: [COLOUR]}
  db: {image: "database:1", privileged: true}
""",
    "web/Dockerfile": "FROM scratch\nARG SOURCE\n",
}
GRANTS = ("capability:NET_ADMIN", "privileged")


def fails(error: BaseException) -> Callable[..., None]:
    def fail(*_arguments: object) -> None:
        raise error

    return fail


def test_an_installed_app_runs_and_is_recorded(household: Household) -> None:
    outcome = household.install()

    assert outcome.ending is Ending.SUCCEEDED
    app = household.app()
    assert app is not None
    assert (app.state, app.app_id, app.host_port, app.version) == (AppState.RUNNING, 1, 35001, "1.0")
    assert set(household.machine.engine.live) == {"notes", "homeport-notes-db-1"}
    assert household.machine.reserved == {35001}
    assert app.images["web"]["built"] is True
    assert app.images["db"] == {"image": "database:1", "id": "sha256:database:1", "built": False}
    assert (household.project_dir / "definition" / "app.yml").is_file()
    with household.database.read() as connection:
        kinds = [event.kind for event in events.events_after(connection, 0)]
        origins = {row.origin for row in images.ledger(connection)}
    assert kinds.count(EventKind.APP_INSTALLED) == 1
    assert origins == {ImageOrigin.BUILT, ImageOrigin.PULLED}


def test_an_image_that_was_there_before_is_not_ours(household: Household) -> None:
    household.machine.engine.pull("database:1", on_progress=lambda _: None, control=_Never())

    household.install()

    with household.database.read() as connection:
        assert images.find_image(connection, "sha256:database:1") is None


def test_what_was_pulled_before_a_crash_is_known_as_ours_afterwards(household: Household) -> None:
    job = household.accept_install()
    pull = household.machine.engine.pull

    def pull_and_die(reference: str, **rest: object) -> None:
        pull(reference, **rest)  # type: ignore[arg-type]
        raise HandedBackError

    household.machine.engine.pull = pull_and_die  # type: ignore[assignment,method-assign]
    with pytest.raises(HandedBackError):
        household.run(job)

    outcome = household.run(job)

    assert outcome.ending is Ending.SUCCEEDED
    with household.database.read() as connection:
        row = images.find_image(connection, "sha256:database:1")
    assert row is not None
    assert row.origin is ImageOrigin.PULLED


def test_a_pulled_image_that_its_owner_had_under_another_name_is_not_ours(household: Household) -> None:
    pull = household.machine.engine.pull

    def pull_known(reference: str, **rest: Any) -> Any:
        state = replace(pull(reference, **rest), tags=("mine:1", reference))
        household.machine.engine.images[reference] = state
        return state

    household.machine.engine.pull = pull_known  # type: ignore[method-assign]

    household.install()

    with household.database.read() as connection:
        assert images.find_image(connection, "sha256:database:1") is None


def test_an_undo_that_is_repeated_takes_nothing_from_the_next_install_of_the_name(
    household: Household,
) -> None:
    household.machine.on_health = fails(UnhealthyError("It is not healthy."))
    job = household.accept_install()
    household.run(job)
    household.machine.on_health = lambda _control: None
    household.install()
    before = household.left()

    # As a worker does that takes over after the last undo, which was not written down as done.
    running = RunningJob(job=job, steps=list, writing=household.database.write)
    context = install.plan_install(household.machine.tools, running)[1]
    run = StepRun("reserve", {"reserved_port": 35001}, None, _Never(), lambda *_: None)  # type: ignore[arg-type]
    install.release(context, run)  # type: ignore[arg-type]

    assert household.left() == before


class _Never:
    def check(self) -> None:
        pass


STEP_NAMES = [
    "read definition", "reserve", "fetch images", "render project", "create", "start", "wait until healthy",
    "record",
]  # fmt: skip


@pytest.mark.parametrize("name", STEP_NAMES)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("is_sent", [False, True])
def test_nothing_is_left_when_a_step_fails(
    household: Household, monkeypatch: pytest.MonkeyPatch, name: str, when: str, is_sent: bool
) -> None:
    def failing(step: "Step[object]") -> "Step[object]":
        def do(context: object, run: object) -> None:
            if when == "after":
                step.do(context, run)  # type: ignore[arg-type]
            raise StartFailedError("It broke.")

        return Step(name=step.name, do=do if step.name == name else step.do, undo=step.undo)

    original: Any = Plan
    monkeypatch.setattr(install, "Plan", lambda *steps: original(*(failing(step) for step in steps)))

    outcome = household.run(household.accept_install(upload=SENT if is_sent else None))

    assert outcome.ending is Ending.FAILED
    assert household.left() == {}
    assert outcome.problem is not None
    assert outcome.problem.restored.startswith("Put back")


def test_a_compose_that_fails_half_way_leaves_nothing(household: Household) -> None:
    household.machine.projects.on_up = fails(StartFailedError("It broke."))

    outcome = household.install()

    assert outcome.ending is Ending.FAILED
    assert household.left() == {}


def test_an_app_that_is_never_healthy_leaves_nothing_but_its_images(household: Household) -> None:
    household.machine.on_health = fails(UnhealthyError("It is not."))

    outcome = household.install()

    assert outcome.problem is not None
    assert outcome.problem.code == "unhealthy"
    assert household.left() == {}
    assert household.machine.engine.images


def test_a_cancel_before_the_first_step_gives_the_names_back(household: Household) -> None:
    class Cancelled:
        def check(self) -> None:
            raise CancelledError("Cancelled.")

    outcome = household.install(Cancelled())

    assert outcome.ending is Ending.CANCELLED
    assert household.left() == {}


def test_data_of_an_earlier_install_survives_a_failed_one(household: Household) -> None:
    household.install()
    (household.project_dir / "files" / "letter").write_text("dear")
    household.uninstall()
    household.machine.on_health = fails(UnhealthyError("It is not."))

    household.install()

    assert (household.project_dir / "files" / "letter").read_text() == "dear"
    left = household.left()
    assert left == {"volumes": ["homeport-notes_store"], "files": ["notes"]}


def test_an_install_that_was_handed_back_goes_on_where_it_was(household: Household) -> None:
    job = household.accept_install()
    household.machine.on_health = fails(HandedBackError())
    with pytest.raises(HandedBackError):
        household.run(job)
    (household.settings.catalog_dir / "notes" / "app.yml").unlink()
    household.machine.on_health = lambda _control: None

    outcome = household.run(job)

    assert outcome.ending is Ending.SUCCEEDED


def test_with_the_engine_gone_nothing_is_begun(household: Household) -> None:
    household.machine.engine.is_up = False

    outcome = household.install()

    assert outcome.problem is not None
    assert outcome.problem.code == "engine_unavailable"
    assert household.left() == {}


def test_an_engine_that_dies_midway_and_stays_away_is_told_and_the_app_can_be_uninstalled(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_control: Control) -> None:
        household.machine.engine.is_up = False
        raise EngineUnavailableError("Docker does not answer.")

    household.machine.on_health = die
    monkeypatch.setattr("workers.operations.engine_wait._WAIT_S", 0)

    outcome = household.install()

    assert outcome.problem is not None
    assert outcome.problem.restored.startswith("Could not be put back: create (Docker does not answer.)")
    household.machine.engine.is_up = True
    assert household.uninstall(purge=True).ending is Ending.SUCCEEDED
    assert household.left() == {}


def test_a_port_held_by_a_process_is_found_before_anything_is_fetched(household: Household) -> None:
    household.machine.listeners[35001] = Listener(port=35001, address="0.0.0.0", pid=7, process="nginx")

    outcome = household.install()

    assert outcome.problem is not None
    assert outcome.problem.code == "port_in_use"
    assert "nginx" in outcome.problem.why
    assert household.machine.engine.images == {}
    assert household.left() == {}


@pytest.mark.parametrize("kind", ["container", "network", "volume"])
def test_a_foreign_thing_of_our_name_is_refused_and_stays(household: Household, kind: str) -> None:
    engine = household.machine.engine
    match kind:
        case "container":
            engine.live["notes"] = container_state("notes", "theirs", {})
        case "network":
            engine.nets["homeport-notes_default"] = {}
        case _:
            engine.vols["homeport-notes_store"] = {}

    outcome = household.install()

    assert outcome.problem is not None
    assert (outcome.problem.code, outcome.problem.facts["kind"]) == ("foreign_object", kind)
    assert list(household.left()) == [f"{kind}s"]
    assert engine.images == {}


def test_a_full_disk_is_found_before_anything_is_fetched(household: Household) -> None:
    household.machine.on_space = fails(DiskFullError("No space."))

    outcome = household.install()

    assert outcome.problem is not None
    assert outcome.problem.code == "disk_full"
    assert household.machine.engine.images == {}
    assert household.left() == {}


def test_a_definition_that_was_sent_is_installed_with_what_was_granted_and_set(household: Household) -> None:
    given = {"COLOUR": "blue", "SOURCE": "https://example.org/x"}
    surplus = (*GRANTS, "namespace:pid")

    outcome = household.run(household.accept_install(upload=POWERFUL, permissions=surplus, settings=given))

    assert outcome.ending is Ending.SUCCEEDED
    app = household.app()
    assert app is not None
    assert (app.catalog, app.permissions, app.settings) == (None, GRANTS, given)
    assert household.machine.projects.granted == list(GRANTS)
    assert household.machine.requests[0].args == {"SOURCE": "https://example.org/x"}
    assert "COLOUR=blue" in (household.project_dir / "docker-compose.yml").read_text()
    assert household.left().get("sources") is None


@pytest.mark.parametrize(
    ("permissions", "settings", "code"),
    [
        (GRANTS[:1], {"SOURCE": "x"}, "permissions_not_granted"),
        ((), {"SOURCE": "x"}, "permissions_not_granted"),
        (GRANTS, {}, "invalid_input"),
        (GRANTS, {"SOURCE": "x", "OTHER": "y"}, "invalid_input"),
    ],
)
def test_the_worker_looks_again_at_what_was_granted_and_set(
    household: Household, permissions: tuple[str, ...], settings: dict[str, str], code: str
) -> None:
    outcome = household.run(
        household.accept_install(upload=POWERFUL, permissions=permissions, settings=settings)
    )

    assert outcome.problem is not None
    assert outcome.problem.code == code
    assert household.machine.engine.images == {}
    assert household.left() == {}


def test_an_upload_that_is_gone_is_told(household: Household) -> None:
    job = household.accept_install(upload=SENT)
    upload_path(household.settings.uploads_dir, job.id).unlink()

    outcome = household.run(job)

    assert outcome.problem is not None
    assert outcome.problem.what == "What was uploaded is gone."
    assert household.left() == {}


def test_what_a_catalog_puts_in_the_place_of_a_definition_meanwhile_is_not_installed(
    household: Household,
) -> None:
    job = household.accept_install()
    household.machine.on_health = fails(HandedBackError())
    with pytest.raises(HandedBackError):
        household.run(job)
    definition = household.settings.catalog_dir / "notes"
    (definition / "app.yml").write_text(APP_YML.replace('"1.0"', '"2.0"'))
    household.machine.on_health = lambda _control: None

    household.run(job)

    app = household.app()
    assert app is not None
    assert app.version == "1.0"
    assert "1.0" in (household.project_dir / "definition" / "app.yml").read_text()


def test_a_definition_of_an_added_catalog_is_installed_from_what_is_in_force(household: Household) -> None:
    household.add_catalog("mine")
    place = household.settings.catalogs_dir / "mine" / "g1" / "notes"
    for path, text in SENT.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text.replace('"1.0"', '"3.0"'))
    with household.database.write() as connection:
        record_refresh(
            connection, household.catalog("mine"), generation="g1", revision="r", definitions=1, problem=None,
            now=NOW,
        )  # fmt: skip

    assert household.run(household.accept_install(catalog="mine")).ending is Ending.SUCCEEDED

    app = household.app()
    assert app is not None
    assert (app.catalog, app.version) == ("mine", "3.0")
