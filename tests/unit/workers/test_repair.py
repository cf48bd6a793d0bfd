"""Repairing on a machine in memory."""

from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select

from compose.values import COMPOSE_FILE
from homeport.events import EventKind
from homeport.models import Job
from homeport.plans import Ending, StepRun
from homeport.state import leases
from homeport.state.journal import JobJournal, under_lease
from homeport.state.repairs import queue_repair
from homeport.state.schema import EVENTS
from tests.unit.workers.conftest import NOW, Household, NoStop
from workers.operation import RunningJob
from workers.operations.repair import RepairContext, record_repaired


def accept_repair(household: Household) -> Job:
    with household.database.write() as connection:
        return queue_repair(connection, job_id=uuid4().hex, identifier="notes", found=["it is gone"], now=NOW)


def told(household: Household) -> int:
    query = select(func.count()).where(EVENTS.c.kind == EventKind.BOX_REPAIRED.value)
    with household.database.read() as connection:
        return connection.execute(query).scalar_one()


def test_a_container_that_is_gone_is_there_again_and_the_data_is_kept(household: Household) -> None:
    household.install()
    engine = household.machine.engine
    containers = sorted(engine.live)
    (household.project_dir / "files" / "letter").write_text("dear")
    del engine.live["notes"]

    outcome = household.run(accept_repair(household))

    assert outcome.ending is Ending.SUCCEEDED
    assert sorted(engine.live) == containers
    assert (household.project_dir / "files" / "letter").read_text() == "dear"
    assert told(household) == 1


def test_an_app_that_runs_keeps_the_addresses_that_it_was_published_on(household: Household) -> None:
    household.install()
    before = (household.project_dir / COMPOSE_FILE).read_text()
    assert "0.0.0.0" in before
    behind = household.settings.model_copy(update={"domain": "hda"})
    assert behind.publish_address == "127.0.0.1", "projects that are rendered from now on have another one"
    household.machine.tools = replace(household.machine.tools, settings=behind)
    rendered: list[str] = []
    create = household.machine.projects.create

    def watched(*given: Any, rendered_as: list[str] = rendered, **more: Any) -> None:
        rendered_as.append(more["rendered"].text)
        create(*given, **more)

    household.machine.projects.create = watched  # type: ignore[method-assign]
    del household.machine.engine.live["notes"]

    assert household.run(accept_repair(household)).ending is Ending.SUCCEEDED

    assert (household.project_dir / COMPOSE_FILE).read_text() == before
    assert ["0.0.0.0" in text for text in rendered] == [True]


def test_a_repair_whose_worker_was_killed_when_it_had_told_does_not_tell_again(household: Household) -> None:
    household.install()
    job = accept_repair(household)
    with household.database.write() as connection:
        lease = leases.take(connection, job.id, owner="test", ttl_s=60, now=NOW)
    assert lease is not None
    journal = JobJournal(household.database, lease, log=lambda _: None, now=lambda: NOW, publish=lambda: None)
    journal.begun("look")
    journal.done("look", {"found": ["it is gone"]})

    running = RunningJob(
        job=job, steps=journal.steps, writing=partial(under_lease, household.database, lease)
    )
    for _ in range(2):
        context = RepairContext(household.machine.tools, running)
        record_repaired(context, StepRun("record", {}, journal, NoStop(), lambda *_: None))

    assert told(household) == 1
