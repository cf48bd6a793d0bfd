"""What the package caches save, and what they cost: builds through them, without them, and from local disk.

All packages come from an upstream of our own that counts what it sends, over HTTP; it has an app of about
80 MB of packages for each ecosystem, and a second app that shares nearly all of them. What is compared is
built in turn and in one run.
"""

import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.build_cache_shapes import LOCAL, BuildBench, make_local_image
from benchmarks.figures import Figure, median, publish
from homeport.caches import Ecosystem
from homeport.errors import HomeportError
from homeport.host.engine import Engine
from tests.harness.caches import CachesBox, free_cache_port
from tests.harness.engine import EngineBox
from tests.harness.private import private_engine
from tests.harness.tools import TOOLS, make_tools
from tests.harness.upstream import Upstream
from tests.harness.upstream.packages import APP_ONE, APP_TWO, MIB, package_set

AT_ONCE = 10
PAIRS = 5
SLOW_PAIRS = 3
LINE_MBIT_S = 50
LARGEST_BYTES = 48 * MIB
PARTS = 30
MEMORY_AIM_MB = 100.0


def main() -> None:
    """Measures and prints the figures."""
    with private_engine() as engine:
        packages = package_set(large_bytes=LARGEST_BYTES, parts=PARTS)
        with Upstream(engine.root / "upstream", engine.namespace.address, packages=packages) as upstream:
            _say("making the images that builds start from")
            make_tools(engine.docker_host, upstream, only=[TOOLS])
            make_local_image(engine.docker_host, upstream)
            with _caches(engine, upstream, "ten") as caches:
                ten = _fetched_by_many(BuildBench(engine, upstream, caches))
            with _caches(engine, upstream, "one") as caches:
                publish(_measure(BuildBench(engine, upstream, caches), ten))


def _measure(bench: BuildBench, ten: dict[Ecosystem, int]) -> list[Figure]:
    """All figures, given what upstream sent for many builds at once."""
    fresh = bench.caches.memory_bytes()
    one, warm = _fetched_by_one(bench)
    figures = []
    for ecosystem in Ecosystem:
        name = f"{AT_ONCE} cold builds at once / one, bytes from upstream: {ecosystem}"
        figures.append(Figure(figure=name, value=ten[ecosystem] / one[ecosystem], unit="x", aim=1.01))
    for ecosystem in Ecosystem:
        name = f"warm / cold, bytes from upstream: {ecosystem}"
        figures.append(Figure(figure=name, value=warm[ecosystem] / one[ecosystem], unit="x", aim=0.001))
    figures += _second_apps(bench)
    figures += _beside_local_disk(bench)
    figures += _beside_plain_builds(bench)
    figures += _offline(bench)
    used = bench.caches.memory_bytes()
    figures.append(
        Figure(figure="memory of all caches, fresh", value=fresh / 1e6, unit="MB", aim=MEMORY_AIM_MB)
    )
    figures.append(Figure(figure="memory of all caches, in use", value=used / 1e6, unit="MB"))
    return figures


def _fetched_by_many(bench: BuildBench) -> dict[Ecosystem, int]:
    """Bytes that upstream sent for many builds that began together with empty caches."""
    found = {}
    for ecosystem in Ecosystem:
        bench.upstream.reset()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            builds = [
                pool.submit(bench.build, ecosystem, APP_ONE, builder=f"bench{number}")
                for number in range(AT_ONCE)
            ]
            for build in builds:
                build.result()
        found[ecosystem] = bench.upstream.bytes_sent(ecosystem)
        _say(f"{ecosystem}: {found[ecosystem]} bytes for {AT_ONCE} builds at once")
    return found


def _fetched_by_one(bench: BuildBench) -> tuple[dict[Ecosystem, int], dict[Ecosystem, int]]:
    """Bytes that upstream sent for one build with empty caches, and for another after it."""
    cold: dict[Ecosystem, int] = {}
    warm: dict[Ecosystem, int] = {}
    for ecosystem in Ecosystem:
        for found in (cold, warm):
            bench.upstream.reset()
            bench.build(ecosystem, APP_ONE)
            found[ecosystem] = bench.upstream.bytes_sent(ecosystem)
        _say(f"{ecosystem}: {cold[ecosystem]} bytes cold, {warm[ecosystem]} warm")
    return cold, warm


def _second_apps(bench: BuildBench) -> Iterator[Figure]:
    """What the second app fetches, by the compressed size of its image, and of what stands above its base."""
    for ecosystem in Ecosystem:
        bench.upstream.reset()
        bench.build(ecosystem, APP_TWO)
        fetched = bench.upstream.bytes_sent(ecosystem)
        whole, own = bench.compressed_sizes()
        _say(f"{ecosystem}: {fetched} bytes for the second app, its image has {whole}, {own} above its base")
        name = f"second app, bytes fetched / compressed size of its {{}}: {ecosystem}"
        yield Figure(figure=name.format("image"), value=fetched / whole, unit="x", aim=0.1)
        yield Figure(figure=name.format("own layers"), value=fetched / own, unit="x", aim=0.1)


def _beside_local_disk(bench: BuildBench) -> Iterator[Figure]:
    for ecosystem in Ecosystem:
        ours, local = [], []
        for _ in range(PAIRS):
            ours.append(bench.build(ecosystem, APP_ONE))
            local.append(bench.build_plain(ecosystem, APP_ONE, base=LOCAL))
        yield from _compared(f"all packages on local disk: {ecosystem}", ours, local, aim=1.05)


def _beside_plain_builds(bench: BuildBench) -> Iterator[Figure]:
    for ecosystem in Ecosystem:
        ours, plain = [], []
        for _ in range(SLOW_PAIRS):
            with bench.slow_line(LINE_MBIT_S):
                ours.append(bench.build(ecosystem, APP_ONE))
                plain.append(bench.build_plain(ecosystem, APP_ONE))
        yield from _compared(f"plain docker build at {LINE_MBIT_S} Mbit/s: {ecosystem}", ours, plain, aim=0.2)


def _compared(peer: str, ours: Sequence[float], theirs: Sequence[float], *, aim: float) -> list[Figure]:
    ratio = median(ours) / median(theirs)
    _say(f"{peer}: ours {_seconds(ours)}, peer {_seconds(theirs)}")
    return [
        Figure(figure=f"build time warm / {peer}", value=ratio, unit="x", aim=aim),
        Figure(figure=f"  of that, ours warm, median of {len(ours)}", value=median(ours), unit="s"),
    ]


def _offline(bench: BuildBench) -> Iterator[Figure]:
    """The share of builds that pass with upstream cut off, of both apps of every ecosystem."""
    passed = []
    bench.upstream.cut()
    for ecosystem in Ecosystem:
        for app in (APP_ONE, APP_TWO):
            try:
                bench.build(ecosystem, app)
            except HomeportError as error:
                _say(f"{ecosystem} {app} offline: {error}")
                passed.append(0.0)
            else:
                passed.append(1.0)
    bench.upstream.mend()
    yield Figure(
        figure=f"offline rebuilds that pass, of {len(passed)}",
        value=statistics.fmean(passed),
        unit="x",
        aim=1.0,
        better="higher",
    )


@contextmanager
def _caches(engine: EngineBox, upstream: Upstream, name: str) -> Iterator[CachesBox]:
    """Empty package caches of their own."""
    root: Path = engine.root / name
    gateway = Engine(engine.docker_host).bridge().gateway
    box = CachesBox(
        root,
        engine.docker_host,
        gateway=gateway,
        port=free_cache_port(),
        settings=upstream.settings,
    )
    with box:
        yield box


def _seconds(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values) + " s"


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
