"""Which images a Dockerfile builds upon. Pure."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from homeport.catalog.dockerfile.parse import Dockerfile, Instruction, parse_dockerfile, put_off, split_words
from homeport.catalog.dockerfile.shell_words import ShellError, substitute

_WORD_ENDS: Final = re.compile(r"[\t\v\f\r ]+")
_MOST_KEPT: Final = 16 * 1024 * 1024  # characters of all variables of a file together


@dataclass(frozen=True, kw_only=True)
class NamedImage:
    """An image that an instruction names, variables replaced; a stage of the file may be meant, too."""

    instruction: Instruction
    image: str


def base_images(dockerfile: bytes | str, args: Mapping[str, str] | None = None) -> list[str]:
    """The images that it needs, in order and once each; its own stages and `scratch` are none.

    They stand in FROM, in `COPY --from=` and in `RUN --mount=from=`.

    Args:
        dockerfile: its content.
        args: build arguments, which win over the defaults of those `ARG`s that stand above the first FROM.

    Raises:
        ShellError: its variables are beyond all bounds.
    """
    source = dockerfile.encode(errors="surrogateescape") if isinstance(dockerfile, str) else dockerfile
    parsed = parse_dockerfile(source)
    stages = {"scratch", ""}
    images: dict[str, None] = {}
    for named in named_images(parsed, args or {}):
        keyword = named.instruction.keyword
        is_number = keyword != "FROM" and named.image.isdecimal()  # a number is a stage's
        if named.image.lower() not in stages and not is_number and keyword != "ONBUILD":
            images[named.image] = None
        if named.instruction.keyword == "FROM":
            stages.add(stage_of(named.instruction, {})[1])
    return list(images)


def named_images(
    parsed: Dockerfile, args: Mapping[str, str], known: Mapping[str, str] | None = None
) -> Iterator[NamedImage]:
    """Every image or stage that the file names, or has other builds name, in order; also empty ones of FROM.

    Args:
        parsed: the file.
        args: build arguments.
        known: the values that variables have before the first line.

    Raises:
        ShellError: its variables are beyond all bounds.
    """
    values = global_arguments(parsed, args, known)
    for instruction in parsed.instructions:
        if instruction.keyword == "FROM":
            yield NamedImage(
                instruction=instruction, image=stage_of(instruction, values, escape=parsed.escape)[0]
            )
        for done in (instruction, *put_off(instruction, parsed.escape)):
            for name in _named_by_flags(done, parsed.escape):
                yield NamedImage(instruction=instruction, image=substitute(name, values, parsed.escape))


def global_arguments(
    parsed: Dockerfile, given: Mapping[str, str], known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The values of the `ARG`s above the first FROM.

    Args:
        parsed: the file.
        given: build arguments, which win.
        known: the values that variables have before the first line.

    Raises:
        ShellError: they are beyond all bounds.
    """
    values = dict(known or {})
    kept = 0
    for instruction in parsed.instructions:
        if instruction.keyword == "FROM":
            break
        for word in split_words(instruction.arguments, parsed.escape) or instruction.arguments.split():
            name, has_default, default = word.partition("=")
            if name in given:
                values[name] = given[name]
            elif has_default:
                values[name] = substitute(default, values, parsed.escape)
            elif name not in values:
                continue
            kept += len(values[name])
            require_bounded(kept)
    return values


def require_bounded(kept: int) -> None:
    """Returns if so many characters of variables may be kept.

    Raises:
        ShellError: there are more than anybody writes; every copy of a long value is kept anew.
    """
    if kept > _MOST_KEPT:
        raise ShellError("its variables together become longer than anything that is written out")


def stage_of(instruction: Instruction, values: Mapping[str, str], *, escape: str = "\\") -> tuple[str, str]:
    """What a FROM builds upon, and the stage's own name in small letters, or none."""
    words = _WORD_ENDS.split(instruction.arguments.strip())
    if words == [""]:
        return "", ""
    is_named = len(words) > 2 and words[1].upper() == "AS"
    return substitute(words[0], values, escape), words[2].lower() if is_named else ""


def plain_flag(flag: str, escape: str = "\\") -> str:
    """A flag without its quotes and escape characters."""
    return re.sub(rf"{re.escape(escape)}(.)|['\"]", lambda found: found[1] or "", flag, flags=re.DOTALL)


def _named_by_flags(instruction: Instruction, escape: str) -> Iterator[str]:
    if instruction.keyword not in ("COPY", "ADD", "RUN"):
        return
    for flag in instruction.flags:
        name, _, value = plain_flag(flag, escape).partition("=")
        if name == "--from" and instruction.keyword != "RUN":
            yield value
        elif name == "--mount" and instruction.keyword == "RUN":
            yield from _mounted_from(value)


def _mounted_from(mount: str) -> list[str]:
    """The images in the comma-separated fields of a `--mount`, whose names are in any case."""
    try:
        (fields,) = csv.reader([mount])
    except (csv.Error, ValueError):
        return ["$"]  # which nobody can tell
    named = [field.partition("=") for field in fields]
    return [value for name, _, value in named if name.lower() == "from" and value]
