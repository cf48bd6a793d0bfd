import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from build_cache.rawjson import RecordReader

RECORDS: list[dict[str, Any]] = [
    {"vertexes": [{"digest": "sha256:1", "name": "[1/2] FROM debian\n}\n{"}]},
    {"logs": [{"vertex": "sha256:1", "data": "aGVsbG8K"}]},
    {"vertexes": [{"digest": "sha256:1", "name": "größer €"}]},
]


def _read(content: bytes, *cuts: int) -> tuple[list[dict[str, Any]], RecordReader]:
    reader = RecordReader()
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    records = [
        record for start, end in itertools.pairwise(places) for record in reader.feed(content[start:end])
    ]
    reader.finish()
    return records, reader


def _written(*, indent: int | None) -> bytes:
    return "".join(
        json.dumps(record, indent=indent, ensure_ascii=False) + "\n" for record in RECORDS
    ).encode()


def test_indented_and_one_line_records_are_read() -> None:
    assert _read(_written(indent=2))[0] == RECORDS
    assert _read(_written(indent=None))[0] == RECORDS


@given(st.lists(st.integers(0, 600), max_size=20))
def test_records_do_not_depend_on_where_the_output_is_cut(cuts: list[int]) -> None:
    assert _read(_written(indent=2), *cuts)[0] == RECORDS


def test_what_buildx_says_after_the_records_is_kept_with_the_lines_it_quotes() -> None:
    said = (
        b"Dockerfile:2\n----\n   1 |     FROM debian\n   2 | >>> RUN false\n----\nERROR: failed to solve: x\n"
    )

    records, reader = _read(_written(indent=2) + said)

    assert records == RECORDS
    assert list(reader.text)[-1] == "ERROR: failed to solve: x"
    assert reader.quoted == ["   2 | >>> RUN false"]


def test_a_last_line_without_its_end_is_kept() -> None:
    assert list(_read(b"ERROR: no space")[1].text) == ["ERROR: no space"]


def test_what_only_looks_like_a_record_is_text_and_the_next_record_is_read() -> None:
    records, reader = _read(b"{not json\n" + _written(indent=2))

    assert records == RECORDS
    assert list(reader.text) == ["{not json"]


def test_an_endless_record_does_not_grow_memory() -> None:
    reader = RecordReader()

    for piece in [b'{"logs": "', *[b"x" * 1_000_000] * 40]:
        assert list(reader.feed(piece)) == []

    assert len(reader._unread) <= 9_000_000
