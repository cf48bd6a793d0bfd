import pytest
from hypothesis import given
from hypothesis import strategies as st

from build_cache.dockerfile import base_images


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM debian:bookworm-slim\nRUN true", ["debian:bookworm-slim"]),
        (
            "from debian AS build\nFROM --platform=linux/amd64 nginx\nCOPY --from=build / /\nFROM build",
            ["debian", "nginx"],
        ),
        ("FROM scratch\nCOPY x /", []),
        ("ARG TAG=1\nARG NAME=acme/$TAG\nFROM ${NAME}:${TAG}", ["acme/1:1"]),
        ('ARG BASE="debian:12"\nFROM $BASE', ["debian:12"]),
        ("FROM ${BASE:-debian}:${TAG-1}", ["debian:1"]),
        ("FROM debian${TAG:+:12}", ["debian"]),
        ("# FROM nothing\nFROM \\\n  # why\n\n  debian \\\n  AS x\nFROM x", ["debian"]),
        ("# escape=`\nFROM `\n debian", ["debian"]),
        ("FROM debian\nRUN <<EOF\nFROM inside\nEOF\nFROM nginx", ["debian", "nginx"]),
        ("FROM debian\r\nFROM nginx\r\n", ["debian", "nginx"]),
        ("FROM a\nFROM a", ["a"]),
        ("FROM a AS b\nCOPY --from=b x /\nCOPY --from=0 x /\nCOPY --chown=1 --from=c:2 x /", ["a", "c:2"]),
        ("ARG T=1\nFROM a\nRUN --mount=type=bind,from=d:$T,target=/x y\nRUN z --mount=from=e", ["a", "d:1"]),
        ("FROM a\nCOPY <<EOF /\nFROM b\nEOF\nENV C d e", ["a"]),
        ("", []),
    ],
)
def test_base_images_are_what_from_lines_name(text: str, images: list[str]) -> None:
    assert base_images(text) == images


def test_build_arguments_win_over_defaults() -> None:
    assert base_images("ARG TAG=12\nFROM debian:$TAG", {"TAG": "13"}) == ["debian:13"]


def test_an_argument_of_a_stage_does_not_reach_the_next_from() -> None:
    assert base_images("FROM debian\nARG TAG=1\nFROM nginx:${TAG:-2}") == ["debian", "nginx:2"]


@given(st.text(max_size=300))
def test_no_text_is_an_error(text: str) -> None:
    assert isinstance(base_images(text), list)
