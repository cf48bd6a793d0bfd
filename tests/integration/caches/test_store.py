"""Giving back what the caches hold, while nginx runs."""

import os
from pathlib import Path

import pytest

from build_cache.caches.store import REMAKE_MARKER, cache_sizes, forget_served, trim_caches
from homeport.caches import Ecosystem
from homeport.errors import CancelledError
from tests.harness.upstream import Fault, Upstream
from tests.integration.caches.conftest import CacheBox, Cancelled, Going


def fill(box: CacheBox) -> list[str]:
    """Fetches all gems; their paths, the least recently used first."""
    upstream_paths = [
        "/gems/lantern-media-1.2.0.gem",
        "/gems/lantern-parser-1.2.0.gem",
        "/gems/lantern-core-1.2.0.gem",
    ]
    for moment, path in enumerate(upstream_paths):
        before = set(box.stored(Ecosystem.GEM))
        assert box.get(Ecosystem.GEM, path).ok
        for file in set(box.stored(Ecosystem.GEM)) - before:
            os.utime(file, (1_700_000_000 + moment, 1_700_000_000 + moment))
    return upstream_paths


def test_a_trim_removes_the_least_recently_used_and_nginx_fetches_it_again(
    box: CacheBox, line: Upstream
) -> None:
    oldest, *others = fill(box)
    before = cache_sizes(box.settings)
    line.reset()

    found = trim_caches(box.settings, to_bytes=1024 * 1024, ecosystems=[Ecosystem.GEM], control=Going())[
        Ecosystem.GEM
    ]

    assert (found.before_bytes, found.removed_files) == (before[Ecosystem.GEM].bytes, 1)
    assert found.after_bytes == cache_sizes(box.settings)[Ecosystem.GEM].bytes <= 1024 * 1024
    assert all(box.get(Ecosystem.GEM, path).ok for path in others)
    assert line.served(Ecosystem.GEM) == []
    assert box.get(Ecosystem.GEM, oldest).ok


def test_a_trim_to_nothing_leaves_the_other_ecosystems_alone(box: CacheBox) -> None:
    fill(box)
    box.get(Ecosystem.NPM, "/lantern-media")

    trim_caches(box.settings, to_bytes=0, ecosystems=[Ecosystem.GEM], control=Going())

    sizes = cache_sizes(box.settings)
    assert (sizes[Ecosystem.GEM].files, sizes[Ecosystem.NPM].files) == (0, 1)


def test_a_download_that_is_under_way_is_left_alone(box: CacheBox) -> None:
    fill(box)
    folder = box.stored(Ecosystem.GEM)[0].parent
    half = folder / f"{'a' * 32}.0000000042"
    half.write_bytes(b"half")

    trim_caches(box.settings, to_bytes=0, ecosystems=[Ecosystem.GEM], control=Going())

    assert box.stored(Ecosystem.GEM) == [half]


def test_a_cancelled_trim_stops(box: CacheBox) -> None:
    fill(box)

    with pytest.raises(CancelledError):
        trim_caches(box.settings, to_bytes=0, ecosystems=[Ecosystem.GEM], control=Cancelled())

    assert len(box.stored(Ecosystem.GEM)) == 3


def test_devpis_store_goes_as_a_whole(box: CacheBox) -> None:
    store = box.settings.caches_dir / "devpi" / "server"
    store.mkdir(parents=True)
    (store / "wheel").write_bytes(b"x" * 100_000)

    found = trim_caches(box.settings, to_bytes=0, ecosystems=[Ecosystem.PIP], control=Going())[Ecosystem.PIP]

    assert found.before_bytes >= 100_000
    assert found.after_bytes == 0
    assert (store.parent / REMAKE_MARKER).exists()


def test_a_trim_to_more_than_there_is_leaves_devpis_store_and_says_so(box: CacheBox) -> None:
    store = box.settings.caches_dir / "devpi" / "server"
    store.mkdir(parents=True)
    (store / "wheel").write_bytes(b"x" * 100_000)

    found = trim_caches(box.settings, to_bytes=2**30, ecosystems=[Ecosystem.PIP], control=Going())[
        Ecosystem.PIP
    ]

    assert found.after_bytes == found.before_bytes >= 100_000
    assert (found.after_files, found.removed_files) == (1, 0)
    assert not (store.parent / REMAKE_MARKER).exists()


def test_caches_that_never_ran_hold_nothing(tmp_path: Path) -> None:
    box = CacheBox(tmp_path, None)

    assert {size.bytes for size in cache_sizes(box.settings).values()} == {0}
    trimmed = trim_caches(box.settings, to_bytes=0, ecosystems=list(Ecosystem), control=Going())
    assert {found.removed_files for found in trimmed.values()} == {0}


@pytest.mark.parametrize(
    ("ecosystem", "path"),
    [
        (Ecosystem.APT, "{apt}/pool/main/l/lantern-core/lantern-core_1.2.0_all.deb"),
        (Ecosystem.NPM, "/@lantern/lantern-words/-/lantern-words-1.2.0.tgz"),
        (Ecosystem.NPM, "/@lantern%2flantern-words"),
        (Ecosystem.GEM, "/gems/lantern-core-1.2.0.gem"),
        (Ecosystem.GEM, "/versions"),
    ],
)
def test_a_wrong_file_is_fetched_again_when_its_build_is_forgotten(
    box: CacheBox, line: Upstream, ecosystem: Ecosystem, path: str
) -> None:
    path = path.format(apt=line.url(Ecosystem.APT))
    line.fail(ecosystem, ".", Fault.WRONG, times=1)
    wrong = box.get(ecosystem, path).content
    assert box.get(ecosystem, path).content == wrong, "nobody but the client can tell"
    files = (box.settings.caches_dir / "log").glob("*.log")

    rows = [row for file in files for row in file.read_bytes().splitlines()]
    others = set(Ecosystem) - {ecosystem}

    kept = forget_served(box.settings, rows, ecosystems=others)
    removed = forget_served(box.settings, rows, ecosystems=[ecosystem])

    right = box.get(ecosystem, path)
    assert (kept, removed) == ({}, {ecosystem: 1})
    assert (right.status_code, right.content != wrong) == (200, True)
    assert box.get(ecosystem, path).content == right.content
