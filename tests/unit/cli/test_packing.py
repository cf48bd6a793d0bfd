"""A folder that is packed while it is sent arrives as it was."""

import os
import socket
from pathlib import Path

import pytest

from homeport.catalog.archive import unpack_archive
from homeport.cli.packing import PackedFolder
from homeport.errors import InvalidInputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "web" / "leer").mkdir(parents=True)
    (folder / "Dockerfile").write_bytes(b"FROM scratch\n")
    (folder / "web" / "größe.txt").write_bytes(b"x" * 100_001)
    (folder / "web" / ("n" * 150)).write_bytes(b"y" * 512)
    (folder / "web" / "empty").touch()
    (folder / "run.sh").write_bytes(b"#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("web/empty")
    for git in (folder / ".git", folder / "web" / ".git"):
        git.mkdir()
        (git / "HEAD").write_bytes(b"ref")
    return folder


def test_what_is_packed_is_unpacked_as_it_was_without_its_history(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "app.tar"
    archive.write_bytes(b"".join(PackedFolder(folder)))

    unpack_archive(archive, tmp_path / "got", max_bytes=10**6, max_files=100)

    sent, got = _seen(folder), _seen(tmp_path / "got")
    assert got == {name: what for name, what in sent.items() if ".git" not in name.split("/")}
    assert len(got) == 8


def test_the_length_is_known_before(folder: Path) -> None:
    packed = PackedFolder(folder)

    assert len(packed) == sum(len(piece) for piece in packed)


def test_the_same_content_is_the_same_bytes_wherever_and_whenever_it_lies(
    folder: Path, tmp_path: Path
) -> None:
    before = b"".join(PackedFolder(folder))
    moved = folder.rename(tmp_path / "moved")
    for path in [moved, *moved.rglob("*")]:
        os.utime(path, (1, 1), follow_symlinks=False)

    assert b"".join(PackedFolder(moved)) == before


def test_a_socket_cannot_be_sent_and_is_named(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))

        with pytest.raises(InvalidInputError, match="s cannot be sent"):
            PackedFolder(folder)


def test_a_file_that_becomes_shorter_meanwhile_is_named(folder: Path) -> None:
    packed = PackedFolder(folder)
    (folder / "Dockerfile").write_bytes(b"")

    with pytest.raises(InvalidInputError, match="Dockerfile cannot be sent"):
        list(packed)


def _seen(folder: Path) -> dict[str, tuple[str, bytes]]:
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", os.fsencode(path.readlink()))
        elif path.is_file():
            found[name] = ("program" if path.stat().st_mode & 0o111 else "file", path.read_bytes())
        else:
            found[name] = ("folder", b"")
    return found
