"""What a Dockerfile may not ask for, images of this box, and looks without a pause. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from homeport.catalog.dockerfile.bases import named_images, plain_flag, stage_of
from homeport.catalog.dockerfile.parse import Dockerfile, Instruction, put_off
from homeport.catalog.dockerfile.shell_words import ShellError
from homeport.catalog.durations import parse_duration
from homeport.catalog.local_images import context_name, may_name_local_image
from homeport.catalog.policy_rules import SHORTEST_INTERVAL_S

_MOST_TOLD: Final = 20
_LINUX: Final = "linux"
_KNOWN: Final = {
    **{f"{whose}OS": _LINUX for whose in ("BUILD", "TARGET")},
    **{f"{whose}ARCH": "amd64" for whose in ("BUILD", "TARGET")},
    **{f"{whose}PLATFORM": f"{_LINUX}/amd64" for whose in ("BUILD", "TARGET")},
    # what these are depends on the box and on the target, which may have any name
    **{name: f"${name}" for name in ("BUILDVARIANT", "TARGETVARIANT", "TARGETSTAGE")},
}
"""The variables that BuildKit sets itself; of an architecture it matters only that it is a plain word."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """What is refused: `keyword` and `line` say where, `rule` is the finding's."""

    rule: str
    keyword: str
    line: int
    what: str
    remedy: str


def judge_dockerfile(
    readings: Sequence[Dockerfile], args: Mapping[str, str], contexts: Collection[str]
) -> list[Refused]:
    """What is refused in a definition's Dockerfile, each once.

    Args:
        readings: the Dockerfile, as `readings_of` gives it.
        args: the build arguments.
        contexts: the names of the further contexts, and of images for which a service stands.
    """
    refused: list[Refused] = []
    for parsed in readings:
        try:
            refused += islice(local_images(parsed, args, contexts), _MOST_TOLD)
        except ShellError as error:
            refused.append(_unreadable(1, str(error)))
        refused += islice(_brisk_checks(parsed), _MOST_TOLD)
    if all(parsed.problem for parsed in readings):
        refused.append(_unreadable(readings[0].problem_line, readings[0].problem))
    return list(dict.fromkeys(refused))


def local_images(parsed: Dockerfile, args: Mapping[str, str], contexts: Collection[str]) -> Iterator[Refused]:
    """The images of this box that the file names: they are other apps', with all that is in them.

    Raises:
        ShellError: its variables are beyond all bounds.
    """
    stages = {stage_of(one, {})[1] for one in parsed.instructions if one.keyword == "FROM"}
    known = _KNOWN | {name: args[name] for name in _KNOWN if name in args}
    for named in named_images(parsed, args, known):
        image, at = named.image, named.instruction
        if image.lower() in stages or context_name(image) in contexts or not may_name_local_image(image):
            continue
        means = f"may become {image[:80]}, an image" if "$" in image else f"means {image[:80]}, an image"
        yield Refused(
            rule="image-local",
            keyword=at.keyword,
            line=at.line,
            what=f"{at.keyword} {means} of this box and not of a registry.",
            remedy="Name it as its registry does; for another service's image write `service:NAME` under the "
            "further contexts.",
        )


def _brisk_checks(parsed: Dockerfile) -> Iterator[Refused]:
    for instruction in parsed.instructions:
        for done in (instruction, *put_off(instruction, parsed.escape)):
            if done.keyword == "HEALTHCHECK":
                yield from _brisk_flags(instruction, done, parsed.escape)


def _brisk_flags(written: Instruction, check: Instruction, escape: str) -> Iterator[Refused]:
    for flag in check.flags:
        name, _, value = plain_flag(flag, escape).partition("=")
        if name not in ("--interval", "--start-interval"):
            continue
        try:
            often = 0 < parse_duration(value) < SHORTEST_INTERVAL_S
        except ValueError as error:
            remedy = "Write a number and a unit: 30s, 1m30s."
            yield _of(written, "duration", f"{error}.", remedy)
            continue
        if often:
            what = f"A look every {value} keeps the box busy, past the app's limits."
            yield _of(written, "health-interval", what, f"Write {name}={SHORTEST_INTERVAL_S:g}s, or more.")


def _of(instruction: Instruction, rule: str, what: str, remedy: str) -> Refused:
    return Refused(rule=rule, keyword=instruction.keyword, line=instruction.line, what=what, remedy=remedy)


def _unreadable(line: int, problem: str) -> Refused:
    return Refused(
        rule="build-dockerfile",
        keyword="file",
        line=line,
        what=f"It cannot be read to its end: {problem}.",
        remedy="Correct it: see https://docs.docker.com/reference/dockerfile/.",
    )
