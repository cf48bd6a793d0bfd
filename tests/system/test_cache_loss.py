"""Package caches that are away, or go away while a build runs: the build goes direct, and says so."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.caches import Ecosystem
from homeport.host.engine import Engine
from tests.harness.building import BASE, TAG, BuildBench, fresh
from tests.harness.caches import CachesBox, free_cache_port
from tests.harness.engine import EngineBox


@pytest.fixture(scope="module")
def caches(engine_box: EngineBox) -> Iterator[CachesBox]:
    with CachesBox(
        engine_box.root / "loss",
        engine_box.docker_host,
        gateway=Engine(engine_box.docker_host).bridge().gateway,
        port=free_cache_port(),
        settings={},
    ) as caches:
        yield caches


@pytest.fixture
def bench(engine_box: EngineBox, caches: CachesBox, tmp_path: Path) -> Iterator[BuildBench]:
    state_dir, port = caches.settings.state_dir, caches.settings.cache_port
    yield BuildBench(engine_box, tmp_path, state_dir=state_dir, cache_port=port)
    engine_box.remove_image(TAG)


def test_a_build_goes_direct_when_its_cache_is_killed_while_it_runs_and_through_it_when_it_is_back(
    bench: BuildBench, caches: CachesBox
) -> None:
    def kill_when_ready(line: str) -> None:
        if line.endswith("| ready"):
            caches.stop("nginx", signal.SIGKILL)

    bench.on_line = kill_when_ready
    lists = f"FROM {BASE}\nRUN : {fresh()} && apt-get update -qq\n"

    lost = bench.build(f"{lists}RUN echo ready; sleep 1; apt-get install -qq hello && hello")

    assert any(line.endswith("| Hello, world!") for line in bench.lines)
    assert any("apt" in warning and "went away" in warning for warning in lost.report.warnings)
    assert any("directly" in warning for warning in lost.report.warnings)
    assert lost.report.direct
    caches.start("nginx")
    caches.wait_until_ready()
    back = bench.build(f"{lists}RUN apt-get install -qq hello && echo {fresh()}")
    assert not back.report.warnings
    assert back.report.direct == ()
    assert back.report.traffic[Ecosystem.APT].requests > 0


def test_a_cache_that_is_away_from_the_start_makes_a_build_go_direct_on_the_same_layers(
    bench: BuildBench, caches: CachesBox
) -> None:
    text = f"FROM {BASE}\nRUN : {fresh()} && apt-get update -qq && apt-get install -qq hello\n"
    caches.stop("nginx")

    away = bench.build(f"{text}RUN hello # {fresh()}")

    assert any("apt" in warning and "Nothing answers" in warning for warning in away.report.warnings)
    assert away.report.traffic == {}
    caches.start("nginx")
    caches.wait_until_ready()
    bench.build(f"{text}RUN hello # {fresh()}")
    assert any("2/3 was built before" in line for line in bench.lines)
