"""The step that gets a project's images: built on the box or pulled, and written into the ledger."""

from collections.abc import Callable, Mapping
from typing import Any

from build_cache.builder import BuildRequest
from compose.values import DEFINITION_LABEL, SERVICE_LABEL, VERSION_LABEL
from homeport.errors import EngineRefusedError
from homeport.host.engine import ImageState, PullProgress
from homeport.models import ImageOrigin, LedgerImage
from homeport.plans import StepRun
from homeport.state import apps, images
from workers.operations.install_context import InstallContext, WantedImage

BUILT_LABEL = "homeport.built"
"""On every image that was built here: it is ours whatever becomes of the ledger."""


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


def fetch_images(context: InstallContext, run: StepRun) -> None:
    """Builds or pulls what is not there, and records each service's image with the app."""
    wanted = context.wanted_images
    progress = FetchProgress([image.reference for image in wanted])
    found = _noted(context)
    volumes: dict[str, list[str]] = {}
    for image in wanted:
        run.check()
        state = _fetch_one(context, run, image, progress, found)
        volumes[image.service] = list(state.volumes)
        detail = f"{image.reference} is there"
        run.progress(progress.moved(image.reference, 1.0, state.size_bytes), detail)
    run.record.update(images=found, volumes=volumes)


def _noted(context: InstallContext) -> dict[str, dict[str, Any]]:
    """What an earlier run of the step had noted: it stays needed while this one looks again."""
    with context.tools.database.read() as connection:
        app = apps.find_app(connection, context.facts.identifier)
    return {service: dict(image) for service, image in app.images.items()} if app is not None else {}


def _fetch_one(
    context: InstallContext,
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


def _note(context: InstallContext, image: WantedImage, found: dict[str, dict[str, Any]]) -> ImageState | None:
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
            with tools.database.write() as connection:
                apps.update_app(connection, context.facts.identifier, images=found, updated_at=tools.now())
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


def _build(context: InstallContext, run: StepRun, image: WantedImage, progress: FetchProgress) -> None:
    assert image.build is not None  # noqa: S101 - the caller has looked
    request = BuildRequest(
        service=image.service,
        context=image.build.context,
        dockerfile=image.build.dockerfile,
        tag=image.reference,
        args=image.build.args,
        labels=_labels(context, image.service),
    )
    run.log(f"Building {image.reference}")
    context.tools.build_image(
        request,
        control=run,
        on_progress=lambda fraction, detail: run.progress(
            progress.moved(image.reference, fraction), f"building {image.service}: {detail}"
        ),
        log=run.log,
    )


def _pull(context: InstallContext, run: StepRun, image: WantedImage, progress: FetchProgress) -> None:
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


def _labels(context: InstallContext, service: str) -> Mapping[str, str]:
    """Without the app: the same image serves every app of the definition."""
    definition = context.loaded.definition
    return {
        BUILT_LABEL: "true",
        DEFINITION_LABEL: definition.name,
        VERSION_LABEL: definition.version,
        SERVICE_LABEL: service,
    }


def _record(context: InstallContext, image: WantedImage, state: ImageState) -> None:
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
    with context.tools.database.write() as connection:
        images.record_image(connection, row)
