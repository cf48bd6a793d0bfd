"""How long builds' instructions took the last time."""

from homeport.state.builds import MOST_KEYS, durations_of, record_durations
from tests.integration.state.box import Box


def _record(box: Box, durations: dict[str, float], *, name: str = "wiki", service: str = "web") -> None:
    with box.database.write() as conn:
        record_durations(conn, name, service, durations, box.now)


def _durations(box: Box, name: str = "wiki", service: str = "web") -> dict[str, float]:
    with box.database.read() as conn:
        return durations_of(conn, name, service)


def test_what_was_never_built_has_no_durations(box: Box) -> None:
    assert _durations(box) == {}


def test_durations_belong_to_one_image_of_one_definition(box: Box) -> None:
    _record(box, {"RUN a": 1.5})
    _record(box, {"RUN a": 9.0}, service="db")
    _record(box, {"RUN a": 7.0}, name="blog")

    assert _durations(box) == {"RUN a": 1.5}


def test_an_instruction_that_was_not_carried_out_keeps_its_last_duration(box: Box) -> None:
    _record(box, {"RUN a": 1.5, "RUN b": 2.0})
    _record(box, {"RUN b": 3.0})

    assert _durations(box) == {"RUN a": 1.5, "RUN b": 3.0}


def test_a_build_without_measurements_forgets_nothing(box: Box) -> None:
    _record(box, {"RUN a": 1.5})
    _record(box, {})

    assert _durations(box) == {"RUN a": 1.5}


def test_only_the_newest_instructions_are_remembered(box: Box) -> None:
    _record(box, {f"old {number}": 1.0 for number in range(MOST_KEYS)})
    _record(box, {f"new {number}": 1.0 for number in range(10)})

    found = _durations(box)
    assert len(found) == MOST_KEYS
    assert "new 9" in found
    assert "old 9" not in found
    assert "old 10" in found
