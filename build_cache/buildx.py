"""One run of `docker buildx build`: its arguments, and what its output tells while it comes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from build_cache.another_try import clients_in_the_way, wrong_file
from build_cache.build_progress import BuildModel
from build_cache.dockerfile import Client, strip_mounts
from build_cache.failure import BuildOutput
from build_cache.rawjson import RecordReader
from homeport.caches import Ecosystem
from homeport.settings import program_environment


@dataclass(frozen=True, kw_only=True)
class BuildxCall:
    """What buildx is told.

    What `RUN --mount=type=cache` keeps belongs to the tag's name: what one app's build leaves there, another
    one's would take for its own.

    `secrets` gives the file of each secret's content by its id, `contexts` a folder or `docker-image://…` by
    its name.
    """

    context: Path
    dockerfile: Path
    id_file: Path
    tag: str
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    cgroup_parent: str = ""

    @property
    def argv(self) -> list[str]:
        """The command line."""
        argv = ["docker", "buildx", "build", "--builder=default", "--progress=rawjson", "--pull=false"]
        # attestations would make an index of what is meant to be one plain image
        argv += ["--provenance=false", "--sbom=false"]
        argv += [f"--file={self.dockerfile}", f"--tag={self.tag}", f"--iidfile={self.id_file}"]
        argv += [f"--build-arg={name}={value}" for name, value in sorted(self.args.items())]
        # the last one counts
        argv.append(f"--build-arg=BUILDKIT_CACHE_MOUNT_NS={self.tag.rpartition(':')[0]}")
        argv += [f"--label={name}={value}" for name, value in sorted(self.labels.items())]
        argv += [f"--secret=id={name},src={file}" for name, file in sorted(self.secrets.items())]
        argv += [f"--build-context={name}={place}" for name, place in sorted(self.contexts.items())]
        argv += [f"--target={self.target}"] if self.target else []
        argv += [f"--cgroup-parent={self.cgroup_parent}"] if self.cgroup_parent else []
        return [*argv, "--", str(self.context.resolve())]


def buildx_environment(docker_host: str, folder: Path) -> dict[str, str]:
    """Buildx's environment, with a configuration folder of our own.

    What an owner configured for a client of theirs plays no part here.
    """
    return program_environment(
        HOME=str(folder), DOCKER_HOST=docker_host, DOCKER_CONFIG=str(folder), DOCKER_CLI_HINTS="false"
    )


class BuildFollower:
    """Turns buildx's output into progress and log lines as it comes, without a trace of our mounts."""

    def __init__(
        self,
        on_progress: Callable[[float, str], None],
        log: Callable[[str], None],
        durations: Mapping[str, float],
    ) -> None:
        self.in_the_way: set[Client] = set()
        """The clients whose file of ours an instruction wanted to write over."""
        self.refused: set[Ecosystem] = set()
        """The ecosystems whose clients refused a file."""
        self._reader = RecordReader()
        self.model = BuildModel(durations, clean=strip_mounts)
        self._on_progress = on_progress
        self._log = log
        self._shown: tuple[float, str] = (0.0, "")

    def take(self, piece: bytes) -> None:
        """Takes the next bytes of output."""
        for record in self._reader.feed(piece):
            for line in self.model.take(record):
                self.in_the_way.update(clients_in_the_way(line))
                if ecosystem := wrong_file(line):
                    self.refused.add(ecosystem)
                self._log(line)
        now = (self.model.fraction, self.model.detail or self._shown[1])
        if now != self._shown:
            self._shown = now
            self._on_progress(*now)

    def finish(self, exit_code: int) -> BuildOutput:
        """What is left when buildx has ended."""
        self._reader.finish()
        text = tuple(strip_mounts(line) for line in self._reader.text)
        for line in text:
            self._log(line)
        return BuildOutput(
            model=self.model,
            text=text,
            quoted=tuple(strip_mounts(line) for line in self._reader.quoted),
            exit_code=exit_code,
        )
