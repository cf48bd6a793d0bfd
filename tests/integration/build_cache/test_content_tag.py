import os
import re
from pathlib import Path

import pytest

from build_cache.content_tag import content_tag
from homeport.errors import BuildFailedError, ForeignObjectError


def _tag(context: Path, *, version: str = "1.0", service: str = "web", dockerfile: str = "Dockerfile") -> str:
    return content_tag(
        definition="wiki", service=service, version=version, context=context, dockerfile=dockerfile, args={}
    )


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "conf").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM debian\n")
    (folder / "conf" / "php.ini").write_text("a=1\n")
    return folder


def test_a_tag_names_definition_service_version_and_content(context: Path) -> None:
    assert re.fullmatch(r"homeport/wiki-web:1\.0-[0-9a-f]{12}", _tag(context))


def test_the_same_content_elsewhere_and_later_has_the_same_tag(context: Path, tmp_path: Path) -> None:
    before = _tag(context)
    os.utime(context / "conf" / "php.ini", (1, 1))
    moved = context.rename(tmp_path / "moved")

    assert _tag(moved) == before


def test_content_mode_name_and_links_each_change_the_tag(context: Path) -> None:
    tags = [_tag(context)]
    (context / "conf" / "php.ini").write_text("a=2\n")
    tags.append(_tag(context))
    (context / "conf" / "php.ini").chmod(0o755)
    tags.append(_tag(context))
    (context / "conf" / "php.ini").rename(context / "conf" / "other.ini")
    tags.append(_tag(context))
    (context / "link").symlink_to("one")
    tags.append(_tag(context))
    (context / "link").unlink()
    (context / "link").symlink_to("two")
    tags.append(_tag(context))
    (context / "empty").mkdir()
    tags.append(_tag(context))

    assert len(set(tags)) == len(tags)


def test_a_link_out_of_the_context_is_not_followed(context: Path, tmp_path: Path) -> None:
    (context / "link").symlink_to(tmp_path)
    before = _tag(context)

    (tmp_path / "outside").write_text("x")

    assert _tag(context) == before


def test_a_fifo_is_not_waited_for(context: Path) -> None:
    os.mkfifo(context / "fifo")

    assert _tag(context)


def test_odd_versions_and_service_names_make_a_tag_that_docker_takes(context: Path) -> None:
    tag = _tag(context, version="1.0+build/7 ü" + "x" * 300, service="Web_Server.1")

    name, _, label = tag.partition(":")
    assert name == "homeport/wiki-web-server-1"
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", label)


def test_a_dockerfile_outside_the_context_is_refused(context: Path, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x")

    with pytest.raises(ForeignObjectError):
        _tag(context, dockerfile="../Dockerfile")


def test_a_missing_dockerfile_or_context_is_told(context: Path) -> None:
    with pytest.raises(BuildFailedError, match="missing"):
        _tag(context, dockerfile="Other")
    with pytest.raises(BuildFailedError, match="missing"):
        _tag(context / "absent")
