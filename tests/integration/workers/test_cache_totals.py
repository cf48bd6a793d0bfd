"""The steward's duty that adds up what the package caches did, on a real database and real files."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from build_cache.traffic import TrafficMeter
from homeport.caches import CacheTraffic, Ecosystem
from homeport.metrics import render_caches
from homeport.settings import Settings
from homeport.state.caches import cache_totals
from homeport.state.database import Database, migrate
from workers.steward import cache_totals as duty

KEEP_S = 7200.0
NOW = datetime(2026, 1, 2, 9, tzinfo=UTC)


class Caches:
    """A database and a folder of request logs."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder}/db/homeport.sqlite"
        migrate(url)
        self.database = Database(url)
        self.log_dir = folder / "log"
        self.log_dir.mkdir()

    def log(self, hour: int, *, requests: int = 1, ending: bytes = b"\n") -> Path:
        path = self.log_dir / f"requests-2026-01-02T{hour:02}.log"
        line = json.dumps({"ecosystem": "pip", "cache": "HIT", "sent": "10", "fetched": ""}).encode()
        with path.open("ab") as file:
            file.write((line + b"\n") * (requests - 1) + line + ending)
        moment = NOW.replace(hour=hour, minute=59).timestamp()
        os.utime(path, (moment, moment))
        return path

    def turn(self) -> None:
        duty.add_new_traffic(self.database, self.log_dir, lambda: NOW, keep_s=KEEP_S)

    def total(self) -> CacheTraffic:
        with self.database.read() as conn:
            return cache_totals(conn)[Ecosystem.PIP].traffic

    def files(self) -> list[str]:
        return sorted(path.name[-6:-4] for path in self.log_dir.iterdir())


@pytest.fixture
def caches(tmp_path: Path) -> Iterator[Caches]:
    caches = Caches(tmp_path)
    yield caches
    caches.database.close()


def test_every_line_is_counted_once(caches: Caches) -> None:
    caches.log(8, requests=3)
    caches.turn()
    caches.turn()
    caches.log(8)
    caches.log(9)
    caches.turn()

    assert caches.total() == CacheTraffic(requests=5, hits=5, bytes_served=50)


def test_a_steward_that_dies_before_it_has_stored_counts_again_what_was_not_stored(
    caches: Caches, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches.log(8, requests=3)
    with monkeypatch.context() as patched:
        patched.setattr(duty, "add_traffic", _die)
        with pytest.raises(KeyError):
            caches.turn()

    caches.turn()

    assert caches.total().requests == 3


def _die(*_: object) -> None:
    raise KeyError


def test_a_log_longer_than_one_turn_takes_is_counted_whole(
    caches: Caches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duty, "_AT_ONCE", 500)
    caches.log(8, requests=100)

    caches.turn()

    assert caches.total().requests == 100


def test_old_files_go_when_they_are_counted(caches: Caches) -> None:
    caches.log(3, requests=2)
    caches.log(5, ending=b"")
    caches.log(8)

    caches.turn()

    assert caches.files() == ["08"]
    assert caches.total().requests == 3


def test_of_a_large_log_the_oldest_files_go_when_they_are_counted_and_the_newest_stays(
    caches: Caches, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = caches.log(9).stat().st_size * 10
    monkeypatch.setattr(duty, "_MOST_BYTES", bound)
    for hour, requests in ((7, 1), (8, 5), (9, 4)):
        caches.log(hour, requests=requests)
    caches.turn()
    fits = caches.files()
    caches.log(9, requests=20)
    caches.turn()

    assert (fits, caches.files()) == (["08", "09"], ["09"])
    assert caches.total().requests == 31


def test_a_running_build_has_its_figures_from_what_is_left_of_a_large_log(
    caches: Caches, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches.log(7)
    meter = TrafficMeter(caches.log_dir)
    meter.begin()
    caches.log(7, requests=2)
    caches.log(8, requests=3)
    monkeypatch.setattr(duty, "_MOST_BYTES", 1)

    caches.turn()

    assert meter.finish()[Ecosystem.PIP].requests == 3
    assert caches.total().requests == 6


def test_without_the_folder_the_totals_stay(caches: Caches) -> None:
    caches.log(8)
    caches.turn()
    away = caches.log_dir.rename(caches.log_dir.parent / "away")
    caches.turn()
    away.rename(caches.log_dir)

    caches.turn()

    assert caches.total().requests == 1


def test_a_file_that_was_emptied_goes_on_from_its_beginning(caches: Caches) -> None:
    path = caches.log(8, requests=3)
    caches.turn()
    path.write_bytes(b"")
    caches.turn()
    caches.log(8)

    caches.turn()

    assert caches.total().requests == 4


def test_what_the_caches_hold_is_written_down(caches: Caches, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, run_dir=tmp_path, catalog_dir=tmp_path)
    folder = settings.caches_dir / "nginx" / Ecosystem.GEM / "a" / "bc"
    folder.mkdir(parents=True)
    (folder / ("0" * 32)).write_bytes(bytes(8192))

    duty.record_cache_sizes(caches.database, settings)

    with caches.database.read() as conn:
        totals = cache_totals(conn)
    assert (totals[Ecosystem.GEM].size_bytes, totals[Ecosystem.GEM].files) == (8192, 1)
    assert (totals[Ecosystem.NPM].size_bytes, totals[Ecosystem.NPM].files) == (0, 0)


def test_the_totals_are_figures_for_prometheus(caches: Caches) -> None:
    caches.log(8, requests=3)
    caches.turn()
    with caches.database.read() as conn:
        totals = {ecosystem: total.traffic for ecosystem, total in cache_totals(conn).items()}

    text = render_caches(totals, {Ecosystem.PIP: 8192, Ecosystem.GEM: None})

    assert "# TYPE homeport_cache_requests_total counter\n" in text
    assert 'homeport_cache_hits_total{ecosystem="pip"} 3.0\n' in text
    assert 'homeport_cache_served_bytes_total{ecosystem="pip"} 30.0\n' in text
    assert 'homeport_cache_fetched_bytes_total{ecosystem="gem"} 0.0\n' in text
    assert "# TYPE homeport_cache_size_bytes gauge\n" in text
    assert 'homeport_cache_size_bytes{ecosystem="pip"} 8192.0\n' in text
    assert 'homeport_cache_size_bytes{ecosystem="gem"}' not in text
