"""Building one image with BuildKit, through `docker buildx build` and the box's package caches."""

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

from build_cache.build_folder import build_folder
from build_cache.build_tries import BuildTries, Hearing
from build_cache.caches.addresses import await_caches
from build_cache.cgroup import BUILD_CGROUP, BuildCgroup, build_limits
from build_cache.context import BuildSource, read_source
from build_cache.disk_watch import DiskWatch
from build_cache.dockerfile import find_forbidden
from build_cache.engine_downloads import with_engine_downloads
from build_cache.failure import explain_forbidden
from build_cache.labels import BUILT_LABEL
from build_cache.report_text import report_lines
from build_cache.request import BuildRequest, BuiltImage
from build_cache.traffic import TrafficMeter, request_log_dir
from homeport.caches import PORT_OFFSETS, BuildReport
from homeport.errors import DiskFullError, EngineRefusedError, NotFoundError
from homeport.host.bridge_watch import watch_bridge
from homeport.host.engine import Engine
from homeport.host.engine_values import Bridge
from homeport.plans import Control
from homeport.settings import Settings

__all__ = ["BuildRequest", "BuiltImage", "ImageBuilder"]


class ImageBuilder:
    """Builds images on one engine, through the box's package caches, one at a time.

    Args:
        settings: where caches and engine are, and what a build may use.
        engine: the engine that `settings.docker_host` names.
        cgroup: the control group that builds run in; tests beside a real box need one of their own.
    """

    def __init__(self, settings: Settings, engine: Engine, *, cgroup: str = BUILD_CGROUP) -> None:
        self._settings = settings
        self._engine = engine
        self._cgroup = cgroup

    def build(
        self,
        request: BuildRequest,
        *,
        control: Control,
        on_progress: Callable[[float, str], None],
        log: Callable[[str], None],
    ) -> BuiltImage:
        """Builds the image; stopped by the control, the engine stops too.

        Args:
            request: what is to be built.
            control: asked at least four times a second.
            on_progress: gets how far it is, 0 to 1 and never less than before, and what runs, such as
                `3/7 RUN apt-get install …`.
            log: gets each line of the build's log, at the end those that tell what was fetched from where.

        Raises:
            BuildFailedError: an instruction failed, the base image cannot be had, there is no Dockerfile, or
                it asks for what no build may have.
            BuildOutOfMemoryError: an instruction needed more memory than a build may use.
            ContextTooLargeError: the context is larger than the setting `context_max_bytes`.
            DiskFullError: no space for it.
            EngineUnavailableError: the Docker Engine does not answer.
            ProgramMissingError: Docker's client or its buildx is not installed.
            StalledError: nothing was heard for the setting `stall_s`.
            CeilingReachedError: it took the setting `ceiling_s`.
        """
        source = read_source(
            request.service,
            request.context,
            request.dockerfile,
            limit_bytes=self._settings.context_max_bytes,
        )
        forbidden = find_forbidden(source.dockerfile, request.args, request.contexts)
        if forbidden is not None:
            raise explain_forbidden(request.service, forbidden)
        hearing = Hearing(control=control, on_progress=on_progress, log=log)
        with (
            _full_disk_told(request.service),
            build_folder(self._settings.builds_dir) as folder,
        ):
            return self._build(request, source, hearing, folder)

    def _build(
        self, request: BuildRequest, source: BuildSource, hearing: Hearing, folder: Path
    ) -> BuiltImage:
        bridge = self._find_bridge()
        await_caches(self._settings, bridge.gateway, control=hearing.control, log=hearing.log)
        meter = TrafficMeter(request_log_dir(self._settings))
        ports = [self._settings.cache_port + number for number in PORT_OFFSETS.values()]
        watch = watch_bridge(self._engine, bridge, ports)
        meter.begin()
        with BuildCgroup(build_limits(self._settings), name=self._cgroup_name) as cgroup:
            tries = BuildTries(
                settings=self._settings,
                engine=self._engine,
                request=request,
                source=source,
                hearing=hearing,
                folder=folder,
                cgroup=cgroup,
                disks=self._disks,
                gateway=bridge.gateway,
                meter=meter,
            )
            try:
                with watch:
                    image_id = tries.until_built()
            finally:  # one that failed or was stopped has fetched things, too
                report = BuildReport(
                    traffic=meter.finish(),
                    direct=with_engine_downloads(watch.seen(), tries.instructions),
                    left_alone=tries.left_alone,
                    warnings=tuple(tries.warnings),
                    durations=tries.durations,
                )
                for line in report_lines(report, line_mbit_s=self._settings.line_mbit_s):
                    hearing.log(line)
        self._remove_dangling()
        hearing.on_progress(1.0, "")
        return BuiltImage(image_id=image_id, tag=request.tag, report=report)

    @property
    def _cgroup_name(self) -> str:
        """None on an engine of another machine, whose control groups are its own."""
        return self._cgroup if self._settings.docker_host.startswith("unix:") else ""

    @property
    def _disks(self) -> DiskWatch:
        places = {self._settings.state_dir} | ({self._engine.root_dir()} if self._cgroup_name else set())
        return DiskWatch(places, self._settings.spare_bytes)

    def _find_bridge(self) -> Bridge:
        try:
            return self._engine.bridge()
        except (EngineRefusedError, NotFoundError):  # an engine can be told to have none
            return Bridge(name="", gateway="")

    def _remove_dangling(self) -> None:
        """Removes images of ours that have lost their last name, to this build or to one that was killed."""
        for image in self._engine.images({BUILT_LABEL: "true"}):
            if not image.tags:
                with contextlib.suppress(EngineRefusedError):  # a container uses it
                    self._engine.remove_image(image.id)


@contextlib.contextmanager
def _full_disk_told(service: str) -> Iterator[None]:
    """Translates what a full disk raises when files of ours are written."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(
            f"The image of service {service!r} could not be built: the disk is full.",
            why=f"{error.filename} could not be written.",
            remedy="Free some space: remove apps, images or files that are not needed.",
            service=service,
        ) from error
