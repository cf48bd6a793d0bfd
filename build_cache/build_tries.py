"""The tries of one build: written out, run, judged, and tried again in another way where that may help."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from build_cache.another_try import Tried, Way, direct_warning, lost_caches, next_way
from build_cache.build_progress import BuildModel, Vertex
from build_cache.buildx import BuildFollower, BuildxCall, buildx_environment
from build_cache.caches.addresses import find_caches
from build_cache.caches.store import forget_served
from build_cache.cgroup import BuildCgroup
from build_cache.context import BuildSource
from build_cache.disk_watch import DiskWatch
from build_cache.dockerfile import (
    SCRATCH_CONTEXT,
    SCRATCH_FOLDER,
    Rewritten,
    render_configurations,
    rewrite_dockerfile,
)
from build_cache.failure import BuildOutput, explain_failure, explain_full_disk, explain_shortage
from build_cache.labels import final_base, image_labels
from build_cache.request import BuildRequest
from build_cache.traffic import TrafficMeter
from homeport.caches import CacheAddresses, Ecosystem
from homeport.errors import BuildOutOfMemoryError, DiskFullError
from homeport.host.engine import Engine
from homeport.host.files import read_bounded
from homeport.host.programs import run_program
from homeport.plans import Control
from homeport.settings import Settings

_ID_FILE: Final = "image-id"


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """Who may stop a build, and who is told of it."""

    control: Control
    on_progress: Callable[[float, str], None]
    log: Callable[[str], None]


@dataclass(frozen=True)
class _Watched:
    """A control that does something else besides, whenever it is asked."""

    control: Control
    look: Callable[[], None]

    def check(self) -> None:
        self.look()
        self.control.check()


@dataclass(kw_only=True)
class BuildTries:
    """The tries of one build, and what is to be told of them: `left_alone`, `warnings`, `durations`.

    `folder` is an empty one for what buildx reads and writes; `gateway` where the caches would be; `meter`
    has begun with the build.
    """

    settings: Settings
    engine: Engine
    request: BuildRequest
    source: BuildSource
    hearing: Hearing
    folder: Path
    cgroup: BuildCgroup
    disks: DiskWatch
    gateway: str
    meter: TrafficMeter
    left_alone: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)
    durations: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.durations = dict(self.request.durations)
        self._ends_at = time.monotonic() + self.settings.ceiling_s
        self._shown = 0.0
        self._output = BuildOutput(model=BuildModel(), text=(), quoted=(), exit_code=0)
        self._unread: BuildOutput | None = None
        self._suspects: list[Vertex] = []

    def until_built(self) -> str:
        """Tries until the image is built, or nothing is left to be done differently; the image's id.

        Raises:
            HomeportError: see `ImageBuilder.build`.
        """
        following: tuple[Way, str] | None = (Way(), "")
        while following is not None:
            way, reason = following
            self._warn(reason)
            self._unread = self._output if way.keep_syntax else None
            began_at = time.time()
            tried = self._try(way)
            following = None if self.cgroup.ran_out else next_way(tried)
            if following is not None and following[0].is_afresh_after(way):
                self.engine.forget_build_steps(began_at)
        if self.cgroup.ran_out:
            raise self._shortage(began_at)
        if self._output.exit_code != 0:
            again = tried.wrong if way.after_wrong else ()
            raise explain_failure(
                self.request.service, self._output, unread=self._unread, refused_again=again
            )
        return read_bounded(self.folder / _ID_FILE, 1000).decode().strip()

    def _shortage(self, began_at: float) -> BuildOutOfMemoryError:
        """The error for want of memory; what it may have spoilt is not kept."""
        if self._output.exit_code == 0:
            self.engine.remove_image(self.request.tag)
        if self._output.exit_code == 0 or len(self._suspects) != 1:
            self.engine.forget_build_steps(began_at)
        return explain_shortage(
            self.request.service,
            self._output,
            self.source.dockerfile,
            limit_bytes=self.cgroup.limits.memory_bytes,
            suspects=self._suspects,
        )

    @property
    def instructions(self) -> list[str]:
        """Those of the last try, with their variables replaced, each once."""
        steps = {step.name: step for step in self._output.model.vertexes.values()}
        return [step.instruction for step in steps.values()]

    def _try(self, way: Way) -> Tried:
        addresses = find_caches(self.settings, self.gateway)
        rewritten = rewrite_dockerfile(
            self.source.dockerfile,
            context_files=self.source.files,
            args=self.request.args,
            without=way.without,
            keep_syntax=way.keep_syntax,
        )
        self.left_alone = rewritten.left_alone
        self._warn(
            direct_warning(addresses, rewritten.secrets.values()) if self.settings.package_caches else ""
        )
        follower = BuildFollower(self._show, self.hearing.log, self.durations)
        exit_code = self._run(self._call(way, rewritten, addresses), follower)
        self.cgroup.look()
        self._output = output = follower.finish(exit_code)
        self.durations |= output.model.durations
        self._warn_unlimited(output)
        return Tried(
            way=way,
            output=output,
            in_the_way=frozenset(follower.in_the_way),
            has_syntax_line=rewritten.has_syntax_line,
            lost=self._lost(addresses, output),
            wrong=self._forget_wrong(follower.refused, output),
        )

    def _run(self, call: BuildxCall, follower: BuildFollower) -> int:
        try:
            return run_program(
                call.argv,
                environment=buildx_environment(self.settings.docker_host, self.folder),
                control=_Watched(self.hearing.control, lambda: self._look_after(follower.model)),
                stall_s=self.settings.stall_s,
                ceiling_s=max(self._ends_at - time.monotonic(), 0),
                on_output=follower.take,
            ).exit_code
        except DiskFullError as full:
            service, dockerfile = self.request.service, self.source.dockerfile
            raise explain_full_disk(service, follower.model, dockerfile, full) from full

    def _look_after(self, model: BuildModel) -> None:
        self.disks.look()
        self.cgroup.look()
        if self.cgroup.ran_out and not self._suspects:
            self._suspects = model.running

    def _call(self, way: Way, rewritten: Rewritten, addresses: CacheAddresses) -> BuildxCall:
        """Writes the files that buildx reads."""
        dockerfile = self.folder / "Dockerfile"
        dockerfile.write_bytes(rewritten.text)
        if self.source.own_ignore is not None:  # it counts when it lies beside the Dockerfile
            dockerfile.with_name("Dockerfile.dockerignore").write_bytes(self.source.own_ignore)
        contents = render_configurations(addresses)
        secrets = {name: self.folder / name for name in rewritten.secrets}
        for name, file in secrets.items():
            file.write_text(contents[name], encoding="utf-8")
        request = self.request
        return BuildxCall(
            context=request.context,
            dockerfile=dockerfile,
            id_file=self.folder / _ID_FILE,
            tag=request.tag,
            args=request.args,
            labels=image_labels(
                self.source.dockerfile,
                request.labels,
                title=request.title,
                version=request.version,
                base=final_base(self.source.dockerfile, request.args, request.target),
            ),
            secrets=secrets,
            contexts=self._named_contexts(),
            target=request.target,
            cgroup_parent=self.cgroup.parent,
        )

    def _named_contexts(self) -> dict[str, str]:
        scratch = self.folder / SCRATCH_CONTEXT
        place = scratch / SCRATCH_FOLDER
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o1777)
        given = {
            name: wanted if wanted.startswith("/") else f"docker-image://{wanted}"
            for name, wanted in self.request.contexts.items()
        }
        return given | {SCRATCH_CONTEXT: str(scratch)}

    def _lost(self, before: CacheAddresses, output: BuildOutput) -> Mapping[Ecosystem, str]:
        if output.exit_code == 0 or output.model.failing is None or not before.urls:
            return {}
        after = find_caches(self.settings, self.gateway)
        return lost_caches(before, after, tuple(output.model.failing.last_lines))

    def _forget_wrong(self, refused: Collection[Ecosystem], output: BuildOutput) -> Collection[Ecosystem]:
        """Has the caches forget what they served to this build where a client refused it."""
        if output.exit_code == 0 or not refused:
            return ()
        return forget_served(self.settings, self.meter.lines(), ecosystems=refused).keys()

    def _show(self, fraction: float, detail: str) -> None:
        self._shown = max(self._shown, fraction)
        self.hearing.on_progress(self._shown, detail)

    def _warn(self, sentence: str) -> None:
        if sentence and sentence not in self.warnings:
            self.warnings.append(sentence)
            self.hearing.log(f"warning: {sentence}")

    def _warn_unlimited(self, output: BuildOutput) -> None:
        ran = any(
            step.instruction.startswith("RUN") and step.spent_s for step in output.model.vertexes.values()
        )
        if self.cgroup.why_not:
            self._warn(f"The build's memory and processors were not limited: {self.cgroup.why_not}.")
        elif ran and not self.cgroup.was_used:
            self._warn(
                "The build's memory and processors were not limited: the engine has other control groups."
            )
