"""The builds of the benchmark `build_cache`: one Dockerfile per ecosystem, from three sources of packages."""

import gzip
import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from build_cache.builder import BuildRequest, ImageBuilder
from homeport.caches import Ecosystem
from homeport.host.engine import Engine
from tests.harness.caches import CachesBox
from tests.harness.engine import EngineBox
from tests.harness.saved_image import save_images
from tests.harness.tools import DIRECT, TOOLS, build_plain
from tests.harness.upstream import Upstream
from tests.harness.upstream.packages import closure

LOCAL = "lantern/local:1"
"""The tools' image with all packages in `/packages`, and apt's source there."""

_TAG = "lantern-bench/app:1"
_NUMBERS = itertools.count(1)

# Each line begins with a word of its own, so that no layer of an earlier build is taken.
_FETCH = {
    Ecosystem.APT: ": {word}; apt-get update && apt-get install -y {app}",
    Ecosystem.PIP: ": {word}; pip install --no-cache-dir {app}",
    Ecosystem.NPM: ": {word}; mkdir /app && cd /app && npm install --no-audit --no-fund {npm}",
    Ecosystem.GEM: ": {word}; gem install --no-document {app}",
}
_FETCH_LOCAL = {
    Ecosystem.APT: _FETCH[Ecosystem.APT],
    Ecosystem.PIP: ": {word}; pip install --no-cache-dir --no-index --find-links=/packages/pip {app}",
    Ecosystem.NPM: ": {word}; mkdir /app && cd /app && npm install --no-audit --no-fund --offline {tarballs}",
    Ecosystem.GEM: ": {word}; cd /packages/gem && gem install --no-document --local {app}",
}


class Never:
    """Nobody cancels."""

    def check(self) -> None:
        """Does nothing."""


class BuildBench:
    """Builds an app of an ecosystem: through the caches, or by plain `docker buildx build`."""

    def __init__(self, engine: EngineBox, upstream: Upstream, caches: CachesBox) -> None:
        self.engine = engine
        self.upstream = upstream
        self.caches = caches

    def build(self, ecosystem: Ecosystem, app: str, *, builder: str = "bench") -> float:
        """Seconds that a build through the caches takes, by Homeport's own builder."""
        images = ImageBuilder(
            self.caches.settings, Engine(self.engine.docker_host), cgroup=f"homeport-{builder}"
        )
        with tempfile.TemporaryDirectory() as folder:
            self._write(Path(folder), _FETCH[ecosystem], TOOLS, app)
            request = BuildRequest(
                service=app, context=Path(folder), dockerfile="Dockerfile", tag=_tag_of(builder)
            )
            began = time.perf_counter()
            built = images.build(
                request, control=Never(), on_progress=lambda share, text: None, log=lambda line: None
            )
            took = time.perf_counter() - began
        assert not built.report.warnings, built.report.warnings
        return took

    def build_plain(self, ecosystem: Ecosystem, app: str, *, base: str = DIRECT[TOOLS]) -> float:
        """Seconds that a build without Homeport takes: from upstream, or with `LOCAL` from local disk."""
        line = (_FETCH_LOCAL if base == LOCAL else _FETCH)[ecosystem]
        with tempfile.TemporaryDirectory() as folder:
            self._write(Path(folder), line, base, app)
            began = time.perf_counter()
            build_plain(self.engine.docker_host, Path(folder), "lantern-bench/plain:1")
            return time.perf_counter() - began

    @contextmanager
    def slow_line(self, mbit_s: float) -> Iterator[None]:
        """Upstream's line has this speed meanwhile."""
        self.upstream.shape(mbit_s)
        try:
            yield
        finally:
            self.upstream.shape(None)

    def compressed_sizes(self) -> tuple[int, int]:
        """The last image's size in gzip as a registry would have it, and the part above its base."""
        with tempfile.TemporaryDirectory(dir=self.engine.root) as folder:
            image, base = save_images(
                self.engine.docker_host, [_tag_of("bench"), TOOLS], Path(folder) / "saved.tar"
            )
            sizes = [len(gzip.compress(layer, compresslevel=6)) for layer in image.read_layers()]
            return sum(sizes), sum(sizes[len(base.layers) :])

    def _write(self, context: Path, line: str, base: str, app: str) -> None:
        wanted = closure(self.upstream.packages, app)
        words = {
            "word": f"{time.time_ns()}-{next(_NUMBERS)}",
            "app": app,
            "npm": app,
            "tarballs": " ".join(f"/packages/npm/{package.name}-1.2.0.tgz" for package in wanted),
        }
        (context / "Dockerfile").write_text(f"FROM {base}\nRUN {line.format(**words)}\n")


def make_local_image(docker_host: str, upstream: Upstream) -> None:
    """Builds `LOCAL`: what upstream has, as files of the base image, so that no context has to be sent."""
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        for ecosystem in Ecosystem:
            for path, content in upstream.site(ecosystem).items():
                # apt wants its repository as it is, the others a folder of packages
                if ecosystem is Ecosystem.APT or path.endswith((".whl", ".tgz", ".gem")):
                    name = path.lstrip("/") if ecosystem is Ecosystem.APT else Path(path).name
                    file = context / "packages" / ecosystem / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content.body)
        source = upstream.apt_source.replace(upstream.url(Ecosystem.APT), "file:/packages/apt")
        (context / "sources.list").write_text(source)
        (context / "Dockerfile").write_text(
            f"FROM {TOOLS}\nCOPY packages /packages\nCOPY sources.list /etc/apt/sources.list\n"
        )
        build_plain(docker_host, context, LOCAL)


def _tag_of(builder: str) -> str:
    return _TAG if builder == "bench" else f"lantern-bench/{builder}:1"
