"""Which images a Dockerfile builds upon. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence

from homeport.catalog.dockerfile.parse import Instruction, parse_dockerfile

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:?[-+])([^}]*))?\}|(\w+))")
_MOUNT_FROM = re.compile(r"(?:^|,)from=([^,]+)")


def base_images(dockerfile: bytes | str, args: Mapping[str, str] | None = None) -> list[str]:
    """The images that it needs, in order and once each; its own stages and `scratch` are none.

    They stand in FROM, in `COPY --from=` and in `RUN --mount=from=`.

    Args:
        dockerfile: its content.
        args: build arguments, which win over the defaults of those `ARG`s that stand above the first FROM.
    """
    source = dockerfile.encode(errors="surrogateescape") if isinstance(dockerfile, str) else dockerfile
    instructions = parse_dockerfile(source).instructions
    values = global_arguments(instructions, args or {})
    stages: set[str] = set()
    images: list[str] = []
    for instruction in instructions:
        own_name = ""
        if instruction.keyword == "FROM":
            image, own_name = stage_of(instruction, values)
            named = [image]
        else:
            named = [substitute(name, values) for name in _named_by_flags(instruction)]
            named = [name for name in named if not name.isdecimal()]  # a number is a stage's
        for image in named:
            if image and image.lower() not in stages | {"scratch"} and image not in images:
                images.append(image)
        stages.add(own_name)
    return images


def global_arguments(instructions: Sequence[Instruction], given: Mapping[str, str]) -> dict[str, str]:
    """The values of the `ARG`s above the first FROM."""
    values: dict[str, str] = {}
    for instruction in instructions:
        if instruction.keyword == "FROM":
            break
        for word in instruction.arguments.split():
            name, _, default = word.partition("=")
            values[name] = given.get(name, substitute(default.strip("\"'"), values))
    return values


def stage_of(instruction: Instruction, values: Mapping[str, str]) -> tuple[str, str]:
    """What a FROM builds upon, and the stage's own name in small letters, or none."""
    words = instruction.arguments.split()
    if not words:
        return "", ""
    is_named = len(words) > 2 and words[1].upper() == "AS"
    return substitute(words[0], values), words[2].lower() if is_named else ""


def substitute(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced and its quotes taken off."""

    def value_of(found: re.Match[str]) -> str:
        name, operator, word = found[1] or found[4], found[2] or "", found[3] or ""
        value = values.get(name)
        is_set = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return word if is_set else ""
        return (value or "") if is_set or not operator else word

    return _VARIABLE.sub(value_of, text).strip("\"'")


def _named_by_flags(instruction: Instruction) -> Iterator[str]:
    for flag in instruction.flags:
        name, _, value = flag.partition("=")
        if instruction.keyword in ("COPY", "ADD") and name == "--from":
            yield value
        elif instruction.keyword == "RUN" and name == "--mount" and (found := _MOUNT_FROM.search(value)):
            yield found[1]
