"""The caches' log of requests as files: hours that change, lines that are not finished, files that vanish."""

import json
import os
from pathlib import Path

import pytest

from build_cache.traffic import TrafficMeter, log_end, read_since
from homeport.caches import CacheTraffic, Ecosystem


def line(sent: int = 1, *, cache: str = "HIT", ecosystem: str = "apt") -> bytes:
    request = {"ecosystem": ecosystem, "status": "200", "cache": cache, "sent": str(sent), "fetched": "-"}
    return json.dumps(request).encode() + b"\n"


def append(folder: Path, hour: str, *lines: bytes) -> Path:
    path = folder / f"requests-2026-01-02T{hour}.log"
    with path.open("ab") as file:
        file.write(b"".join(lines))
    return path


def served(found: dict[Ecosystem, CacheTraffic]) -> int:
    return found.get(Ecosystem.APT, CacheTraffic()).bytes_served


@pytest.fixture
def meter(tmp_path: Path) -> TrafficMeter:
    return TrafficMeter(tmp_path)


def test_only_what_comes_after_the_beginning_counts(tmp_path: Path, meter: TrafficMeter) -> None:
    append(tmp_path, "03", line(1000))
    meter.begin()
    append(tmp_path, "03", line(1), line(2))

    assert meter.finish() == {Ecosystem.APT: CacheTraffic(requests=2, hits=2, bytes_served=3)}


def test_the_hour_may_change_meanwhile(tmp_path: Path, meter: TrafficMeter) -> None:
    append(tmp_path, "03", line(1000))
    meter.begin()
    append(tmp_path, "03", line(1))
    append(tmp_path, "04", line(2))
    append(tmp_path, "05", line(4))

    assert served(meter.finish()) == 7


def test_a_clock_that_was_set_back_hides_nothing(tmp_path: Path, meter: TrafficMeter) -> None:
    append(tmp_path, "09", line(1000))
    meter.begin()
    append(tmp_path, "02", line(1))

    assert served(meter.finish()) == 1


def test_a_folder_that_is_made_meanwhile_counts(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    meter = TrafficMeter(folder)
    meter.begin()
    folder.mkdir()
    append(folder, "03", line(1))

    assert served(meter.finish()) == 1


def test_without_a_folder_nothing_was_used(tmp_path: Path) -> None:
    meter = TrafficMeter(tmp_path / "none")
    meter.begin()

    assert meter.finish() == {}


def test_an_unfinished_line_is_counted_when_it_is_whole(tmp_path: Path) -> None:
    append(tmp_path, "03", line(1), line(2)[:20])
    first, position = read_since(tmp_path, None)
    append(tmp_path, "03", line(2)[20:])

    second, _ = read_since(tmp_path, position)

    assert (served(first), served(second)) == (1, 2)


def test_a_file_that_was_made_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = append(tmp_path, "03", line(1), line(1))
    _, position = read_since(tmp_path, None)
    path.write_bytes(line(5))

    found, _ = read_since(tmp_path, position)

    assert served(found) == 5


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    append(tmp_path, "03", line(1), b"x" * 300_000 + b"\n", line(2))

    found, position = read_since(tmp_path, None)

    assert served(found) == 3
    assert position == log_end(tmp_path)


def test_a_long_log_is_read_piece_by_piece(tmp_path: Path) -> None:
    append(tmp_path, "03", *[line(1)] * 50)
    append(tmp_path, "04", *[line(1)] * 50)
    counts, position = [], None
    while position != log_end(tmp_path):
        found, position = read_since(tmp_path, position, most_bytes=1000)
        counts.append(served(found))

    assert sum(counts) == 100
    assert max(counts) < 20


def test_a_folder_that_is_gone_for_a_while_is_not_counted_again(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    append(folder, "03", line(1))
    _, position = read_since(folder, None)
    folder.rename(tmp_path / "away")
    _, position = read_since(folder, position)
    (tmp_path / "away").rename(folder)

    found, _ = read_since(folder, position)

    assert found == {}


def test_links_and_pipes_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    elsewhere = append(tmp_path, "01", line(1000))
    (folder / "requests-2026-01-02T01.log").symlink_to(elsewhere)
    os.mkfifo(folder / "requests-2026-01-02T02.log")
    append(folder, "03", line(1))

    assert served(read_since(folder, None)[0]) == 1


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "error.log").write_bytes(line(1000))

    assert read_since(tmp_path, None) == ({}, {})
