"""Storing uploads on a real disk, a full one among them."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from homeport.catalog.archive import unpack_archive
from homeport.cli.packing import PackedFolder
from homeport.errors import DiskFullError, PayloadTooLargeError, StalledError
from homeport.state import uploads
from homeport.state.uploads import remove_upload, store_upload, upload_path

MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "homeport-test", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def pieces(count: int, then: BaseException | None = None) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * 64 * 1024
    if then is not None:
        raise then


def store(folder: Path, body: AsyncIterator[bytes], *, max_bytes: int = 100 * MIB) -> Path:
    return asyncio.run(store_upload(folder, "u", body, max_bytes=max_bytes, spare_bytes=0))


def test_what_comes_in_pieces_is_stored_whole_and_removed_once(tmp_path: Path) -> None:
    path = store(tmp_path, pieces(40))

    assert path == upload_path(tmp_path, "u")
    assert path.read_bytes() == b"".join(bytes([number]) * 64 * 1024 for number in range(40))
    for _ in range(2):
        remove_upload(tmp_path, "u")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_gets_its_space_back(small_disk: Path) -> None:
    with pytest.raises(DiskFullError) as caught:
        store(small_disk, pieces(100))

    assert caught.value.facts["path"] == str(small_disk)
    assert list(small_disk.iterdir()) == []


def test_an_archive_that_does_not_fit_unpacked_is_told_and_leaves_nothing(
    small_disk: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "large").write_bytes(b"x" * 5 * MIB)
    archive = tmp_path / "large.tar"
    archive.write_bytes(b"".join(PackedFolder(folder)))

    with pytest.raises(DiskFullError):
        unpack_archive(archive, small_disk / "context", max_bytes=10 * MIB, max_files=10)

    assert list(small_disk.iterdir()) == []


def test_unpacking_stops_while_what_the_box_needs_is_still_free(small_disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "small").write_bytes(b"x" * MIB)
    archive = tmp_path / "small.tar"
    archive.write_bytes(b"".join(PackedFolder(folder)))
    bounds = {"max_bytes": 10 * MIB, "max_files": 10}

    with pytest.raises(DiskFullError, match="too full"):
        unpack_archive(archive, small_disk / "context", **bounds, spare_bytes=7 * MIB // 2)
    left = list(small_disk.iterdir())
    unpack_archive(archive, small_disk / "context", **bounds, spare_bytes=2 * MIB)

    assert left == []
    assert (small_disk / "context" / "small").stat().st_size == MIB


@pytest.mark.parametrize("failure", [ConnectionResetError("gone"), asyncio.CancelledError()])
def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)):
        store(tmp_path, pieces(40, failure))

    assert list(tmp_path.iterdir()) == []


def test_one_byte_too_many_is_too_large(tmp_path: Path) -> None:
    store(tmp_path, pieces(2), max_bytes=128 * 1024)
    remove_upload(tmp_path, "u")

    with pytest.raises(PayloadTooLargeError):
        store(tmp_path, pieces(2), max_bytes=128 * 1024 - 1)

    assert list(tmp_path.iterdir()) == []


def test_a_sender_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_STALL_S", 0.05)

    async def silent() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.Event().wait()

    with pytest.raises(StalledError):
        store(tmp_path, silent())

    assert list(tmp_path.iterdir()) == []
