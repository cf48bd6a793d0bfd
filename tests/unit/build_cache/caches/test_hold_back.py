"""The last piece of a file that devpi passes on waits for devpi's verdict on it."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from build_cache.caches.devpi import hold_back


class Pieces:
    """A body in pieces, which may end with an error, and knows whether it was closed."""

    def __init__(self, *pieces: bytes, fails: bool = False) -> None:
        self._pieces = pieces
        self._fails = fails
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._fails:
            raise ValueError("the hash is another one")

    def close(self) -> None:
        self.closed = True


def answer_with(body: Iterable[bytes], *headers: tuple[str, str]) -> Iterable[bytes]:
    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        return body

    return hold_back(app)({}, lambda *_: lambda _written: None)


PASSED_ON = ("X-Accel-Buffering", "no")


def test_a_file_that_is_right_comes_whole() -> None:
    body = Pieces(b"one", b"two", b"three")

    assert b"".join(answer_with(body, PASSED_ON)) == b"onetwothree"
    assert body.closed


@pytest.mark.parametrize("pieces", [(b"one",), (b"one", b"two")])
def test_the_end_of_a_file_that_is_wrong_never_comes(pieces: tuple[bytes, ...]) -> None:
    body = Pieces(*pieces, fails=True)
    came: list[bytes] = []

    with pytest.raises(ValueError, match="hash"):
        came.extend(answer_with(body, PASSED_ON))

    assert len(b"".join(came)) < len(b"".join(pieces))
    assert body.closed


def test_what_devpi_has_already_is_left_as_it_is() -> None:
    body = Pieces(b"one")

    assert answer_with(body, ("Content-Type", "text/html")) is body
