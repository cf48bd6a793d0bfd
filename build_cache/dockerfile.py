"""Which images a Dockerfile builds upon. Pure."""

import re
from collections.abc import Iterator, Mapping

_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S+)\s*")
_HERE_DOCUMENT = re.compile(r"<<-?(['\"]?)(\w+)\1")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:?[-+])([^}]*))?\}|(\w+))")
_TAKES_HERE_DOCUMENTS = ("RUN", "COPY", "ADD")


def base_images(dockerfile: str, args: Mapping[str, str] | None = None) -> list[str]:
    """The images that its FROM lines name, in order and once each; its own stages and `scratch` are none.

    Args:
        dockerfile: its text.
        args: build arguments, which win over the defaults of those `ARG`s that stand above the first FROM.
    """
    given = dict(args or {})
    values: dict[str, str] = {}
    stages: set[str] = set()
    images: list[str] = []
    for keyword, rest in _instructions(dockerfile):
        if keyword == "ARG" and not stages and not images:
            values |= _declared(rest, given, values)
        elif keyword == "FROM":
            words = [word for word in rest.split() if not word.startswith("--")]
            if not words:
                continue
            image = _substituted(words[0], values)
            if image and image.lower() not in stages | {"scratch"} and image not in images:
                images.append(image)
            stages.add(words[2].lower() if len(words) > 2 and words[1].upper() == "AS" else "")
    return images


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Each instruction's keyword and rest, continuations joined, comments and here-documents left out."""
    escape = _escape_character(dockerfile)
    joined = ""
    lines = iter(dockerfile.splitlines())
    for line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue  # also within a continued instruction, as Docker's reference says
        if stripped.endswith(escape):
            joined += stripped.removesuffix(escape) + " "
            continue
        keyword, _, rest = (joined + stripped).strip().partition(" ")
        joined = ""
        yield keyword.upper(), rest.strip()
        if keyword.upper() in _TAKES_HERE_DOCUMENTS:
            for _, end in _HERE_DOCUMENT.findall(rest):
                _skip_to(lines, end)


def _escape_character(dockerfile: str) -> str:
    """The line continuation: a backslash, unless a directive at the very top says otherwise."""
    for line in dockerfile.splitlines():
        if (found := _DIRECTIVE.fullmatch(line.strip())) is None:
            break
        if found[1].lower() == "escape":
            return found[2]
    return "\\"


def _skip_to(lines: Iterator[str], end: str) -> None:
    for line in lines:
        if line.strip("\t\r\n") == end:
            return


def _declared(rest: str, given: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    declared: dict[str, str] = {}
    for word in rest.split():
        name, _, default = word.partition("=")
        declared[name] = given.get(name, _substituted(default.strip("\"'"), {**values, **declared}))
    return declared


def _substituted(text: str, values: Mapping[str, str]) -> str:
    def value_of(found: re.Match[str]) -> str:
        name, operator, word = found[1] or found[4], found[2] or "", found[3] or ""
        value = values.get(name)
        is_set = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return word if is_set else ""
        return (value or "") if is_set or not operator else word

    return _VARIABLE.sub(value_of, text).strip("\"'")
