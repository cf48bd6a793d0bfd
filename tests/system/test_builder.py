"""Building on a real engine: progress, labels, failures that name their line, cancelling, a killed worker."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from homeport.errors import BuildFailedError, CancelledError, EngineUnavailableError, StalledError
from tests.harness.building import BASE, TAG, BuildBench, fresh
from tests.harness.engine import EngineBox
from tests.harness.programs import REPOSITORY, wait_until


@pytest.fixture
def bench(engine_box: EngineBox, tmp_path: Path) -> Iterator[BuildBench]:
    yield BuildBench(engine_box, tmp_path, package_caches=False)
    engine_box.remove_image(TAG)


def _processes_with(word: str) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or ())
        if word in command and process.pid != psutil.Process().pid:
            found.append(command)
    return found


def _has_process(word: str) -> Callable[[], bool]:
    return lambda: bool(_processes_with(word))


def test_a_build_gives_an_image_with_tag_labels_and_arguments(bench: BuildBench) -> None:
    built = bench.build(
        f"FROM {BASE}\nARG WORD\nRUN echo $WORD > /word\nEXPOSE 8080",
        args={"WORD": "given by us"},
        labels={"homeport.definition": "wiki", "spaced": "two words"},
    )

    image = bench.engine.image(TAG)
    assert image is not None
    assert (image.id, TAG in image.tags) == (built.image_id, True)
    assert image.labels["homeport.definition"] == "wiki"
    assert image.labels["spaced"] == "two words"
    assert image.exposed_ports == ("8080/tcp",)


def test_progress_grows_to_the_end_and_names_the_instructions(bench: BuildBench) -> None:
    word = fresh()

    bench.build(
        f"FROM {BASE} AS one\nRUN echo {word}; sleep 0.3\nFROM one\nRUN echo said by {word}; sleep 0.3"
    )

    fractions = [fraction for fraction, _ in bench.shown]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert any(0 < fraction < 1 for fraction in fractions)
    assert any(f"RUN echo {word}" in detail for _, detail in bench.shown)
    assert any(line.endswith(f"| said by {word}") for line in bench.lines)


def test_a_failing_instruction_is_named_with_its_line_and_last_output(bench: BuildBench) -> None:
    word = fresh()

    with pytest.raises(BuildFailedError) as raised:
        bench.build(
            f"FROM {BASE}\n\n# a comment\nRUN for i in $(seq 99); do echo {word} $i; done && \\\n  exit 7\n"
        )

    facts = raised.value.facts
    assert facts["service"] == "web"
    assert facts["line"] == 4
    assert facts["exit_code"] == 7
    assert facts["instruction"].startswith("RUN for i in")
    assert facts["instruction"].endswith("exit 7")
    assert len(facts["last_lines"]) == 40
    assert facts["last_lines"][-1] == f"{word} 99"
    assert bench.engine.image(TAG) is None


def test_a_copy_of_a_file_that_is_not_there_is_named(bench: BuildBench) -> None:
    with pytest.raises(BuildFailedError) as raised:
        bench.build(f"FROM {BASE}\nCOPY nothing /x")

    assert raised.value.facts["line"] == 2
    assert "/nothing" in raised.value.why


def test_a_dockerfile_that_cannot_be_read_is_told_with_its_line(bench: BuildBench) -> None:
    with pytest.raises(BuildFailedError) as raised:
        bench.build(f"FROM {BASE}\nRUNN true")

    assert raised.value.facts["line"] == 2
    assert "RUNN" in raised.value.why


def test_a_base_image_that_cannot_be_had_is_named(bench: BuildBench) -> None:
    with pytest.raises(BuildFailedError) as raised:
        bench.build("FROM acme/nowhere:3\nRUN true")

    assert "acme/nowhere:3" in raised.value.what
    assert raised.value.facts["image"] == "acme/nowhere:3"


def test_a_missing_dockerfile_and_a_missing_context_are_told(bench: BuildBench) -> None:
    with pytest.raises(BuildFailedError, match="missing"):
        bench.build("FROM scratch", dockerfile="Other")
    with pytest.raises(BuildFailedError, match="missing"):
        bench.build("FROM scratch", context=bench.context / "absent")


def test_an_engine_that_is_away_is_no_failure_of_the_build(bench: BuildBench) -> None:
    with pytest.raises(EngineUnavailableError):
        bench.build("FROM scratch", docker_host="unix:///nonexistent/docker.sock")


def test_a_cancelled_build_ends_in_two_seconds_and_leaves_no_process(bench: BuildBench) -> None:
    word = fresh()
    cancel_s = 3.0
    began = time.monotonic()

    with pytest.raises(CancelledError):
        bench.build(f"FROM {BASE}\nRUN echo {word}; sleep 600", cancel_s=cancel_s)

    assert any(line.endswith(f"| {word}") for line in bench.lines)
    assert time.monotonic() - began < cancel_s + 2
    wait_until(lambda: not _processes_with(word), what="the end of the build's processes", timeout_s=2)


def test_a_build_that_says_nothing_is_a_stall(bench: BuildBench) -> None:
    word = fresh()

    with pytest.raises(StalledError):
        bench.build(f"FROM {BASE}\nRUN echo {word}; sleep 600", stall_s=2)

    wait_until(lambda: not _processes_with(word), what="the end of the build's processes", timeout_s=2)


def test_a_killed_worker_takes_its_build_with_it(bench: BuildBench) -> None:
    word = fresh()
    (bench.context / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo {word}; sleep 600")
    code = f"""
from pathlib import Path
from build_cache.builder import BuildRequest, ImageBuilder
from homeport.host.engine import Engine
from homeport.settings import Settings
class Never:
    def check(self): pass
settings = Settings(docker_host={bench.docker_host!r}, state_dir={str(bench.settings["state_dir"])!r})
ImageBuilder(settings, Engine(settings.docker_host)).build(
    BuildRequest(service="web", context=Path({str(bench.context)!r}), dockerfile="Dockerfile", tag={TAG!r}),
    control=Never(), on_progress=lambda f, d: None, log=lambda line: None)
"""
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    wait_until(_has_process(word), what="the build's process", timeout_s=20)

    worker.send_signal(signal.SIGKILL)
    worker.wait()

    wait_until(lambda: not _processes_with(word), what="the end of the build's processes", timeout_s=3)
    wait_until(lambda: not _processes_with(str(bench.context)), what="the end of buildx", timeout_s=3)
    builds = Path(bench.settings["state_dir"]) / "builds"
    assert len(list(builds.iterdir())) == 1, "what it could not remove"
    bench.build(f"FROM {BASE}\nRUN echo {fresh()}")
    assert list(builds.iterdir()) == []


def test_an_instruction_that_floods_its_output_keeps_the_log_bounded(bench: BuildBench) -> None:
    with pytest.raises(BuildFailedError) as raised:
        bench.build(f"FROM {BASE}\nRUN echo {fresh()}; head -c 20000000 /dev/zero | tr '\\0' x; false")

    assert all(len(line) <= 2000 for line in raised.value.facts["last_lines"])
    assert sum(map(len, bench.lines)) < 1_000_000
