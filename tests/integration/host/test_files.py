import os
import stat
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from homeport.errors import DiskFullError, ForeignObjectError, InvalidInputError
from homeport.host.disk import free_bytes, require_space
from homeport.host.files import contained, read_bounded, remove_tree, write_atomic


def test_a_file_gets_its_content_mode_and_owner_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "token"
    before = os.umask(0o077)
    try:
        write_atomic(path, "grüße\n", mode=0o640, owner=(12345, 54321))
    finally:
        os.umask(before)

    found = path.stat()
    assert path.read_text(encoding="utf-8") == "grüße\n"
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, 12345, 54321)


def test_a_reader_sees_the_old_content_or_the_new_and_nothing_between(tmp_path: Path) -> None:
    path = tmp_path / "routes"
    whole = {b"a" * 500_000, b"b" * 500_000}
    write_atomic(path, b"a" * 500_000)
    seen: set[bytes] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(30):
        write_atomic(path, (b"b" if number % 2 else b"a") * 500_000)
    ended.set()
    reader.join()

    assert seen <= whole


def test_a_link_in_the_file_s_place_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("theirs")
    link = tmp_path / "link"
    link.symlink_to(target)

    write_atomic(link, "ours")

    assert target.read_text() == "theirs"
    assert not link.is_symlink()


def test_a_full_disk_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=True)
    try:
        path = tmp_path / "file"
        write_atomic(path, "old")

        with pytest.raises(DiskFullError) as raised:
            write_atomic(path, b"x" * 200_000)

        assert raised.value.facts["needed_bytes"] == 200_000
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")

    assert read_bounded(path, 5) == b"12345"
    with pytest.raises(InvalidInputError):
        read_bounded(path, 4)


def test_reading_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(InvalidInputError):
        read_bounded(tmp_path / "fifo", 100)


@pytest.mark.parametrize("escape", ["../outside", "/etc/passwd", "a/../../outside", "link/x"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, escape: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)

    with pytest.raises(ForeignObjectError):
        contained(Path(escape), inside)


def test_a_path_inside_is_resolved(tmp_path: Path) -> None:
    assert contained(Path("a/./b"), tmp_path) == (tmp_path / "a" / "b").resolve()


def test_a_tree_is_removed_and_what_its_links_point_to_is_not(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "photo").write_text("dear")
    tree = tmp_path / "projects" / "wiki"
    (tree / "data").mkdir(parents=True)
    (tree / "data" / "link").symlink_to(outside)
    (tree / "file").write_text("x")

    remove_tree(tree, within=tmp_path / "projects")
    remove_tree(tree, within=tmp_path / "projects")

    assert not tree.exists()
    assert (outside / "photo").read_text() == "dear"


def test_a_link_in_the_tree_s_place_is_removed_itself(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    projects = tmp_path / "projects"
    projects.mkdir()
    (projects / "wiki").symlink_to(outside)

    remove_tree(projects / "wiki", within=projects)

    assert outside.is_dir()
    assert not (projects / "wiki").is_symlink()


@pytest.mark.parametrize(
    "path", ["projects", "projects/..", "elsewhere", "projects/../elsewhere", "projects/link/x"]
)
def test_nothing_outside_is_removed(tmp_path: Path, path: str) -> None:
    (tmp_path / "projects").mkdir()
    (tmp_path / "elsewhere" / "x").mkdir(parents=True)
    (tmp_path / "projects" / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ForeignObjectError):
        remove_tree(tmp_path / path, within=tmp_path / "projects")

    assert (tmp_path / "elsewhere" / "x").is_dir()


def test_a_tree_in_which_something_is_mounted_is_left_alone(tmp_path: Path) -> None:
    mounted = tmp_path / "projects" / "wiki" / "usb"
    mounted.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(mounted)], check=True)
    try:
        (mounted / "photo").write_text("dear")

        with pytest.raises(ForeignObjectError):
            remove_tree(tmp_path / "projects" / "wiki", within=tmp_path / "projects")

        assert (mounted / "photo").read_text() == "dear"
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_what_another_user_wrote_is_told_with_the_command_that_removes_it() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        theirs = project / "my data"
        theirs.mkdir()
        (theirs / "page").touch()  # root's, as a container's
        project.chmod(0o755)
        os.chown(project, 65534, 65534)

        os.seteuid(65534)
        try:
            with pytest.raises(ForeignObjectError) as caught:
                remove_tree(theirs, within=project)
        finally:
            os.seteuid(0)

        assert f"sudo rm -r '{theirs}'" in caught.value.remedy
        assert (theirs / "page").exists()


def test_space_is_asked_for_where_a_folder_will_be(tmp_path: Path) -> None:
    place = tmp_path / "not" / "yet"

    assert free_bytes(place) > 0
    require_space(place, 1)
    with pytest.raises(DiskFullError) as raised:
        require_space(place, 10**18)
    assert raised.value.facts["needed_bytes"] == 10**18
