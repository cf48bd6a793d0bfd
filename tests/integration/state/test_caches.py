"""The totals of the package caches."""

from datetime import timedelta

import pytest

from homeport.caches import CacheTraffic, Ecosystem
from homeport.state.caches import CacheTotal, add_traffic, cache_totals, log_position, record_sizes
from tests.integration.state.box import Box

SOME = CacheTraffic(requests=4, hits=3, bytes_served=2**40, bytes_fetched=7)
MORE = CacheTraffic(requests=1, hits=0, bytes_served=5, bytes_fetched=5)


def test_before_the_first_request_every_total_is_nothing(box: Box) -> None:
    with box.database.read() as conn:
        assert cache_totals(conn) == dict.fromkeys(Ecosystem, CacheTotal())
        assert log_position(conn) == {}


def test_traffic_is_added_up_since_the_first(box: Box) -> None:
    with box.database.write() as conn:
        add_traffic(conn, {Ecosystem.NPM: SOME}, {"a": 10}, box.now)
        add_traffic(conn, {Ecosystem.NPM: MORE}, {"a": 20}, box.now + timedelta(hours=1))

    with box.database.read() as conn:
        assert cache_totals(conn)[Ecosystem.NPM] == CacheTotal(traffic=SOME + MORE, since=box.now)


def test_the_position_is_what_the_last_reading_said(box: Box) -> None:
    with box.database.write() as conn:
        add_traffic(conn, {}, {"a": 10, "b": 2**40}, box.now)
        add_traffic(conn, {}, {"b": 2**40 + 1}, box.now)

    with box.database.read() as conn:
        assert log_position(conn) == {"b": 2**40 + 1}


def test_totals_and_position_are_stored_together_or_not_at_all(box: Box) -> None:
    def die_in_the_middle() -> None:
        with box.database.write() as conn:
            add_traffic(conn, {Ecosystem.APT: SOME}, {"a": 10}, box.now)
            raise KeyError

    with pytest.raises(KeyError):
        die_in_the_middle()

    with box.database.read() as conn:
        assert cache_totals(conn)[Ecosystem.APT] == CacheTotal()
        assert log_position(conn) == {}


def test_what_the_caches_hold_is_what_was_seen_last(box: Box) -> None:
    with box.database.write() as conn:
        record_sizes(conn, {Ecosystem.APT: (1, 1), Ecosystem.GEM: (2**40, 3)})
        record_sizes(conn, {Ecosystem.GEM: (2**41, 4)})

    with box.database.read() as conn:
        found = cache_totals(conn)
        assert found[Ecosystem.GEM] == CacheTotal(size_bytes=2**41, files=4)
        assert found[Ecosystem.APT] == CacheTotal(size_bytes=1, files=1)
