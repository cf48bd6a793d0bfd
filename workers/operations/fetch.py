"""The step that gets images, for whatever job: built on the box or pulled, and written into the ledger."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from build_cache.builder import BuildRequest
from build_cache.labels import BUILT_LABEL
from compose.values import DEFINITION_LABEL, SERVICE_LABEL, VERSION_LABEL
from homeport.errors import EngineRefusedError
from homeport.host.engine import ImageState, PullProgress
from homeport.models import ImageOrigin, LedgerImage
from homeport.plans import StepRun
from homeport.settings import MIB
from homeport.state import builds, images
from workers.operation import RunningJob
from workers.operations.wanted import Source, WantedImage
from workers.tools import Tools

_IMAGE_BYTES: Final = 512 * MIB  # what an image that is not there may need, as long as nobody knows
_TURN_S: Final = 0.25


class ImagesContext(Protocol):
    """What the step asks of the job that it runs for."""

    tools: Tools
    running: RunningJob

    @property
    def wanted_images(self) -> Sequence[WantedImage]:
        """What is fetched, in order."""

    @property
    def source(self) -> Source:
        """What it is that is fetched for."""

    def noted(self) -> dict[str, dict[str, Any]]:
        """What an earlier run of the step had noted, which stays needed while this one looks again."""

    def note(self, connection: Connection, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Writes down which images are needed, by service; from then on no other job removes them."""


class FetchProgress:
    """The progress over several images, one after the other, weighed by their bytes where these are known.

    An image whose size is not known yet weighs as much as those known do in the mean.
    """

    def __init__(self, references: list[str]) -> None:
        self._fractions = dict.fromkeys(references, 0.0)
        self._sizes: dict[str, int] = {}

    def moved(self, reference: str, fraction: float, size_bytes: int = 0) -> float:
        """The fraction of the whole, now that the image has come so far."""
        self._fractions[reference] = fraction
        if size_bytes:
            self._sizes[reference] = size_bytes
        mean = sum(self._sizes.values()) / len(self._sizes) if self._sizes else 1.0
        weights = {name: self._sizes.get(name, mean) for name in self._fractions}
        done = sum(weights[name] * share for name, share in self._fractions.items())
        return done / sum(weights.values())


def require_space_for_images(context: ImagesContext) -> None:
    """Returns if there is space for the images that are not there, and what must stay free beside them.

    Raises:
        DiskFullError: there is not.
    """
    tools = context.tools
    missing = {
        image.reference for image in context.wanted_images if tools.engine.image(image.reference) is None
    }
    spare = tools.settings.spare_bytes
    tools.require_space(tools.settings.state_dir, spare)
    root = tools.engine.root_dir()
    if root.is_dir():  # an engine on another machine keeps its files there
        tools.require_space(root, spare + len(missing) * _IMAGE_BYTES)


def fetch_images(context: ImagesContext, run: StepRun) -> None:
    """Builds or pulls what is not there, and notes each service's image with the job's app."""
    wanted = context.wanted_images
    progress = FetchProgress([image.reference for image in wanted])
    found = context.noted()
    volumes: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for image in wanted:
        run.check()
        state = _fetch_one(context, run, image, progress, found)
        volumes[image.service] = list(state.volumes)
        sizes[image.service] = state.size_bytes
        detail = f"{image.reference} is there"
        run.progress(progress.moved(image.reference, 1.0, state.size_bytes), detail)
    run.record.update(images=found, volumes=volumes, sizes=sizes)


def _fetch_one(
    context: ImagesContext,
    run: StepRun,
    image: WantedImage,
    progress: FetchProgress,
    found: dict[str, dict[str, Any]],
) -> ImageState:
    """The image, noted with the app, and its place in the ledger if it is ours."""
    state = _note(context, image, found)
    was_absent = image.reference in run.record.get("absent", ())
    if state is None:
        # Written down first: after a crash it is there, and only this says that we brought it.
        run.save(absent=[*run.record.get("absent", ()), image.reference])
        was_absent = True
        fetch = _build if image.build else _pull
        fetch(context, run, image, progress)
        state = _note(context, image, found)
        if state is None:
            raise _gone(image.reference)
    else:
        run.log(f"{image.reference} is there already")
    if BUILT_LABEL in state.labels or (was_absent and not _had_another_name(state)):
        _record(context, image, state)
    return state


def _note(context: ImagesContext, image: WantedImage, found: dict[str, dict[str, Any]]) -> ImageState | None:
    """Writes down that the app needs the image, if it is on the box: from then on no other job removes it."""
    tools = context.tools
    with tools.images_lock:
        state = tools.engine.image(image.reference)
        if state is not None:
            found[image.service] = {
                "image": image.reference,
                "id": state.id,
                "built": image.build is not None,
            }
            with context.running.writing() as connection:
                context.note(connection, found)
    return state


def _had_another_name(state: ImageState) -> bool:
    """Whether what was pulled had been on the box already, under a name of its owner's."""
    return len(state.tags) > 1


def _gone(reference: str) -> EngineRefusedError:
    return EngineRefusedError(
        f"The image {reference} was fetched and is gone.",
        why="Something removed it at once.",
        remedy="Try again.",
        status=404,
    )


def _build(context: ImagesContext, run: StepRun, image: WantedImage, progress: FetchProgress) -> None:
    tools, name = context.tools, context.source.name
    with tools.database.read() as connection:
        durations = builds.durations_of(connection, name, image.service)
    request = _request(context, image, durations)
    with _turn(tools, run, f"{image.service} waits until another build has ended"):
        run.log(f"Building {image.reference}")
        built = tools.build_image(
            request,
            control=run,
            on_progress=lambda fraction, detail: run.progress(
                progress.moved(image.reference, fraction), f"building {image.service}: {detail}"
            ),
            log=run.log,
        )
    with context.running.writing() as connection:
        builds.record_durations(connection, name, image.service, built.report.durations, tools.now())
    report = built.report.as_json(line_mbit_s=tools.settings.line_mbit_s)
    run.save(builds={**run.record.get("builds", {}), image.service: report})


@contextmanager
def _turn(tools: Tools, run: StepRun, otherwise: str) -> Iterator[None]:
    """One build at a time, whichever jobs they belong to: each may have all that builds may use."""
    if not tools.builds_lock.acquire(blocking=False):
        run.wait(otherwise)
        while not tools.builds_lock.acquire(timeout=_TURN_S):
            run.wait(otherwise)
    try:
        yield
    finally:
        tools.builds_lock.release()


def _request(context: ImagesContext, image: WantedImage, durations: Mapping[str, float]) -> BuildRequest:
    spec = image.build
    assert spec is not None  # noqa: S101 - the caller has looked
    return BuildRequest(
        service=image.service,
        context=spec.context,
        dockerfile=spec.dockerfile,
        tag=image.reference,
        args=spec.args,
        labels={**spec.labels, **_labels(context, image.service)},
        target=spec.target,
        contexts={**{name: str(folder) for name, folder in spec.folders.items()}, **image.upon},
        durations=durations,
        title=context.source.title,
        version=context.source.version,
    )


def _pull(context: ImagesContext, run: StepRun, image: WantedImage, progress: FetchProgress) -> None:
    settings = context.tools.settings
    run.log(f"Pulling {image.reference}")
    context.tools.engine.pull(
        image.reference,
        on_progress=_shown(run, image, progress),
        control=run,
        stall_s=settings.stall_s,
        ceiling_s=settings.ceiling_s,
    )


def _shown(run: StepRun, image: WantedImage, progress: FetchProgress) -> Callable[[PullProgress], None]:
    def show(pull: PullProgress) -> None:
        overall = progress.moved(image.reference, pull.fraction, pull.total_bytes)
        run.progress(overall, f"pulling {image.reference}: {pull.text}")

    return show


def _labels(context: ImagesContext, service: str) -> Mapping[str, str]:
    """Without the app: the same image serves every app of the definition."""
    return {
        BUILT_LABEL: "true",
        DEFINITION_LABEL: context.source.name,
        VERSION_LABEL: context.source.version,
        SERVICE_LABEL: service,
    }


def _record(context: ImagesContext, image: WantedImage, state: ImageState) -> None:
    now = context.tools.now()
    row = LedgerImage(
        image_id=state.id,
        reference=image.reference,
        origin=ImageOrigin.BUILT if image.build else ImageOrigin.PULLED,
        job_id=context.running.job.id,
        size_bytes=state.size_bytes,
        created_at=now,
        last_used_at=now,
    )
    with context.running.writing() as connection:
        images.record_image(connection, row)
