import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build_cache.traffic import parse_requests
from homeport.caches import CacheTraffic, Ecosystem


def _line(**changed: object) -> bytes:
    request = {"ecosystem": "apt", "status": "200", "cache": "MISS", "sent": "100", "fetched": "120"}
    return json.dumps({**request, "seconds": "0.1", "host": "h", "uri": "/u", **changed}).encode() + b"\n"


def _apt(*lines: bytes) -> CacheTraffic:
    return parse_requests(lines)[Ecosystem.APT]


@pytest.mark.parametrize("status", ["HIT", "STALE", "UPDATING", "REVALIDATED"])
def test_what_came_from_the_store_is_a_hit(status: str) -> None:
    assert _apt(_line(cache=status, fetched="-")) == CacheTraffic(requests=1, hits=1, bytes_served=100)


@pytest.mark.parametrize("status", ["MISS", "EXPIRED", "BYPASS", "", None])
def test_what_was_fetched_is_no_hit(status: str | None) -> None:
    traffic = _apt(_line(cache=status))

    assert traffic == CacheTraffic(requests=1, bytes_served=100, bytes_fetched=120)


def test_an_answer_that_says_that_upstream_is_gone_was_not_fetched() -> None:
    assert _apt(_line(cache="STALE", fetched="300")).bytes_fetched == 0


@pytest.mark.parametrize(
    ("fetched", "total"), [("-", 0), ("", 0), ("12, 30", 42), ("0, - : 7", 7), (9, 9), ([1, 2], 3)]
)
def test_the_answers_of_all_upstreams_that_were_asked_are_added(fetched: object, total: int) -> None:
    assert _apt(_line(fetched=fetched)).bytes_fetched == total


def test_ecosystems_are_kept_apart() -> None:
    found = parse_requests([_line(), _line(ecosystem="npm", cache="HIT", fetched=""), _line()])

    assert found == {
        Ecosystem.APT: CacheTraffic(requests=2, bytes_served=200, bytes_fetched=240),
        Ecosystem.NPM: CacheTraffic(requests=1, hits=1, bytes_served=100),
    }


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"GET / HTTP/1.1\n",
        _line()[:40],
        _line()[40:],
        b"[]\n",
        b"7\n",
        b'{"ecosystem": "cargo"}\n',
        b'{"ecosystem": ["apt"]}\n',
        b'{"ecosystem": {}}\n',
        b"[" * 30_000 + b"\n",
        b"\xff\xfe\x00\n",
        b'{"ecosystem": "apt", "sent": "1' + b"9" * 5000 + b"\xff",
    ],
)
def test_a_line_that_is_not_ours_is_left_out(line: bytes) -> None:
    assert parse_requests([line, _line()]) == parse_requests([_line()])


def test_a_number_that_no_file_has_does_not_count() -> None:
    assert _apt(_line(sent="9" * 30)).bytes_served == 0


@given(st.binary())
def test_no_bytes_make_it_fail(line: bytes) -> None:
    parse_requests([line])
