import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from build_cache.content_tag import content_tag
from homeport.catalog.loaded import BuildSpec
from homeport.errors import BuildFailedError, ForeignObjectError


def _tag(context: Path, *, version: str = "1.0", service: str = "web", dockerfile: str = "Dockerfile") -> str:
    spec = BuildSpec(context=context, dockerfile=dockerfile)
    return content_tag(definition="wiki", service=service, version=version, spec=spec, upon={})


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


def test_target_arguments_labels_folders_and_what_is_built_upon_each_change_the_tag(
    context: Path, tmp_path: Path
) -> None:
    plain = BuildSpec(context=context, dockerfile="Dockerfile")
    further = tmp_path / "further"
    further.mkdir()
    specs = [
        plain,
        replace(plain, target="run"),
        replace(plain, args={"A": "1"}),
        replace(plain, labels={"A": "1"}),
        replace(plain, folders={"files": further}),
    ]

    tags = [
        content_tag(definition="wiki", service="web", version="1", spec=spec, upon=upon)
        for spec, upon in [
            *((spec, {}) for spec in specs),
            (plain, {"base": "homeport/wiki-base:1-a"}),
            (plain, {"base": "homeport/wiki-base:1-b"}),
        ]
    ]
    (further / "new").write_text("x")
    tags.append(content_tag(definition="wiki", service="web", version="1", spec=specs[-1], upon={}))

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
