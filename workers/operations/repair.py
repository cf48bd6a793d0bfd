"""Putting right what of an app is not as the database wants it; what runs is not touched.

The reconciler saw a difference; the job looks again, alone with its app, and does no more than is needed.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Connection

from compose.data import create_data_folders
from compose.project import write_project
from compose.values import APP_LABEL, SNAPSHOT, ProjectFacts, RenderedProject
from homeport.catalog.granting import require_granted
from homeport.catalog.loaded import LoadedDefinition
from homeport.catalog.reader import read_definition
from homeport.errors import NotPossibleNowError
from homeport.events import EventKind
from homeport.models import App
from homeport.permissions import Permission, parse_permissions
from homeport.plans import Plan, Step, StepRun
from homeport.state import apps, events
from workers.observation import observe, project_files, published_addresses
from workers.operation import OperationContext, RunningJob
from workers.operations.app_project import AppProject
from workers.operations.fetch import fetch_images
from workers.operations.route import publish_route
from workers.operations.wanted import WantedImage
from workers.reconciliation import find_differences, missing_networks
from workers.tools import Tools

_LOOK: Final = "look"


class RepairContext(AppProject):
    """A repair on its way."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        self.tools = tools
        self.running = running
        self.identifier = str(running.job.parameters["identifier"])

    @cached_property
    def app(self) -> App:
        """The app as it is recorded.

        Raises:
            NotFoundError: it has been uninstalled.
        """
        with self.tools.database.read() as connection:
            app = apps.find_app(connection, self.identifier)
        if app is None:
            raise apps.no_such_app(self.identifier)
        return app

    @cached_property
    def facts(self) -> ProjectFacts:
        """See `AppProject`: with the addresses that its ports have, whatever the settings say by now."""
        project_dir = self.tools.settings.projects_dir / self.identifier
        return ProjectFacts(
            app_id=self.app.app_id,
            identifier=self.identifier,
            host_name=self.app.host_name,
            host_port=self.app.host_port,
            project_dir=project_dir,
            version="",
            addresses=published_addresses(project_dir),
        )

    @cached_property
    def loaded(self) -> LoadedDefinition:
        """See `AppProject`: the definition as it was installed.

        Raises:
            NotPossibleNowError: its snapshot is gone.
        """
        snapshot = self.facts.project_dir / SNAPSHOT
        if not snapshot.is_dir():
            raise NotPossibleNowError(
                f"{self.identifier!r} cannot be repaired: its definition is gone from {snapshot}.",
                why="Without it nobody knows what the app consists of.",
                remedy=f"Uninstall it, which keeps its data, and install it again: "
                f"`homeport uninstall {self.identifier}`.",
            )
        return read_definition(snapshot, settings=self.app.settings)

    @cached_property
    def granted(self) -> tuple[Permission, ...]:
        """See `AppProject`."""
        return require_granted(self.loaded, parse_permissions(self.app.permissions))

    @property
    def wanted_images(self) -> tuple[WantedImage, ...]:
        """See `ImagesContext.wanted_images`: those that are not on the box any more."""
        engine = self.tools.engine
        return tuple(image for image in self.project_images if engine.image(image.reference) is None)

    @cached_property
    def rendered(self) -> RenderedProject:
        """See `AppProject`."""
        engine, volumes = self.tools.engine, dict[str, list[str]]()
        for wanted in self.project_images:
            image = engine.image(wanted.reference)
            volumes[wanted.service] = list(image.volumes) if image else []
        return self.render(volumes)

    @property
    def found(self) -> Sequence[str]:
        """What the job saw when it looked, in words."""
        found: Sequence[str] = (self.running.record_of(_LOOK) or {}).get("found", ())
        return found

    @property
    def recreates(self) -> bool:
        """Whether containers are made anew: those on a network that is gone are on none."""
        return bool((self.running.record_of(_LOOK) or {}).get("networks"))

    def look(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is not as it shall be, and the networks that are gone."""
        with self.tools.database.read() as connection:
            app = apps.find_app(connection, self.identifier)
        recorded = {} if app is None else {self.identifier: app}
        observed = observe(self.tools.engine, self.tools.settings)
        found = find_differences(observed, recorded).get(self.identifier, ())
        files = observed.projects.get(self.identifier)
        gone = missing_networks(self.identifier, observed.networks, files) if app and files else ()
        return found, gone

    def result(self) -> Mapping[str, Any]:
        """See `OperationContext.result`."""
        return {"identifier": self.identifier, "found": list(self.found)}

    def give_up(self, connection: Connection) -> None:
        """See `OperationContext.give_up`: acceptance took nothing."""


def plan_repair(tools: Tools, running: RunningJob) -> tuple[Plan[RepairContext], OperationContext]:
    """The plan of a repair, and what its steps share: of an app, or of what belongs to none."""
    context = RepairContext(tools, running)
    first, last = Step(name=_LOOK, do=look, weight=1), Step(name="record", do=record_repaired, weight=1)
    if running.job.parameters.get("orphan"):
        return Plan(first, Step(name="remove", do=remove_orphans, weight=8), last), context
    return (
        Plan(
            first,
            Step[RepairContext](name="fetch images", do=fetch_missing, weight=40),
            Step(name="render project", do=render, weight=1),
            Step(name="create", do=create, weight=4),
            Step(name="start", do=start, weight=4),
            Step(name="wait until healthy", do=wait_until_healthy, weight=9),
            Step[RepairContext](name="publish route", do=publish_route, weight=1),
            last,
        ),
        context,
    )


def look(context: RepairContext, run: StepRun) -> None:
    """Looks again: since the reconciler did, somebody may have put it right."""
    found, networks = context.look()
    run.record.update(found=list(found), networks=list(networks))
    for words in found:
        run.log(f"Found: {words}")
    if not found:
        run.log("All is as it shall be")


def remove_orphans(context: RepairContext, run: StepRun) -> None:
    """Removes containers and networks whose app is not recorded; volumes and folders stay."""
    with context.tools.database.read() as connection:
        if apps.find_app(connection, context.identifier) is not None:
            return
    engine, settings = context.tools.engine, context.tools.settings
    observed = observe(engine, settings)
    for container in observed.containers:
        if container.labels[APP_LABEL] == context.identifier:
            run.check()
            run.log(f"Removing the container {container.name}")
            engine.remove_container(container.id, stop_s=settings.stop_s)
    for network in observed.networks:
        if network.labels[APP_LABEL] == context.identifier:
            run.log(f"Removing the network {network.name}")
            engine.remove_network(network.id)


def fetch_missing(context: RepairContext, run: StepRun) -> None:
    """Gets the images that are gone from the box."""
    if context.found:
        fetch_images(context, run)


def render(context: RepairContext, run: StepRun) -> None:
    """Writes the compose file anew where it is gone."""
    facts = context.facts
    if not context.found or project_files(facts.project_dir).has_compose_file:
        return
    create_data_folders(facts.project_dir, context.rendered)
    write_project(facts.project_dir, context.rendered)
    run.log("Wrote the compose file anew")


def create(context: RepairContext, run: StepRun) -> None:
    """Makes what is missing, and has all of it judged before anything of it starts."""
    if context.found:
        context.tools.projects.create(
            context.facts.project_dir,
            context.facts.project,
            rendered=context.rendered,
            granted=context.granted,
            control=run,
            log=run.log,
            recreate=context.recreates,
        )


def start(context: RepairContext, run: StepRun) -> None:
    """Starts what does not run."""
    if context.found:
        context.tools.projects.up(
            context.facts.project_dir,
            context.facts.project,
            control=run,
            on_progress=run.progress,
            on_wait=run.wait,
            log=run.log,
            objects=context.rendered.objects,
            expectation=context.expectation,
            recreate=context.recreates,
        )


def wait_until_healthy(context: RepairContext, run: StepRun) -> None:
    """Waits until every service is healthy."""
    if context.found:
        context.tools.await_health(
            context.facts.project,
            context.expectation,
            settings=context.tools.settings,
            run_check=run,
            on_progress=lambda fraction, detail: run.wait(detail, fraction),
        )


def record_repaired(context: RepairContext, run: StepRun) -> None:
    """Says what was put right, once."""
    if not context.found:
        return
    job_id = context.running.job.id
    with context.running.writing() as connection:
        if events.has_told(connection, EventKind.BOX_REPAIRED, job=job_id):
            return
        events.append(
            connection,
            EventKind.BOX_REPAIRED,
            app=context.identifier,
            job=job_id,
            facts={"found": list(context.found)},
            now=context.tools.now(),
        )
