"""An image of this box is found in every place and spelling, before a build and in a definition alike."""

import pytest

from build_cache.dockerfile import find_forbidden
from homeport.catalog.dockerfile.parse import readings_of
from homeport.catalog.dockerfile.rules import judge_dockerfile

OTHERS = "homeport/other-web:1-0123456789ab"


def lines_found(text: str, args: dict[str, str] | None = None, *contexts: str) -> list[tuple[str, int]]:
    """What a definition's reading and the look before a build find; they must agree."""
    refused = judge_dockerfile(readings_of(text.encode()), args or {}, contexts)
    found = [(one.keyword, one.line) for one in refused if one.rule == "image-local"]
    forbidden = find_forbidden(text.encode(), args or {}, contexts)
    assert (forbidden is not None and "image of this box" in forbidden.what) == bool(found)
    assert forbidden is None or forbidden.line == found[0][1]
    return found


@pytest.mark.parametrize(
    "name",
    [
        OTHERS,
        f"docker.io/{OTHERS}",
        f"index.docker.io/{OTHERS}",
        OTHERS.upper(),
        "Docker.io/Homeport/x",
        '"homeport/x"',
        "home'port'/x",
        "home\\port/x",
        "$NONE${NONE}homeport/x",
        "${NONE:-homeport/x}",
        "${NONE:-${NONE:-homeport}}/x",
        "${A:+homeport}/x",
        "${TARGETARCH:+homeport/x}",
        "${TARGETVARIANT:-homeport}/x",
        "${TARGETSTAGE}/x",
        "home${A%a}port/x",
        "${A/a/homeport}/x",
        "docker.io/${A#a}/x",
        "0123456789ab",
        f"sha256:{'a' * 64}",
    ],
)
def test_in_a_from_it_is_found_however_it_is_spelt(name: str) -> None:
    assert lines_found(f"ARG A=a\nFROM {name} AS x\nRUN true") == [("FROM", 2)]


@pytest.mark.parametrize(
    "line",
    [
        f"COPY --from={OTHERS} / /x",
        f"COPY --chown=1:1 --from='{OTHERS}' / /x",
        f'COPY --"from"={OTHERS} ["/", "/x"]',
        f"COPY --fr\\om=docker.io/{OTHERS} / /x",
        f"ADD --from={OTHERS} / /x",
        f"RUN --mount=from={OTHERS},target=/x true",
        f"RUN --mount=type=cache,target=/x,From={OTHERS} true",
        f"RUN --mount='\"from={OTHERS}\",target=/x' true",
        f"RUN --mount=target=/a --mount=type=bind,source=/,from={OTHERS},target=/x <<EOF\ntrue\nEOF",
        f"ONBUILD COPY --from={OTHERS} / /x",
        f"ONBUILD RUN --mount=from={OTHERS},target=/x true",
    ],
)
def test_it_is_found_wherever_an_instruction_names_an_image(line: str) -> None:
    assert lines_found(f"FROM a\n{line}") == [(line.partition(" ")[0], 2)]


def test_an_argument_that_is_given_counts_more_than_its_default() -> None:
    text = f"ARG BASE=debian:12\nARG OTHER={OTHERS}\nFROM ${{BASE}}\nFROM ${{OTHER}}"

    assert lines_found(text) == [("FROM", 4)]
    assert lines_found(text, {"OTHER": "a", "BASE": OTHERS}) == [("FROM", 3)]
    assert lines_found("FROM ${TARGETOS}/x", {"TARGETOS": "homeport"}) == [("FROM", 1)]


@pytest.mark.parametrize(
    "text",
    [
        "FROM debian:12",
        "FROM registry.example/homeport/x",
        "FROM acme/homeport",
        "FROM homeport",
        "FROM homeports/x",
        "FROM localhost/homeport/x",
        "ARG V=12\nFROM node:${V%%.*}-slim",
        "ARG V=12\nFROM acme/${V#x}/y",
        "FROM --platform=$BUILDPLATFORM golang:1 AS build\nFROM ${TARGETARCH}/alpine\nCOPY --from=build / /",
        "FROM a AS feedfacefeed\nCOPY --from=feedfacefeed / /\nFROM feedfacefeed",
        "FROM a\nCOPY --from=0 / /\nRUN --mount=type=cache,target=/x true",
        "FROM a\nRUN <<EOF\nFROM homeport/x\nEOF",
        "FROM a\n# FROM homeport/x\nRUN echo homeport/x",
        "FROM a\nRUN echo ${V%x} $V",
    ],
)
def test_other_images_stages_and_words_pass(text: str) -> None:
    assert lines_found(text) == []


def test_a_context_of_that_name_stands_for_it_where_buildkit_finds_it() -> None:
    text = "FROM docker.io/homeport/base:latest\nCOPY --from=homeport/tools:1 / /x"

    assert lines_found(text, {}, "homeport/base", "homeport/tools:1") == []
    assert lines_found(text, {}, "docker.io/homeport/base", "homeport/tools:1") == [("FROM", 1)]


def test_what_is_said_has_place_reason_and_a_way_out() -> None:
    found = find_forbidden(f"FROM a\nCOPY --from={OTHERS} / /x".encode(), {})

    assert found is not None
    assert found.what == "line 2 of its Dockerfile names an image of this box."
    assert OTHERS in found.why
    assert "registry" in found.remedy
    (refused,) = judge_dockerfile(readings_of(f"FROM {OTHERS}".encode()), {}, ())
    assert OTHERS in refused.what
    assert "registry" in refused.remedy


@pytest.mark.parametrize(
    ("flags", "rule"),
    [
        ("--interval=1ms", "health-interval"),
        ('--interval="999ms"', "health-interval"),
        ("--start-interval=0.5s --interval=1m", "health-interval"),
        ("--interval=often", "duration"),
        ("--interval=30s --start-interval=1s --timeout=1ms", None),
        ("--interval=0s", None),
        ("", None),
    ],
)
def test_a_health_check_that_keeps_the_box_busy_is_refused(flags: str, rule: str | None) -> None:
    for line in (f"HEALTHCHECK {flags} CMD true", f"ONBUILD HEALTHCHECK {flags} CMD true"):
        refused = judge_dockerfile(readings_of(f"FROM a\n{line}\n".encode()), {}, ())

        assert [(one.rule, one.line) for one in refused] == ([(rule, 2)] if rule else [])
