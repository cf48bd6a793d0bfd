"""Building the images of a definition, or of what was uploaded, without installing anything.

A build that does not succeed leaves no image. Its layers stay in the engine's build cache, so the next try
goes on where this one stopped; but a tag without a row in the ledger would be an image that nobody owns.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Connection

from build_cache.labels import BUILT_LABEL
from homeport.catalog.loaded import BuildSpec, LoadedDefinition
from homeport.errors import EngineRefusedError
from homeport.plans import Plan, Step, StepRun
from homeport.state import images
from workers.operation import OperationContext, RunningJob
from workers.operations.engine_wait import wait_for_engine
from workers.operations.fetch import fetch_images, require_space_for_images
from workers.operations.own_copy import OwnCopy
from workers.operations.wanted import Source, WantedImage, images_to_build
from workers.tools import Tools

_CONTEXT_VERSION: Final = "upload"
"""The version of an uploaded build context, which has none of its own."""

_IN_USE: Final = 409  # the engine's status for an image that a container needs


class BuildContext:
    """A build on its way. What is read from disk is read when a step asks for it first."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        self.tools = tools
        self.running = running
        self.copy = OwnCopy(tools, running)
        self._dockerfile = str(running.job.parameters.get("dockerfile") or "Dockerfile")

    @cached_property
    def loaded(self) -> LoadedDefinition | None:
        """The definition, read and judged again; None for an uploaded build context.

        Raises:
            HomeportError: see `OwnCopy.read`.
        """
        is_context = self.copy.upload is not None and not self.copy.is_definition()
        return None if is_context else self.copy.read()

    @property
    def source(self) -> Source:
        """See `ImagesContext.source`."""
        if self.loaded is None:
            return Source(name=self.copy.name, version=_CONTEXT_VERSION, title=self.copy.name)
        return Source.of(self.loaded.definition)

    @cached_property
    def wanted_images(self) -> tuple[WantedImage, ...]:
        """What is built, in the order in which it can be; a bare context is one service of the job's name."""
        context = BuildSpec(context=self.copy.folder, dockerfile=self._dockerfile)
        specs = {self.copy.name: context} if self.loaded is None else self.loaded.built_services
        return images_to_build(self.source, specs)

    def noted(self) -> dict[str, dict[str, Any]]:
        """See `ImagesContext.noted`: no app needs what is merely built."""
        return {}

    def note(self, connection: Connection, found: Mapping[str, Mapping[str, Any]]) -> None:
        """See `ImagesContext.note`."""

    def result(self) -> Mapping[str, Any]:
        """See `OperationContext.result`."""
        record = self.running.record_of("build images") or {}
        return {name: dict(record.get(name, {})) for name in ("images", "sizes", "builds")}

    def give_up(self, connection: Connection) -> None:
        """See `OperationContext.give_up`: the upload, which no step may have begun with."""
        self.copy.remove_upload()


def plan_build(tools: Tools, running: RunningJob) -> tuple[Plan[BuildContext], OperationContext]:
    """The plan of a build, and what its steps share."""
    plan = Plan(
        Step(name="read definition", do=read_sources, undo=remove_sources, weight=1),
        Step(name="build images", do=fetch_images, undo=remove_built, weight=98),
        Step(name="record", do=record_built, weight=1),
    )
    return plan, BuildContext(tools, running)


def read_sources(context: BuildContext, run: StepRun) -> None:
    """Copies the definition, or unpacks what was uploaded, and judges it.

    Raises:
        HomeportError: see `OwnCopy.make` and `OwnCopy.read`; or there is no space for the images.
    """
    settings = context.tools.settings
    context.copy.make(run, max_bytes=settings.context_max_bytes, max_files=settings.unpacked_max_files)
    if not context.wanted_images:
        run.log("Nothing is built on the box: all its images are pulled")
    require_space_for_images(context)


def remove_sources(context: BuildContext, run: StepRun) -> None:
    """Removes what was copied or unpacked."""
    context.copy.remove()


def remove_built(context: BuildContext, run: StepRun) -> None:
    """Removes the images that this job has brought, unless an app has come to need one."""
    tools = context.tools
    wait_for_engine(tools, run)
    for reference in run.record.get("absent", ()):
        with tools.images_lock:
            state = tools.engine.image(reference)
            with tools.database.read() as connection:
                needed = images.needed_image_ids(connection, except_app=None)
            if state is None or BUILT_LABEL not in state.labels or state.id in needed:
                continue
            try:
                tools.engine.remove_image(reference)
            except EngineRefusedError as error:
                if error.facts.get("status") != _IN_USE:
                    raise
                run.log(f"Kept {reference}: a container uses it")
                continue
            if tools.engine.image(state.id) is None:
                with context.running.writing() as connection:
                    images.forget_image(connection, state.id)


def record_built(context: BuildContext, run: StepRun) -> None:
    """Sees that all images are there, which the ledger has, and removes what they were built from.

    Raises:
        EngineRefusedError: somebody has removed one meanwhile.
    """
    made = (context.running.record_of("build images") or {}).get("images", {})
    for image in made.values():  # not what is wanted: an earlier run may have removed what tells that
        state = context.tools.engine.image(image["image"])
        if state is None or state.id != image["id"]:
            raise _image_gone(image["image"])
    context.copy.remove()
    context.copy.remove_upload()


def _image_gone(reference: str) -> EngineRefusedError:
    return EngineRefusedError(
        f"The image {reference} was built and is gone.",
        why="Something has removed it meanwhile.",
        remedy="Build it again: what has not changed is in the engine's build cache.",
        status=404,
    )
