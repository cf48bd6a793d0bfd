"""Building the images of a definition, or of what was uploaded, without installing anything.

A build that does not succeed leaves no image. Its layers stay in the engine's build cache, so the next try
goes on where this one stopped; but a tag without a row in the ledger would be an image that nobody owns.
"""

from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from build_cache.labels import BUILT_LABEL
from homeport.catalog.archive import unpack_archive
from homeport.catalog.catalog import find_in_force
from homeport.catalog.definition import APP_FILE
from homeport.catalog.loaded import BuildSpec, LoadedDefinition
from homeport.catalog.reader import read_definition
from homeport.errors import EngineRefusedError, InvalidInputError
from homeport.host.files import remove_tree
from homeport.plans import Plan, Step, StepRun
from homeport.state import images, jobs
from homeport.state.catalogs import stored_folders
from homeport.state.uploads import remove_upload, upload_path
from workers.operation import OperationContext, RunningJob
from workers.operations.engine_wait import wait_for_engine
from workers.operations.fetch import fetch_images, require_space_for_images
from workers.operations.wanted import Source, WantedImage, images_to_build
from workers.tools import Tools

_CONTEXT_VERSION: Final = "upload"
"""The version of an uploaded build context, which has none of its own."""

_IN_USE: Final = 409  # the engine's status for an image that a container needs


class BuildContext:
    """A build on its way. What is read from disk is read when a step asks for it first."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        parameters = running.job.parameters
        self.tools = tools
        self.running = running
        self.upload: str | None = parameters.get("upload")
        # not in `builds_dir`, where a build removes whatever is not a running build's
        self.work_dir = tools.settings.state_dir / "unpacked"
        self.folder = self.work_dir / running.job.id
        self._name = str(parameters.get("definition") or parameters.get("name"))
        self._dockerfile = str(parameters.get("dockerfile") or "Dockerfile")

    @cached_property
    def loaded(self) -> LoadedDefinition | None:
        """The definition, read and judged again; None for an uploaded build context.

        Raises:
            NotFoundError: the catalog does not have it any more.
            DefinitionInvalidError: it is broken.
            PolicyRefusedError: it asks for what is not allowed.
        """
        if self.upload is None:
            folders = partial(stored_folders, self.tools.database, self.tools.settings)
            return find_in_force(folders, self._name).loaded
        return read_definition(self.folder) if (self.folder / APP_FILE).exists() else None

    @property
    def source(self) -> Source:
        """See `ImagesContext.source`."""
        if self.loaded is None:
            return Source(name=self._name, version=_CONTEXT_VERSION, title=self._name)
        return Source.of(self.loaded.definition)

    @cached_property
    def wanted_images(self) -> tuple[WantedImage, ...]:
        """What is built, in the order in which it can be; a bare context is one service of the job's name."""
        context = BuildSpec(context=self.folder, dockerfile=self._dockerfile)
        specs = {self._name: context} if self.loaded is None else self.loaded.built_services
        return images_to_build(self.source, specs)

    def noted(self) -> dict[str, dict[str, Any]]:
        """See `ImagesContext.noted`: no app needs what is merely built."""
        return {}

    def note(self, connection: Connection, found: Mapping[str, Mapping[str, Any]]) -> None:
        """See `ImagesContext.note`."""

    def result(self) -> Mapping[str, Any]:
        """See `OperationContext.result`."""
        record = self.running.record_of("build images") or {}
        return {"images": dict(record.get("images", {})), "builds": dict(record.get("builds", {}))}

    def give_up(self, connection: Connection) -> None:
        """See `OperationContext.give_up`: the upload, which no step may have begun with."""
        self.remove_upload()

    def remove_upload(self) -> None:
        """Removes what was sent, if anything was."""
        if self.upload is not None:
            remove_upload(self.tools.settings.uploads_dir, self.upload)


def plan_build(tools: Tools, running: RunningJob) -> tuple[Plan[BuildContext], OperationContext]:
    """The plan of a build, and what its steps share."""
    plan = Plan(
        Step(name="read definition", do=read_sources, undo=remove_sources, weight=1),
        Step(name="build images", do=fetch_images, undo=remove_built, weight=98),
        Step(name="record", do=record_built, weight=1),
    )
    return plan, BuildContext(tools, running)


def read_sources(context: BuildContext, run: StepRun) -> None:
    """Unpacks what was uploaded, and judges the definition.

    Raises:
        ArchiveRefusedError: the upload is no archive that may be unpacked.
        DiskFullError: there is no space for it, or for the images.
        DefinitionInvalidError, PolicyRefusedError, NotFoundError: see `BuildContext.loaded`.
    """
    settings = context.tools.settings
    if context.upload is not None and not context.folder.exists():
        context.work_dir.mkdir(mode=0o700, exist_ok=True)
        _sweep(context)
        archive = upload_path(settings.uploads_dir, context.upload)
        if not archive.is_file():
            raise _upload_gone()
        run.log("Unpacking the upload")
        unpack_archive(
            archive,
            context.folder,
            max_bytes=settings.context_max_bytes,
            max_files=settings.unpacked_max_files,
            spare_bytes=settings.spare_bytes,
        )
    if not context.wanted_images:
        run.log("Nothing is built on the box: all its images are pulled")
    require_space_for_images(context)


def remove_sources(context: BuildContext, run: StepRun) -> None:
    """Removes what was unpacked, also what a crash left half unpacked."""
    for folder in (context.folder, *_half_unpacked(context.folder)):
        remove_tree(folder, within=context.work_dir)


def remove_built(context: BuildContext, run: StepRun) -> None:
    """Removes the images that this job has brought, unless an app has come to need one."""
    tools = context.tools
    wait_for_engine(tools, context.running.undo_control)
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
                with tools.database.write() as connection:
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
    remove_sources(context, run)
    context.remove_upload()


def _half_unpacked(folder: Path) -> list[Path]:
    return list(folder.parent.glob(f".{folder.name}.*"))


def _sweep(context: BuildContext) -> None:
    """Removes what jobs left behind that could not even be undone."""
    for folder in context.work_dir.iterdir():
        job_id = folder.name.lstrip(".").partition(".")[0]
        with context.tools.database.read() as connection:
            job = jobs.find_job(connection, job_id)
        if job is None or job.state.is_terminal:
            remove_tree(folder, within=context.work_dir)


def _image_gone(reference: str) -> EngineRefusedError:
    return EngineRefusedError(
        f"The image {reference} was built and is gone.",
        why="Something has removed it meanwhile.",
        remedy="Build it again: what has not changed is in the engine's build cache.",
        status=404,
    )


def _upload_gone() -> InvalidInputError:
    return InvalidInputError(
        "What was uploaded is gone.",
        why="It lay in the state folder, and something else has removed it.",
        remedy="Send it again.",
    )
