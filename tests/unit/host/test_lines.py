from hypothesis import given
from hypothesis import strategies as st

from homeport.host.lines import LINE_CHARACTERS, LineCutter


def _cut(*pieces: bytes) -> list[str]:
    cutter = LineCutter()
    lines = [line for piece in pieces for line in cutter.feed(piece)]
    return [*lines, *cutter.flush()]


def test_lines_that_arrive_in_pieces_are_put_together() -> None:
    assert _cut(b"one\ntw", b"o\nthree") == ["one", "two", "three"]


def test_a_carriage_return_ends_a_line_as_progress_bars_do() -> None:
    assert _cut(b"10%\r20%\r\n", b"done\n") == ["10%", "20%", "done"]


def test_a_character_that_is_split_between_pieces_survives() -> None:
    euro = "€".encode()

    assert _cut(euro[:1], euro[1:] + b"\n") == ["€"]


def test_what_a_line_has_beyond_the_limit_is_dropped_and_not_kept() -> None:
    cutter = LineCutter()

    for _ in range(1000):
        assert list(cutter.feed(b"x" * 10_000)) == []

    assert len(cutter._begun) <= 4 * LINE_CHARACTERS
    assert list(cutter.feed(b"\nnext\n")) == ["x" * LINE_CHARACTERS, "next"]


@given(st.binary(max_size=200), st.integers(0, 200))
def test_lines_do_not_depend_on_where_the_pieces_are_cut(content: bytes, cut: int) -> None:
    assert _cut(content[:cut], content[cut:]) == _cut(content)
