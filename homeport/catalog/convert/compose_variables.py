"""Compose's own variables in a file's texts: `$NAME`, `${NAME:-default}` and the like. Pure.

The rules are those of compose-spec's chapter "Interpolation".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR: Final = re.compile(r":?[-+?]")
_MAX_NESTING: Final = 8
_MAX_TEXT: Final = 256 * 1024


class WrongVariableError(ValueError):
    """A `$` stands where no variable follows."""


@dataclass(kw_only=True)
class Filled:
    """A text with its variables filled in."""

    text: str
    defaults: dict[str, str]
    """Of variables that nobody gives: the default that the text itself has."""
    missing: tuple[str, ...]
    """Variables that nobody gives and that have no default; nothing stands in their place."""


def fill_variables(text: str, known: Mapping[str, str]) -> Filled:
    """The text as Compose would read it with these variables.

    Raises:
        WrongVariableError: a `$` is neither doubled nor followed by a variable.
    """
    filling = _Filling(known)
    filled = filling.fill(text, 0)
    return Filled(text=filled, defaults=filling.defaults, missing=tuple(dict.fromkeys(filling.missing)))


class _Filling:
    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self.defaults: dict[str, str] = {}
        self.missing: list[str] = []

    def fill(self, text: str, depth: int) -> str:
        if depth > _MAX_NESTING:
            raise WrongVariableError(text)
        parts: list[str] = []
        at = size = 0
        while (sign := text.find("$", at)) >= 0:
            parts.append(text[at:sign])
            part, at = self._variable(text, sign, depth)
            parts.append(part)
            size += len(part)
            if size > _MAX_TEXT:
                raise WrongVariableError(text)
        return "".join([*parts, text[at:]])

    def _variable(self, text: str, sign: int, depth: int) -> tuple[str, int]:
        if text.startswith("$$", sign):
            return "$", sign + 2
        if name := _NAME.match(text, sign + 1):
            return self._value(name[0]), name.end()
        if not text.startswith("${", sign):
            raise WrongVariableError(text)
        end = _end_of_brace(text, sign + 2)
        name = _NAME.match(text, sign + 2)
        if name is None or end is None:
            raise WrongVariableError(text)
        rest = text[name.end() : end]
        return self._braced(name[0], rest, depth), end + 1

    def _value(self, name: str) -> str:
        if name not in self._known:
            self.missing.append(name)
        return self._known.get(name, "")

    def _braced(self, name: str, rest: str, depth: int) -> str:
        operator = _OPERATOR.match(rest)
        if not rest or (operator and operator[0].endswith("?")):
            return self._value(name)
        if operator is None:
            raise WrongVariableError(rest)
        value = self._known.get(name)
        is_set = bool(value) if operator[0].startswith(":") else value is not None
        if operator[0].endswith("+"):
            return self.fill(rest[operator.end() :], depth + 1) if is_set else ""
        if is_set:
            return value or ""
        default = self.fill(rest[operator.end() :], depth + 1)
        if name not in self._known:
            self.defaults[name] = default
        return default


def _end_of_brace(text: str, at: int) -> int | None:
    depth = 1
    for place in re.compile(r"\$\{|\}").finditer(text, at):
        depth += 1 if place[0] == "${" else -1
        if depth == 0:
            return place.start()
    return None
