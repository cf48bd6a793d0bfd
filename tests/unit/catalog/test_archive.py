"""Archives that mean well are unpacked as they are; a corpus of evil ones is refused, and leaves nothing."""

import gzip
import io
import os
import random
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.catalog.archive import survey_archive, unpack_archive
from homeport.catalog.archive_tree import ArchiveTree
from homeport.errors import ArchiveRefusedError

MIB = 1024 * 1024
BOUNDS: dict[str, Any] = {"max_bytes": MIB, "max_files": 100}

Add = Callable[[tarfile.TarFile], None]


def entry(name: str, content: bytes = b"", **fields: Any) -> Add:
    """Adds an entry with any fields, sound or not."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    return lambda tar: tar.addfile(member, io.BytesIO(content) if content else None)


def folder(name: str) -> Add:
    return entry(name, type=tarfile.DIRTYPE, mode=0o755)


def link(name: str, target: str) -> Add:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> Add:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def packed(*entries: Add, form: int = tarfile.PAX_FORMAT, **options: Any) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form, **options) as tar:
        for add in entries:
            add(tar)
    return raw.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "upload.tar"
        path.write_bytes(content)
        return path

    return write


FILE = entry("Dockerfile", b"FROM scratch\n")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_sound_archive_is_unpacked_with_modes_of_our_own(
    archive: Callable[[bytes], Path], tmp_path: Path, form: int, pack: Callable[[bytes], bytes]
) -> None:
    long = "/".join(["a" * 40] * 4)
    content = packed(
        folder("./"),
        entry("./Dockerfile", b"FROM scratch\n", mode=0o4600, uid=4711),
        entry("run.sh", b"#!/bin/sh\n", mode=0o6777),
        folder("empty"),
        entry(long, b"x" * 3000),
        link("sub/up", "../run.sh"),
        hard_link("again", "run.sh"),
        form=form,
    )
    file, target = archive(pack(content)), tmp_path / "context"

    unpack_archive(file, target, **BOUNDS)

    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()}
    assert found == {"Dockerfile", "run.sh", long, "sub/up", "again"}
    assert survey_archive(file, **BOUNDS) == found - {"sub/up"}
    assert (target / "empty").is_dir()
    assert (target / "sub/up").read_bytes() == (target / "again").read_bytes() == b"#!/bin/sh\n"
    assert (target / long).read_bytes() == b"x" * 3000
    assert stat.S_IMODE((target / "Dockerfile").stat().st_mode) == 0o644
    assert stat.S_IMODE((target / "run.sh").stat().st_mode) == 0o755
    assert (target / "Dockerfile").stat().st_uid == os.getuid()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["context", "upload.tar"]


def test_an_archive_that_is_one_folder_is_taken_as_that_folder(
    archive: Callable[[bytes], Path], tmp_path: Path
) -> None:
    file = archive(packed(entry("app-1.0/app.yml", b"name: a\n"), link("app-1.0/l", "app.yml")))

    unpack_archive(file, tmp_path / "context", **BOUNDS)

    assert survey_archive(file, **BOUNDS) == {"app.yml"}
    assert (tmp_path / "context" / "l").read_bytes() == b"name: a\n"


EVIL: dict[str, bytes] = {
    "absolute name": packed(entry("/etc/cron.d/x", b"x")),
    "name that leads up": packed(FILE, entry("a/../../x", b"x")),
    "name that leads up and back": packed(FILE, entry("a/../x", b"x")),
    "link to an absolute name": packed(FILE, link("l", "/etc/passwd")),
    "link that leads out": packed(FILE, link("a/l", "../../x")),
    "link out of the one folder": packed(entry("top/Dockerfile", b"x"), link("top/l", "../top/Dockerfile")),
    "link that leads out by another": packed(
        FILE, folder("x/y/z"), link("x/y/z/up", "../../.."), link("m", "x/y/z/up/../Dockerfile")
    ),
    "link to itself": packed(FILE, link("l", "l")),
    "links in a circle": packed(FILE, link("a", "b"), link("b", "a/c")),
    "file through a link": packed(FILE, link("l", "/tmp"), entry("l/x", b"x")),
    "file through a link inside": packed(FILE, folder("d"), link("l", "d"), entry("l/x", b"x")),
    "link in a file's place": packed(FILE, link("Dockerfile", "/etc/passwd")),
    "link over a folder": packed(FILE, folder("d"), link("d", "Dockerfile")),
    "link under a folder that follows": packed(FILE, link("d", "x"), folder("d")),
    "file twice": packed(FILE, entry("./Dockerfile", b"RUN evil\n")),
    "file over a file's name": packed(entry("a", b"x"), entry("a/b", b"x")),
    "hard link out": packed(FILE, hard_link("h", "/etc/shadow")),
    "hard link up": packed(FILE, hard_link("h", "../../etc/shadow")),
    "hard link to what is not there": packed(FILE, hard_link("h", "absent")),
    "hard link to itself": packed(FILE, hard_link("h", "h")),
    "hard link to a link": packed(FILE, link("l", "Dockerfile"), hard_link("h", "l")),
    "hard link to a folder": packed(FILE, folder("d"), hard_link("h", "d")),
    "character device": packed(FILE, entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "block device": packed(FILE, entry("sda", type=tarfile.BLKTYPE, devmajor=8)),
    "pipe": packed(FILE, entry("pipe", type=tarfile.FIFOTYPE)),
    "unknown kind": packed(FILE, entry("odd", type=b"Z")),
    "sparse file": packed(
        FILE,
        entry("big", b"", pax_headers={"GNU.sparse.size": str(10**12), "GNU.sparse.map": "0,0"}),
    ),
    "control character": packed(FILE, entry("a\x1b[2Jb", b"x")),
    "name that is no text": packed(FILE, entry("a\udcff", b"x"), errors="surrogateescape", form=1),
    "part that is too long": packed(FILE, entry("a" * 256, b"x")),
    "name that is too long": packed(FILE, entry("/".join(["a" * 200] * 6), b"x")),
    "name that is too deep": packed(FILE, entry("/".join("a" * 70), b"x")),
    "too many entries": packed(*(entry(f"f{number}") for number in range(101))),
    "too many folders by their names": packed(*(entry(f"{n}/a/b/c/d/e") for n in range(20))),
    "contents too large": packed(entry("a", b"x" * 600_000), entry("b", os.urandom(600_000))),
    "size that is not there": packed(FILE)[:512],
    "header too large": packed(entry("a", b"x", pax_headers={"comment": "x" * 100_000})),
    "too many attributes": packed(
        entry("a", b"x", pax_headers={f"HOMEPORT.{number}": "x" for number in range(100)})
    ),
    "chain of headers": packed(FILE)[:1024]
    + packed(entry("a", b"x", pax_headers={"comment": "x"}))[:1024] * 2000,
    "size below zero": packed(entry("a", b"x", pax_headers={"size": "-512"})),
    "breaks off in a file": packed(entry("a", b"x" * 5000))[:2000],
    "breaks off between entries": packed(FILE)[:1024],
    "breaks off in gzip": gzip.compress(packed(entry("a", os.urandom(50_000))))[:30_000],
    "packed twice": gzip.compress(gzip.compress(packed(FILE))),
    "wrong checksum in gzip": gzip.compress(packed(FILE))[:-8] + b"\0" * 8,
    "goes on with noise": packed(FILE)[:1024] + random.Random(1).randbytes(4096),
    "no file": packed(folder("a")),
    "nothing": packed(),
    "empty": b"",
    "zeros": bytes(10_240),
    "noise": random.Random(2).randbytes(10_240),
    "a zip": b"PK\x03\x04" + bytes(2000),
}


@pytest.mark.parametrize("name", EVIL)
def test_what_must_not_be_unpacked_is_refused_and_leaves_nothing(
    archive: Callable[[bytes], Path], tmp_path: Path, name: str
) -> None:
    file = archive(EVIL[name])

    with pytest.raises(ArchiveRefusedError) as unpacking:
        unpack_archive(file, tmp_path / "context", **BOUNDS)
    with pytest.raises(ArchiveRefusedError) as looking:
        survey_archive(file, **BOUNDS)

    assert str(unpacking.value) == str(looking.value)
    assert unpacking.value.why
    assert unpacking.value.remedy
    assert unpacking.value.facts["entry"].isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["upload.tar"]


def test_a_refusal_names_the_entry(archive: Callable[[bytes], Path]) -> None:
    file = archive(EVIL["link that leads out by another"])

    with pytest.raises(ArchiveRefusedError, match="'m'") as caught:
        survey_archive(file, **BOUNDS)

    assert caught.value.facts == {"entry": "m"}


def test_a_bomb_is_refused_long_before_it_is_unpacked(archive: Callable[[bytes], Path]) -> None:
    bomb = archive(gzip.compress(packed(entry("zeros", bytes(64 * MIB)))))

    with pytest.raises(ArchiveRefusedError, match="too much"):
        survey_archive(bomb, max_bytes=10**12, max_files=10)


def test_an_archive_within_the_bounds_to_the_last_byte_passes(archive: Callable[[bytes], Path]) -> None:
    entries = [entry(f"f{number}", b"x" * 10) for number in range(100)]

    names = survey_archive(archive(packed(*entries)), max_bytes=1000, max_files=100)

    assert len(names) == 100


NAMES = st.sampled_from(["a", "b", "c"])
TARGETS = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=5).map("/".join)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(PATHS, st.one_of(st.none(), TARGETS)), min_size=1, max_size=8))
def test_no_archive_whose_links_pass_can_be_left_by_one(entries: list[tuple[str, str | None]]) -> None:
    tree = ArchiveTree(max_bytes=MIB, max_files=1000)
    real: dict[str, str] = {}
    try:
        for name, target in entries:
            member = tarfile.TarInfo(name)
            if target is not None:
                member.type, member.linkname = tarfile.SYMTYPE, target
                real[name] = target
            tree.add(member)
        tree.add(tarfile.TarInfo("file"))
        tree.finish()
    except ArchiveRefusedError:
        return

    for name in real:
        assert _followed(name, real) is not None, (name, real)


def _followed(name: str, links: dict[str, str]) -> list[str] | None:
    """Where the kernel would end, by the book: POSIX's pathname resolution; None where it leaves the root."""
    ahead, at = name.split("/"), list[str]()
    for _ in range(10_000):
        if not ahead:
            return at
        step, *ahead = ahead
        if step == "..":
            if not at:
                return None
            at.pop()
        elif step != ".":
            target = links.get("/".join([*at, step]))
            if target is None:
                at.append(step)
            else:
                ahead = [*target.split("/"), *ahead]
    return None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_bytes_that_were_tampered_with_are_refused_or_unpacked_inside(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sound = packed(FILE, folder("d"), entry("d/x", b"x" * 700), link("l", "d/x"), hard_link("h", "d/x"))
    broken = bytearray(sound)
    for place in data.draw(st.lists(st.integers(0, len(sound) - 1), min_size=1, max_size=4)):
        broken[place] = data.draw(st.integers(0, 255))
    base = tmp_path_factory.mktemp("tampered")
    (base / "upload.tar").write_bytes(bytes(broken))

    try:
        unpack_archive(base / "upload.tar", base / "context", **BOUNDS)
    except ArchiveRefusedError:
        assert [path.name for path in base.iterdir()] == ["upload.tar"]
        return

    root = (base / "context").resolve()
    assert all(path.resolve().is_relative_to(root) for path in root.rglob("*"))
    assert sorted(path.name for path in base.iterdir()) == ["context", "upload.tar"]
