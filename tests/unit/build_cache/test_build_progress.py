import base64
from typing import Any

import pytest

from build_cache.build_progress import BuildModel

NAMES = {
    "a": "[1/3] FROM docker.io/library/debian:bookworm-slim",
    "b": "[2/3] RUN apt-get update &&     apt-get install -y php",
    "c": "[3/3] COPY . /srv",
}


def _vertex(digest: str, *, name: str = "", **state: Any) -> dict[str, Any]:
    return {"vertexes": [{"digest": digest, "name": name or NAMES.get(digest, ""), **state}]}


def _begun(digest: str, **more: Any) -> dict[str, Any]:
    return _vertex(digest, started="2026-01-01T00:00:00Z", **more)


def _ended(digest: str, **more: Any) -> dict[str, Any]:
    return _begun(digest, completed="2026-01-01T00:00:01Z", **more)


def _output(digest: str, text: str) -> dict[str, Any]:
    return {"logs": [{"vertex": digest, "stream": 1, "data": base64.b64encode(text.encode()).decode()}]}


def _graph() -> BuildModel:
    model = BuildModel()
    for digest in NAMES:
        _take(model, _vertex(digest))
    return model


def _take(model: BuildModel, *records: dict[str, Any]) -> list[str]:
    return [line for record in records for line in model.take(record)]


def test_a_program_counts_more_than_a_copy() -> None:
    model = _graph()

    _take(model, _ended("a"))
    after_from = model.fraction
    _take(model, _ended("b"))
    after_run = model.fraction
    _take(model, _ended("c"))

    assert 0 < after_from < after_run < model.fraction < 1
    assert after_run - after_from > model.fraction - after_run


def test_bytes_move_the_fraction_where_they_are_known() -> None:
    model = _graph()
    _take(model, _begun("a"))

    _take(model, {"statuses": [{"id": "layer", "vertex": "a", "current": 30, "total": 100}]})
    some = model.fraction
    _take(model, {"statuses": [{"id": "layer", "vertex": "a", "current": 60, "total": 100}]})

    assert 0 < some < model.fraction
    assert "of 0.0 MB" in model.detail


def test_the_fraction_never_falls_when_the_graph_grows() -> None:
    model = _graph()
    _take(model, _ended("a"), _ended("b"))
    before = model.fraction

    _take(model, _vertex("d", name="[web 1/2] RUN make"), _vertex("e", name="[web 2/2] RUN make install"))

    assert model.fraction == before


def test_the_detail_names_position_and_instruction_on_one_short_line() -> None:
    model = _graph()

    _take(model, _begun("b"))

    assert model.detail == "2/3 RUN apt-get update && apt-get install -y php"


def test_a_long_instruction_is_cut() -> None:
    model = BuildModel()

    _take(model, _begun("x", name="[web 7/9] RUN " + "echo long; " * 50))

    assert len(model.detail) <= 80
    assert model.detail.startswith("web 7/9 RUN echo")
    assert model.detail.endswith("…")


def test_log_lines_carry_the_step_s_position_and_come_whole() -> None:
    model = _graph()

    lines = _take(model, _begun("b"), _output("b", "hel"), _output("b", "lo\nwor"), _ended("b"))

    assert lines == [
        "2/3 RUN apt-get update && apt-get install -y php",
        "2/3 | hello",
        "2/3 | wor",
    ]


def test_what_the_cache_had_is_said() -> None:
    assert _take(_graph(), _ended("b", cached=True))[-1] == "2/3 was built before"


def test_the_failing_step_is_the_one_that_was_not_merely_stopped() -> None:
    model = _graph()

    _take(model, _ended("c", error="context canceled"), _ended("b", error="exit code: 1"))

    assert model.failing is model.vertexes["b"]


@pytest.mark.parametrize("data", ["", "not base64!", "////"])
def test_odd_log_data_is_no_error(data: str) -> None:
    _take(_graph(), {"logs": [{"vertex": "b", "data": data}, {"vertex": "unknown", "data": data}]})


def test_only_the_last_forty_lines_of_a_step_are_kept() -> None:
    model = _graph()

    _take(model, _begun("b"), _output("b", "".join(f"{number}\n" for number in range(100))))

    assert list(model.vertexes["b"].last_lines) == [str(number) for number in range(60, 100)]


def _timed(digest: str, name: str, seconds: int, **more: Any) -> list[dict[str, Any]]:
    """A step that took so many seconds."""
    start = "2026-01-01T00:00:00.000000001Z"
    end = f"2026-01-01T00:{seconds // 60:02}:{seconds % 60:02}.000000001Z"
    return [_vertex(digest, name=name, started=start, completed=end, **more)]


def test_durations_are_told_by_instruction_and_survive_a_build_from_the_layer_cache() -> None:
    first = BuildModel()
    _take(first, *_timed("x", "[2/3] RUN make", 40), *_timed("y", "[3/3] COPY . /", 2))
    second = BuildModel(first.durations)
    _take(second, *_timed("x", "[2/3] RUN make", 0, cached=True), *_timed("y", "[3/3] COPY . /", 3))

    assert first.durations == {"RUN make": 40.0, "COPY . /": 2.0}
    assert second.durations == {"RUN make": 40.0, "COPY . /": 3.0}


def test_steps_weigh_what_they_took_the_last_time_also_after_a_small_edit() -> None:
    before = {"RUN apt-get install -y php": 90.0, "COPY . /srv": 8.0, "exporting to image": 2.0}
    model = BuildModel(before)
    _take(
        model,
        _vertex("x", name="[2/3] RUN apt-get install -y php curl"),
        _vertex("y", name="[3/3] COPY . /srv"),
    )

    _take(model, *_timed("x", "", 90))

    assert model.fraction == pytest.approx(0.9)


def test_a_step_whose_time_is_known_moves_while_it_speaks() -> None:
    model = BuildModel({"RUN make": 10.0})
    _take(model, _vertex("x", name="[2/2] RUN make", started="2026-01-01T00:00:00Z"))
    said = {"vertex": "x", "data": "", "timestamp": "2026-01-01T00:00:05Z"}

    _take(model, {"logs": [said]})

    assert model.fraction == pytest.approx(0.5 * 10 / 12)
    _take(model, {"logs": [said | {"timestamp": "2026-01-01T00:01:05Z"}]})
    assert model.fraction < 10 / 12


def test_what_the_layer_cache_had_weighs_nothing() -> None:
    model = BuildModel({"RUN make": 1000.0, "RUN test": 6.0, "exporting to image": 2.0})
    _take(model, _vertex("x", name="[2/3] RUN make"), _vertex("y", name="[3/3] RUN test"))

    _take(model, *_timed("x", "", 0, cached=True), *_timed("y", "", 6))

    assert model.fraction == pytest.approx(6 / 8)


def test_names_are_cleaned_before_anybody_sees_them() -> None:
    model = BuildModel(clean=lambda text: text.replace(" --mount=ours", ""))

    lines = _take(model, _begun("x", name="[stage-0 2/2] RUN --mount=ours make"))

    assert lines == ["2/2 RUN make"]
    assert model.detail == "2/2 RUN make"
