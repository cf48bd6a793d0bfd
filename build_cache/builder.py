"""Building one image with BuildKit, through `docker buildx build`."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from build_cache.build_progress import BuildModel
from build_cache.context import find_dockerfile
from build_cache.failure import BuildOutput, explain_failure
from build_cache.rawjson import RecordReader
from homeport.caches import BuildReport
from homeport.host.engine import Engine
from homeport.host.files import read_bounded
from homeport.host.programs import run_program
from homeport.plans import Control
from homeport.settings import Settings, program_environment


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What is to be built.

    `dockerfile` is a path inside `context`; `tag` the whole name, as `content_tag` makes it; `target` a
    stage, the last one where it is empty; `contexts` gives further images by the names
    that the Dockerfile has for them; `durations` is what `BuildReport.durations` said the last time.
    """

    service: str
    context: Path
    dockerfile: str
    tag: str
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    contexts: Mapping[str, str] = field(default_factory=dict)
    durations: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """An image that was built, its name, and what the build says of itself."""

    image_id: str
    tag: str
    report: BuildReport = field(default_factory=BuildReport)


class ImageBuilder:
    """Builds images on one engine, through the box's package caches."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine

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
            log: gets each line of the build's log.

        Raises:
            BuildFailedError: an instruction failed, the base image cannot be had, or there is no Dockerfile.
            DiskFullError: no space for it.
            EngineUnavailableError: the Docker Engine does not answer.
            ProgramMissingError: Docker's client or its buildx is not installed.
            StalledError: nothing was heard for the setting `stall_s`.
            CeilingReachedError: it took the setting `ceiling_s`.
        """
        dockerfile = find_dockerfile(request.service, request.context, request.dockerfile)
        follower = _Follower(on_progress, log)
        # a configuration folder of our own: what an owner configured for their client plays no part here
        with tempfile.TemporaryDirectory(prefix="homeport-build-") as folder:
            id_file = Path(folder) / "image-id"
            ended = run_program(
                _arguments(request, dockerfile, id_file),
                environment=_environment(self._settings.docker_host, folder),
                control=control,
                stall_s=self._settings.stall_s,
                ceiling_s=self._settings.ceiling_s,
                on_output=follower.take,
            )
            output = follower.finish(ended.exit_code)
            if ended.exit_code != 0:
                raise explain_failure(request.service, output)
            image_id = read_bounded(id_file, 1000).decode().strip()
        on_progress(1.0, "")
        return BuiltImage(image_id=image_id, tag=request.tag, report=BuildReport())


class _Follower:
    """Turns buildx's output into progress and log lines as it comes."""

    def __init__(self, on_progress: Callable[[float, str], None], log: Callable[[str], None]) -> None:
        self._reader = RecordReader()
        self._model = BuildModel()
        self._on_progress = on_progress
        self._log = log
        self._shown: tuple[float, str] = (0.0, "")

    def take(self, piece: bytes) -> None:
        for record in self._reader.feed(piece):
            for line in self._model.take(record):
                self._log(line)
        now = (self._model.fraction, self._model.detail or self._shown[1])
        if now != self._shown:
            self._shown = now
            self._on_progress(*now)

    def finish(self, exit_code: int) -> BuildOutput:
        self._reader.finish()
        for line in self._reader.text:
            self._log(line)
        return BuildOutput(
            model=self._model,
            text=tuple(self._reader.text),
            quoted=tuple(self._reader.quoted),
            exit_code=exit_code,
        )


def _arguments(request: BuildRequest, dockerfile: Path, id_file: Path) -> list[str]:
    argv = ["docker", "buildx", "build", "--builder=default", "--progress=rawjson", "--pull=false"]
    # attestations would make an index of what is meant to be one plain image
    argv += ["--provenance=false", "--sbom=false"]
    argv += [f"--file={dockerfile}", f"--tag={request.tag}", f"--iidfile={id_file}"]
    argv += [f"--build-arg={name}={value}" for name, value in sorted(request.args.items())]
    argv += [f"--label={name}={value}" for name, value in sorted(request.labels.items())]
    argv += [
        f"--build-context={name}=docker-image://{image}" for name, image in sorted(request.contexts.items())
    ]
    if request.target:
        argv.append(f"--target={request.target}")
    return [*argv, "--", str(request.context.resolve())]


def _environment(docker_host: str, folder: str) -> dict[str, str]:
    return program_environment(
        HOME=folder,
        DOCKER_HOST=docker_host,
        DOCKER_CONFIG=folder,
        DOCKER_CLI_HINTS="false",
    )
