import pytest

from build_cache.labels import final_base, image_labels
from homeport import __version__

OCI = "org.opencontainers.image."


def test_an_image_says_what_it_is_and_who_built_it() -> None:
    labels = image_labels(b"FROM x", {"a": "b"}, title="Wiki", version="2", base="debian:12")

    assert labels == {
        "a": "b",
        f"{OCI}title": "Wiki",
        f"{OCI}version": "2",
        f"{OCI}base.name": "debian:12",
        "homeport.built": "true",
        "homeport.builder": __version__,
    }


def test_what_the_dockerfile_says_itself_is_left_to_it_and_what_is_not_known_is_left_out() -> None:
    labels = image_labels(b"LABEL org.opencontainers.image.title=Mine", {}, title="Ours", version="", base="")

    assert not [name for name in labels if name.startswith(OCI)]


@pytest.mark.parametrize(
    ("dockerfile", "target", "base"),
    [
        ("FROM debian:12", "", "debian:12"),
        ("FROM node AS build\nFROM debian:12", "", "debian:12"),
        ("FROM node AS build\nFROM debian:12", "build", "node"),
        ("FROM node AS one\nFROM one AS two\nFROM two", "", "node"),
        ("ARG V=12\nFROM debian:$V", "", "debian:13"),
        ("FROM scratch", "", ""),
        ("RUN no from at all", "", ""),
    ],
)
def test_the_base_is_that_of_the_stage_that_is_built(dockerfile: str, target: str, base: str) -> None:
    assert final_base(dockerfile.encode(), {"V": "13"}, target) == base
