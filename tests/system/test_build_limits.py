"""What a build may use: memory, processors, time, the context's size and the disk, each seen to hold."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.errors import BuildOutOfMemoryError, CeilingReachedError
from tests.harness.building import BASE, TAG, BuildBench, fresh
from tests.harness.engine import EngineBox

MIB = 1024 * 1024
LIMIT = 64 * MIB
IS_V1 = Path("/sys/fs/cgroup/memory").is_dir()


@pytest.fixture
def bench(engine_box: EngineBox, tmp_path: Path) -> Iterator[BuildBench]:
    yield BuildBench(engine_box, tmp_path, package_caches=False)
    engine_box.remove_image(TAG)


def test_an_instruction_runs_within_the_limit_on_memory(bench: BuildBench) -> None:
    built = bench.build(
        f"FROM {BASE}\nRUN echo {fresh()}; cat /sys/fs/cgroup/memory/memory.stat || true",
        build_memory_bytes=LIMIT,
    )

    if IS_V1:
        assert f"hierarchical_memory_limit {LIMIT}" in bench.said()
    else:
        assert Path("/sys/fs/cgroup", bench.cgroup, "memory.max").read_text().strip() == str(LIMIT)
    assert not built.report.warnings


@pytest.mark.parametrize("ending", ["", " | true; echo all is well"])
def test_an_instruction_that_needs_more_memory_fails_the_build_also_inside_a_pipe(
    bench: BuildBench, ending: str
) -> None:
    hungry = f"FROM {BASE}\n\nRUN echo {fresh()}; head -c 200000000 /dev/zero | tail{ending}"

    with pytest.raises(BuildOutOfMemoryError) as raised:
        bench.build(hungry, build_memory_bytes=LIMIT)

    assert raised.value.facts["limit_bytes"] == LIMIT
    assert raised.value.facts["line"] == 3
    assert raised.value.facts["instruction"].startswith("RUN echo")
    assert "64 MiB" in raised.value.why
    assert bench.engine.image(TAG) is None
    # and what it left behind in the layer cache is not taken for a result
    bench.build(hungry, build_memory_bytes=1024 * MIB)
    assert not any("3/3 was built before" in line for line in bench.lines)


def test_an_instruction_gets_no_more_than_its_share_of_the_processors(bench: BuildBench) -> None:
    bench.build(
        f'FROM {BASE}\nSHELL ["/bin/bash", "-c"]\n'
        f"RUN echo {fresh()}; TIMEFORMAT='used %U'; time timeout 3 bash -c 'while :; do :; done' || true",
        build_cpus=0.5,
    )

    used = re.search(r"used (\d+\.\d+)", bench.said())
    assert used is not None
    assert float(used[1]) < 2.2  # a core of its own would have given it three seconds


def test_a_build_ends_at_its_ceiling(bench: BuildBench) -> None:
    with pytest.raises(CeilingReachedError):
        bench.build(f"FROM {BASE}\nRUN while :; do echo {fresh()}; sleep 0.2; done", ceiling_s=3)
