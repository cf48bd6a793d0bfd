"""Reading a build's source from real folders."""

from pathlib import Path

import pytest

from build_cache.context import read_source, sent_files
from homeport.errors import BuildFailedError, ContextTooLargeError, ForeignObjectError


def _fill(folder: Path, **sizes: int) -> Path:
    for name, size in sizes.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    return folder


def _sent(folder: Path, ignore: str) -> set[str]:
    return {path for path, _ in sent_files(folder, ignore.encode())}


def test_what_is_ignored_is_not_sent(tmp_path: Path) -> None:
    _fill(tmp_path, a=1, media__film=1, media__poster=1, src__x__y=1, src__z=1)

    assert _sent(tmp_path, "") == {"a", "media/film", "media/poster", "src/x/y", "src/z"}
    assert _sent(tmp_path, "# a comment\nmedia\n\n") == {"a", "src/x/y", "src/z"}
    assert _sent(tmp_path, "/media/\n**/z") == {"a", "src/x/y"}
    assert _sent(tmp_path, "*\n!src/x") == {"src/x/y"}


def test_a_link_is_sent_as_a_link_and_leads_nowhere(tmp_path: Path) -> None:
    outside = _fill(tmp_path / "outside", large=5000)
    context = _fill(tmp_path / "context", Dockerfile=1)
    (context / "link").symlink_to(outside)
    (context / "loop").symlink_to(context)

    source = read_source("web", context, "Dockerfile", limit_bytes=1000)

    assert source.files == {"Dockerfile", "link", "loop"}


def test_a_context_that_is_too_large_names_its_largest_parts_and_not_what_is_ignored(tmp_path: Path) -> None:
    _fill(tmp_path, Dockerfile=1, big__one=600, big__two=700, small=10, left=9000)
    (tmp_path / ".dockerignore").write_text("left")

    with pytest.raises(ContextTooLargeError) as raised:
        read_source("web", tmp_path, "Dockerfile", limit_bytes=1000)

    assert raised.value.facts["largest"][:2] == [
        {"path": "big/", "bytes": 1300},
        {"path": "small", "bytes": 10},
    ]
    assert read_source("web", tmp_path, "Dockerfile", limit_bytes=2000).own_ignore is None


def test_the_dockerfile_s_own_ignore_file_wins(tmp_path: Path) -> None:
    _fill(tmp_path, docker__Web=1, a=1, b=1)
    (tmp_path / ".dockerignore").write_text("a")
    (tmp_path / "docker" / "Web.dockerignore").write_text("b")

    source = read_source("web", tmp_path, "docker/Web", limit_bytes=1000)

    assert source.own_ignore == b"b"
    assert "a" in source.files
    assert "b" not in source.files


def test_a_dockerfile_is_needed_within_the_context_and_of_a_size_that_can_be_one(tmp_path: Path) -> None:
    _fill(tmp_path, outside=1)
    context = _fill(tmp_path / "context", huge=5 * 1024 * 1024)

    with pytest.raises(BuildFailedError, match="missing"):
        read_source("web", context, "Dockerfile", limit_bytes=10**9)
    with pytest.raises(BuildFailedError):
        read_source("web", context, "huge", limit_bytes=10**9)
    with pytest.raises(ForeignObjectError):
        read_source("web", context, "../outside", limit_bytes=10**9)
