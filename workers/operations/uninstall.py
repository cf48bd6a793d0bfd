"""Uninstalling an app. Until something of it is removed that cannot be had again, it can be broken off.

Then the app is what it was: the database wants it to run again, and a repair, which is queued with the end of
the job, makes its containers anew. Afterwards it only goes forward; what is left undone is asked for again.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from compose.data import purge_folders, remove_project_files
from compose.values import SNAPSHOT
from homeport.errors import EngineRefusedError, NotPossibleNowError
from homeport.events import EventKind
from homeport.jobs import queue_of
from homeport.models import App, AppState, DesiredState
from homeport.names import project_name
from homeport.plans import Plan, Step, StepRun
from homeport.state import apps, claims, events, images
from homeport.state.repairs import queue_repair
from workers.operation import OperationContext, RunningJob
from workers.operations.route import tell_proxy
from workers.tools import Tools

_IN_USE = 409  # the engine's status for an image that a container needs


class UninstallContext:
    """An uninstall on its way."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        self.tools = tools
        self.running = running
        self.identifier = str(running.job.parameters["identifier"])
        self.project = project_name(self.identifier)
        self.project_dir = tools.settings.projects_dir / self.identifier
        self.purges = bool(running.job.parameters.get("purge"))

    @cached_property
    def app(self) -> App | None:
        """The app as it is recorded; None once it has been forgotten."""
        with self.tools.database.read() as connection:
            return apps.find_app(connection, self.identifier)

    def result(self) -> Mapping[str, Any]:
        """See `OperationContext.result`."""
        removed = (self.running.record_of("remove images") or {}).get("removed", [])
        return {"identifier": self.identifier, "purged": self.purges, "removed_images": list(removed)}

    @property
    def is_past_return(self) -> bool:
        """Whether something of the app may be gone that cannot be had again."""
        data = self.running.record_of("remove data") or {}
        return bool(data.get("removing")) or self.running.record_of("release") is not None

    def give_up(self, connection: Connection) -> None:
        """See `OperationContext.give_up`: an app that was stopped and shall run again is repaired."""
        app = apps.find_app(connection, self.identifier)
        was_stopped = self.running.record_of("stop") is not None
        if was_stopped and app is not None and app.state is AppState.RUNNING:
            queue_repair(
                connection,
                job_id=uuid4().hex,
                identifier=self.identifier,
                found=["its uninstall was broken off"],
                queue=queue_of(builds_images=self._may_build(app)),
                now=self.tools.now(),
            )

    def _may_build(self, app: App) -> bool:
        """Whether an image that was built here may have been removed."""
        was_begun = self.running.record_of("remove images") is not None
        return was_begun and any(image["built"] for image in app.images.values())


def plan_uninstall(tools: Tools, running: RunningJob) -> tuple[Plan[UninstallContext], OperationContext]:
    """The plan of an uninstall, and what its steps share. Two steps run only if asked for."""
    steps = [Step(name="withdraw route", do=withdraw, undo=put_back), Step(name="stop", do=stop, weight=8)]
    if running.job.parameters.get("purge"):
        steps.append(Step(name="remove data", do=remove_data))
    if running.job.parameters.get("remove_images"):
        steps.append(Step(name="remove images", do=remove_images))
    return Plan(*steps, Step(name="release", do=release)), UninstallContext(tools, running)


def withdraw(context: UninstallContext, run: StepRun) -> None:
    """Records the app as being uninstalled, and has its host names lead to it no more.

    Raises:
        NotFoundError: an earlier job has uninstalled the app.
    """
    app = context.app
    if app is not None and "before" not in run.record:
        run.save(before={"state": app.state, "desired": app.desired, "published": app.published})
    with context.running.writing() as connection:
        apps.update_app(
            connection,
            context.identifier,
            state=AppState.UNINSTALLING,
            desired=DesiredState.STOPPED,
            published=False,
            no_route="",
            updated_at=context.tools.now(),
        )
    tell_proxy(context, run)


def stop(context: UninstallContext, run: StepRun) -> None:
    """Stops and removes containers and networks."""
    context.tools.projects.down(
        context.project_dir,
        context.project,
        control=run,
        log=run.log,
        anonymous_volumes=context.purges,
    )


def put_back(context: UninstallContext, run: StepRun) -> None:
    """Records the app as what it was before; one that was stopped is published when it runs again.

    Raises:
        NotPossibleNowError: something of it is gone for good.
    """
    before = run.record.get("before")
    if context.app is None or before is None:
        return
    if context.is_past_return:
        raise NotPossibleNowError(
            f"{context.identifier!r} is half uninstalled, and some of it is gone for good.",
            remedy=f"Uninstall it again: `homeport uninstall {context.identifier}`.",
        )
    with context.running.writing() as connection:
        apps.update_app(
            connection,
            context.identifier,
            state=AppState(before["state"]),
            desired=DesiredState(before["desired"]),
            published=bool(before.get("published")) and context.running.record_of("stop") is None,
            updated_at=context.tools.now(),
        )
    tell_proxy(context, run)


def remove_data(context: UninstallContext, run: StepRun) -> None:
    """Removes the folders and volumes that Homeport made for the app."""
    run.check()
    run.save(removing=True)
    for name in context.tools.projects.remove_volumes(context.project):
        run.log(f"Removed the volume {name}")
    if context.project_dir.is_dir():
        for folder in purge_folders(context.project_dir):
            run.log(f"Removed the folder {folder}")


def remove_images(context: UninstallContext, run: StepRun) -> None:
    """Removes the app's images that are ours and that nobody else needs."""
    tools, app = context.tools, context.app
    if app is None:
        return
    used = {container.image_id: container.name for container in tools.engine.containers()}
    for image in {str(image["image"]): image for image in app.images.values()}.values():
        with tools.images_lock:
            _remove_unneeded(context, run, str(image["id"]), str(image["image"]), used)


def _remove_unneeded(
    context: UninstallContext, run: StepRun, image_id: str, reference: str, used: Mapping[str, str]
) -> None:
    with context.tools.database.read() as connection:
        is_ours = images.find_image(connection, image_id) is not None
        needed = images.needed_image_ids(connection, except_app=context.identifier)
    if not is_ours:
        run.log(f"Kept {reference}: it was on the box before")
    elif image_id in needed:
        run.log(f"Kept {reference}: another app needs it")
    elif image_id in used:
        run.log(f"Kept {reference}: the container {used[image_id]} uses it")
    else:
        _remove_image(context, run, image_id, reference)


def release(context: UninstallContext, run: StepRun) -> None:
    """Removes what the project was run from, gives back port and names, and forgets the app."""
    tools, app = context.tools, context.app
    if app is None:
        return
    # written under the lease: whoever has lost it takes nothing from the next app of the name
    run.save(removing=True)
    if context.project_dir.is_dir():
        remove_project_files(context.project_dir, (SNAPSHOT,))
    tools.drop_port(app.host_port)
    with context.running.writing() as connection:
        apps.remove_app(connection, context.identifier)
        claims.release_claims(connection, context.identifier)
        events.append(
            connection,
            EventKind.APP_UNINSTALLED,
            app=context.identifier,
            job=context.running.job.id,
            facts={"purged": context.purges},
            now=tools.now(),
        )


def _remove_image(context: UninstallContext, run: StepRun, image_id: str, reference: str) -> None:
    """Removes an image by its name, as far as that name still means it."""
    engine = context.tools.engine
    named, image = engine.image(reference), engine.image(image_id)
    if (named is None or named.id != image_id) and image is not None and image.tags:
        run.log(f"Kept the image that {reference} was: it has another name, {image.tags[0]}")
        return
    target = reference if named is not None and named.id == image_id else image_id
    try:
        engine.remove_image(target)
    except EngineRefusedError as error:
        if error.facts.get("status") != _IN_USE:
            raise
        run.log(f"Kept {reference}: the engine says that it is in use")
        return
    if engine.image(image_id) is not None:
        run.log(f"Removed the name {reference}; the image has another")
        return
    run.log(f"Removed {reference}")
    with context.running.writing() as connection:
        images.forget_image(connection, image_id)
    run.save(removed=[*run.record.get("removed", ()), reference])
