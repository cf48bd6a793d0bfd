"""Images built through the package caches hold no sign of them, and their layers know no cache's address.

Each Dockerfile of tests/data/dockerfiles is built as anybody would, and by Homeport; then the images are
compared as `docker save` gives them. A few of them in every run, all with `--all-shapes`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from build_cache.builder import BuildRequest, BuiltImage, ImageBuilder
from homeport.caches import Ecosystem
from homeport.host.engine import Engine
from homeport.settings import Settings
from tests.harness.caches import CachesBox, free_cache_port
from tests.harness.engine import EngineBox
from tests.harness.saved_image import Entry, SavedImage, save_images
from tests.harness.shapes import prepare_shape, shape_names
from tests.harness.tools import DIRECT, build_plain, make_tools
from tests.harness.upstream import Upstream

FEW = (
    "all-instructions",
    "bundler",
    "here-documents",
    "npm-install",
    "pip-of-a-user",
    "uv-system",
)
"""All package managers and the harder forms; most leave their clients' own caches in the image."""

WRITES_OVER_OURS = {"pip-script-writes-configuration"}
"""They are built again without a mount at every build, so their failing RUN is run each time."""

LEFT_ALONE = {"gem-of-a-user", "pnpm-add", "uv-project", "yarn-add"}
"""Their clients would write a cache's address into the image, so they are given none and go direct: here to
the upstream that the base image names for them.
"""

CLIENT_CACHES = re.compile(
    r"(^|/)(\.npm|\.cache|\.yarn|\.local/share/(gem/specs|pnpm)|\.gem/specs|\.bundle/cache|tmp)(/|$)"
    r"|(^|/)(\.local(/share(/gem)?)?|\.gem|\.bundle)$|/__pycache__/|(^|/)node_modules/\.|^var/(log|cache/ldconfig)/"
)
"""Where clients keep what they fetched under names of their own making, such as the hash of an address.

Their names are not compared, as they differ from one plain build to the next; they are searched as all is.
"""

OUR_LABELS = re.compile(r"homeport\.|org\.opencontainers\.image\.")


class Never:
    """Nobody cancels."""

    def check(self) -> None:
        """Does nothing."""


@dataclass(kw_only=True)
class TraceBench:
    """What the builds of this file share: one upstream, and two sets of caches on different ports."""

    engine: EngineBox
    upstream: Upstream
    caches: CachesBox
    others: CachesBox
    folder: Path
    lines: list[str] = field(default_factory=list)

    def build(self, context: Path, tag: str, settings: Settings, bases: Mapping[str, str]) -> BuiltImage:
        self.lines.clear()
        builder = ImageBuilder(settings, Engine(self.engine.docker_host), cgroup="homeport-trace")
        return builder.build(
            BuildRequest(service="shape", context=context, dockerfile="Dockerfile", tag=tag, contexts=bases),
            control=Never(),
            on_progress=lambda fraction, detail: None,
            log=self.lines.append,
        )

    def build_plain(self, context: Path, tag: str) -> None:
        """Without the line that would have the engine fetch a frontend from a registry of images."""
        dockerfile = context / "Dockerfile"
        text = dockerfile.read_bytes()
        dockerfile.write_bytes(re.sub(rb"^# syntax=", b"# xyntax=", text))
        build_plain(
            self.engine.docker_host,
            context,
            tag,
            contexts={name: f"docker-image://{direct}" for name, direct in DIRECT.items()},
        )
        dockerfile.write_bytes(text)

    def save(self, *tags: str) -> list[SavedImage]:
        return save_images(self.engine.docker_host, tags, self.folder / "saved.tar")

    def bases(self) -> list[tuple[list[str], int]]:
        """The layers of every base image, and how many lines its history has."""
        found = []
        for image in self.engine.client.images.list():
            if any(tag.startswith(("lantern/", "debian:")) for tag in image.tags):
                found.append((image.attrs["RootFS"]["Layers"], len(image.history())))
        return found


@pytest.fixture(scope="module")
def bench(engine_box: EngineBox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TraceBench]:
    root = engine_box.root / "trace"
    root.mkdir()
    gateway = Engine(engine_box.docker_host).bridge().gateway
    with Upstream(root / "upstream", engine_box.namespace.address) as upstream:
        make_tools(engine_box.docker_host, upstream)
        given = dict(upstream.settings)
        with (
            CachesBox(
                root / "one", engine_box.docker_host, gateway=gateway, port=free_cache_port(), settings=given
            ) as one,
            CachesBox(
                root / "two", engine_box.docker_host, gateway=gateway, port=free_cache_port(), settings=given
            ) as two,
        ):
            yield TraceBench(
                engine=engine_box,
                upstream=upstream,
                caches=one,
                others=two,
                folder=tmp_path_factory.mktemp("trace"),
            )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The shapes of this run."""
    if "shape" in metafunc.fixturenames:
        metafunc.parametrize("shape", shape_names() if metafunc.config.getoption("--all-shapes") else FEW)


def test_there_are_dockerfiles_of_at_least_thirty_shapes() -> None:
    assert len(shape_names()) >= 30
    assert set(FEW) | WRITES_OVER_OURS | LEFT_ALONE <= set(shape_names())


def test_an_image_built_through_caches_is_as_one_built_without(
    bench: TraceBench, shape: str, tmp_path: Path
) -> None:
    plain_tag, tag = f"lantern-plain/{shape}:1", f"lantern-ours/{shape}:1"
    context = prepare_shape(shape, tmp_path, bench.upstream)
    bench.build_plain(context, plain_tag)

    bases = DIRECT if shape in LEFT_ALONE else {}
    built = bench.build(context, tag, bench.caches.settings, bases)
    again = bench.build(context, tag, bench.others.settings, bases)

    plain, ours = (Seen.of(image, bench.bases()) for image in bench.save(plain_tag, tag))
    assert built.report.left_alone or shape not in LEFT_ALONE
    assert ours.traces(bench.caches) == []
    assert ours.history == plain.history
    assert ours.config == plain.config
    assert ours.beyond(plain) == []
    assert plain.beyond(ours) == []
    assert ours.changed(plain) == {}
    if shape not in WRITES_OVER_OURS:
        assert again.image_id == built.image_id, bench.lines
    for used in (plain_tag, tag):
        bench.engine.remove_image(used)


def test_a_trace_is_seen_where_there_is_one(bench: TraceBench, tmp_path: Path) -> None:
    cache = f"{bench.caches.gateway}:{bench.caches.port(Ecosystem.NPM)}"
    (tmp_path / "Dockerfile").write_text(
        f"FROM lantern/slim:1\nRUN echo http://{cache}/ | gzip > /note.gz && mkdir /homeport-left\n"
    )
    build_plain(bench.engine.docker_host, tmp_path, "lantern-plain/traced:1")

    (image,) = bench.save("lantern-plain/traced:1")

    traces = Seen.of(image, bench.bases()).traces(bench.caches)
    assert any(trace.startswith("note.gz") for trace in traces)
    assert any(trace.startswith("homeport-left") for trace in traces)
    assert any(trace.startswith("configuration") for trace in traces)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What stands in an image above its base."""

    image: SavedImage
    above: int
    history: list[tuple[Any, Any]]
    config: Mapping[str, Any]
    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, image: SavedImage, bases: list[tuple[list[str], int]]) -> "Seen":
        """Reads an image, whose base is the one with the most layers that it begins with."""
        fitting = [base for base in bases if image.diff_ids[: len(base[0])] == base[0]]
        layers, lines = max(fitting, key=lambda base: len(base[0]), default=([], 0))
        config = dict(image.config["config"])
        labels = config.pop("Labels", None) or {}
        return cls(
            image=image,
            above=len(layers),
            history=[
                (line.get("created_by"), line.get("empty_layer")) for line in image.config["history"][lines:]
            ],
            config={
                **{name: value for name, value in config.items() if value},
                "Labels": {name: value for name, value in labels.items() if not OUR_LABELS.match(name)},
            },
            entries={
                path: entry
                for path, entry in image.entries(first=len(layers)).items()
                if not CLIENT_CACHES.search(path)
            },
        )

    def beyond(self, other: "Seen") -> list[str]:
        """What is here and not there, but for folders that are as the base has them.

        The engine lists a folder of the base again in which it has made and removed a mount point, as it does
        with `/etc` at every RUN.
        """
        found = set(self.entries) - set(other.entries)
        base = self.image.entries(last=self.above) if found else {}
        return sorted(path for path in found if not _is_unchanged_folder(self.entries[path], base.get(path)))

    def changed(self, other: "Seen") -> dict[str, tuple[Entry, Entry]]:
        """What is both here and there, but of another kind, mode or owner."""
        both = self.entries.keys() & other.entries.keys()
        return {
            path: (self.entries[path], other.entries[path])
            for path in both
            if self.entries[path] != other.entries[path]
        }

    def traces(self, caches: CachesBox) -> list[str]:
        """Wherever a cache's address, or a name of ours, stands in the layers or the configuration."""
        address = re.escape(caches.gateway)
        pattern = re.compile(rf"{address}|homeport|\bhp-(apt|pip|uv|npm|gem|bundler)".encode())
        labels = dict(self.image.config["config"].get("Labels") or {})
        kept = {name: value for name, value in labels.items() if not OUR_LABELS.match(name)}
        config = {**self.image.config, "config": {**self.image.config["config"], "Labels": kept}}
        found = [f"configuration: {match}" for match in pattern.findall(str(config).encode())]
        return found + self.image.places_of(pattern, above=self.above)


def _is_unchanged_folder(entry: Entry, of_base: Entry | None) -> bool:
    return entry.is_folder and entry == of_base
