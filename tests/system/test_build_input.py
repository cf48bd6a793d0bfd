"""Builds of what packagers get wrong or do in their own way, on a real engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport import __version__
from homeport.errors import BuildFailedError, ContextTooLargeError
from tests.harness.building import BASE, TAG, BuildBench, fresh
from tests.harness.engine import EngineBox

MIB = 1024 * 1024


@pytest.fixture
def bench(engine_box: EngineBox, tmp_path: Path) -> Iterator[BuildBench]:
    yield BuildBench(engine_box, tmp_path, package_caches=False)
    engine_box.remove_image(TAG)


def test_a_context_that_is_too_large_is_refused_with_its_largest_parts(bench: BuildBench) -> None:
    (bench.context / "media").mkdir()
    (bench.context / "media" / "film").write_bytes(bytes(2 * MIB))

    with pytest.raises(ContextTooLargeError) as raised:
        bench.build(f"FROM {BASE}", context_max_bytes=MIB)

    assert raised.value.facts["largest"][0] == {"path": "media/", "bytes": 2 * MIB}
    assert "media/ (2.0 MiB)" in raised.value.why
    (bench.context / ".dockerignore").write_text("media\n")
    bench.build(f"FROM {BASE}", context_max_bytes=MIB)


def test_the_dockerfile_s_own_ignore_file_holds(bench: BuildBench) -> None:
    (bench.context / "secret").write_text("x")
    (bench.context / "kept").write_text("x")
    (bench.context / ".dockerignore").write_text("kept\n")
    (bench.context / "Dockerfile.dockerignore").write_text("secret\n")

    bench.build(f"FROM {BASE}\nCOPY . /all\nRUN echo {fresh()}; echo found $(ls /all)")

    assert any(line.endswith("| found Dockerfile Dockerfile.dockerignore kept") for line in bench.lines)


# The files' names are put together while it runs, so that reading the Dockerfile cannot tell.
@pytest.mark.parametrize(
    ("client", "write"),
    [
        ("uv", "mkdir -p /etc/uv; echo own > $(echo /etc/uv/uQ.toml | tr Q v)"),
        ("npm", "cd /etc; echo own > $(echo npmQc | tr Q r); true"),
    ],
)
def test_a_dockerfile_that_writes_over_what_is_mounted_is_built_without_that_mount(
    bench: BuildBench, client: str, write: str
) -> None:
    text = f"FROM {BASE}\nRUN echo {fresh()}; {write}\nRUN cat /etc/npm?c /etc/uv/uv.tom? || true; echo "

    for _ in range(2):  # what the first try of the first build left is not taken for a result
        built = bench.build(text + fresh())

        assert any(line.endswith("| own") for line in bench.lines)
        assert any(f"configuration of {client}:" in warning for warning in built.report.warnings)


def test_a_syntax_line_does_not_keep_a_build_from_going_offline(bench: BuildBench) -> None:
    built = bench.build(f"# syntax=docker/dockerfile:1\nFROM {BASE}\nRUN echo {fresh()}")

    assert not built.report.warnings


def test_a_frontend_that_is_needed_and_cannot_be_had_is_told_with_what_the_engine_s_own_says(
    bench: BuildBench,
) -> None:
    with pytest.raises(BuildFailedError) as raised:
        bench.build(f"# syntax=docker/dockerfile:1\nFROM {BASE}\nRUN --fancy=1 true")

    assert "docker/dockerfile:1" in raised.value.what
    assert "fancy" in raised.value.why


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("# syntax=acme/frontend:1\nFROM {base}", {}),
        ("#!/bin/builder\n// syntax=acme/frontend:1\nFROM {base}", {}),
        ("FROM {base}", {"BUILDKIT_SYNTAX": "acme/frontend:1"}),
        ("FROM {base}\nRUN --network=host true", {}),
        ("FROM {base}\nADD http://127.0.0.1:8080/x /x", {}),
    ],
)
def test_what_reaches_out_of_the_limits_is_refused_before_the_engine_hears_of_it(
    bench: BuildBench, text: str, args: dict[str, str]
) -> None:
    with pytest.raises(BuildFailedError, match="could not be built") as raised:
        bench.build(text.format(base=BASE), args=args)

    assert "limits" in raised.value.why or "No build gets that" in raised.value.why
    assert (raised.value.facts["line"] is None) == bool(args)
    assert not bench.lines  # nothing was asked for, let alone pulled


def test_a_target_and_a_named_context_are_built_from(bench: BuildBench) -> None:
    word = fresh()
    bench.build(f"FROM {BASE}\nRUN echo {word} > /word", tag="homeport/test-other:1")

    bench.build(
        f"FROM other AS wanted\nRUN echo {fresh()}; echo read $(cat /word)\nFROM {BASE}\nRUN false",
        contexts={"other": "homeport/test-other:1"},
        target="wanted",
    )

    bench.engine.remove_image("homeport/test-other:1")
    assert any(line.endswith(f"| read {word}") for line in bench.lines)


def test_labels_say_what_the_image_is_and_leave_the_layers_cached(bench: BuildBench) -> None:
    text = f"FROM {BASE}\nRUN echo {fresh()}\nLABEL org.opencontainers.image.version=own"
    first = bench.build(text, title="Wiki", version="1.2")
    second = bench.build(text, title="Another", version="1.3")

    image = bench.engine.image(TAG)
    assert image is not None
    assert image.labels["org.opencontainers.image.title"] == "Another"
    assert image.labels["org.opencontainers.image.version"] == "own"
    assert image.labels["org.opencontainers.image.base.name"] == BASE
    assert image.labels["homeport.builder"] == __version__
    assert any("2/2 was built before" in line for line in bench.lines)
    assert bench.engine.image(first.image_id) is None  # it had lost its name to the second
    assert bench.build(text, title="Another", version="1.3").image_id == second.image_id


def test_durations_of_one_build_weigh_the_next(bench: BuildBench) -> None:
    text = f"FROM {BASE}\nARG WORD\nRUN true\nRUN sleep 3"
    took = bench.build(text, args={"WORD": fresh()}).report.durations
    assert took["RUN sleep 3"] > 2.9

    bench.build(text, args={"WORD": fresh()}, durations=took)

    first = next(fraction for fraction, detail in bench.shown if "sleep" in detail)
    # the engine may call the base cached in one build and not in the other: then three seconds are guessed
    guessed = 0.0 if any(key.startswith("FROM") for key in took) else 3.0
    assert first < 1.2 - took["RUN sleep 3"] / (sum(took.values()) + guessed)


def test_no_trace_of_the_mounts_is_in_the_log_or_in_a_failure(bench: BuildBench) -> None:
    with pytest.raises(BuildFailedError) as raised:
        bench.build(f"FROM {BASE}\nRUN echo {fresh()} \\\n  && false")

    assert raised.value.facts["line"] == 2
    for text in (bench.said(), str(raised.value), str(bench.shown), str(raised.value.facts)):
        assert "--mount" not in text
        assert "hp-" not in text


def test_a_build_that_fails_tells_what_it_fetched_too(bench: BuildBench) -> None:
    with pytest.raises(BuildFailedError):
        bench.build(f"FROM {BASE}\nRUN echo {fresh()}; exit 3")

    assert bench.lines[-2:] == [
        "Through the caches: nothing was asked for.",
        "Went round the caches: nothing.",
    ]


def test_what_a_build_keeps_for_its_next_one_no_other_app_s_build_sees(bench: BuildBench) -> None:
    word = fresh()
    bench.build(
        f"FROM {BASE}\nRUN --mount=type=cache,target=/kept echo {word} >/kept/word", tag="homeport/one-web:1"
    )
    look = f"FROM {BASE}\nRUN --mount=type=cache,target=/kept echo {word}; echo found $(cat /kept/word)"

    bench.build(look, tag="homeport/one-web:2")
    seen_by_its_own = bench.said()
    bench.build(look, tag="homeport/two-web:1", args={"BUILDKIT_CACHE_MOUNT_NS": "homeport/one-web"})

    assert f"| found {word}" in seen_by_its_own
    assert f"| found {word}" not in bench.said()
    for tag in ("homeport/one-web:1", "homeport/one-web:2", "homeport/two-web:1"):
        bench.engine.remove_image(tag)
