from collections.abc import Iterator
from typing import Any

import pytest

from homeport.cli.client import ApiClient, path_of, problem_of


class Pieces:
    """An answer whose bytes come in the given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __enter__(self) -> "Pieces":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def iter_content(self, chunk_size: int | None) -> Iterator[bytes]:
        assert chunk_size is None, "what has come is handed on at once"
        yield from self._pieces


class Answered(ApiClient):
    """A client whose one request is answered with the pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__("http://box", "")
        self._pieces = pieces

    def _send(self, method: str, path: str, **_: Any) -> Any:
        return Pieces(self._pieces)


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"a\nb\n", b"c\n"], ["a", "b", "c"]),
        ([b"a", b"b\r", b"\nc"], ["ab\r", "c"]),
        ([b"a\n", b"\n", b"b\n"], ["a", "", "b"]),
        ([b"caf\xc3", b"\xa9\n\xff"], ["café", "\ufffd"]),
        ([], []),
    ],
)
def test_lines_are_those_of_the_text_however_it_is_cut(pieces: list[bytes], lines: list[str]) -> None:
    assert list(Answered(pieces).lines("/v1/x")) == lines


def test_events_are_read_from_the_stream_and_comments_are_not() -> None:
    stream = [b": here\n\nid: 7\nevent: job.step\nda", b'ta: {"kind": "job.step"}\n\n', b"id: 8\nda"]

    (event,) = Answered(stream).events(after="6")

    assert (event.id, event.body) == ("7", {"kind": "job.step"})


def test_what_somebody_typed_stays_one_part_of_a_path() -> None:
    assert path_of("apps", "a/../b?c#d e", "logs") == "/v1/apps/a%2F..%2Fb%3Fc%23d%20e/logs"


def test_problem_documents_and_problems_of_jobs_read_the_same() -> None:
    same = {"code": "x", "restored": "R", "remedy": "Do.", "facts": {"port": 80}}
    document = {"title": "What.", "detail": "Why.", **same}
    of_job = {"what": "What.", "why": "Why.", **same}

    assert problem_of(document) == problem_of(of_job)
    assert problem_of({}).what
