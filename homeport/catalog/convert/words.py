"""What bash would make of a word or a here-document, without running anything. Pure.

What only running could tell is left as a mark, `unknown(name)`, which `with_variables` turns into Compose's
`${name}`: there it becomes a setting of the owner's, or its default.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from homeport.catalog.convert.ansi_quotes import ANSI_QUOTED, read_ansi

MAX_TEXT: Final = 256 * 1024
"""Of one value, in characters: a few lines can double a variable many times."""
MAX_NESTING: Final = 16
MAX_WORK: Final = 1024 * 1024
"""Characters that are read and put in for one script, four times the longest: loops read theirs again."""

_OPEN, _CLOSE = "\ue000", "\ue001"  # of Unicode's private use: they stand in no script that was let in
_MARK: Final = re.compile(f"{_OPEN}([A-Za-z_][A-Za-z0-9_]*){_CLOSE}")
_APART: Final = re.compile(f"{_MARK.pattern}(?![A-Za-z0-9_])")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_BRACED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|[0-9@*])(?:(:?[-=+?])(.*))?", re.DOTALL)

Substitute = Callable[[str], str | None]
"""What a command in `$(…)` would print, where that can be told without running it."""


class TooMuchError(Exception):
    """A text grew beyond what is worked on."""


class Rules(NamedTuple):
    """How a backslash and quotes count in a text."""

    escapes: str
    """What a backslash makes plain; where it is empty, anything."""
    quotes: bool
    """Whether quotes are taken off."""


PLAIN: Final = Rules("", quotes=True)
DOUBLE: Final = Rules('$`"\\', quotes=False)
HERE: Final = Rules("$`\\", quotes=False)


def unknown(name: str) -> str:
    """A mark for what is not known."""
    return f"{_OPEN}{name}{_CLOSE}"


def has_unknown(text: str) -> bool:
    """Whether the text has such a mark."""
    return _OPEN in text


def with_variables(text: str) -> str:
    """The text with marks as Compose's variables; braces, which mean something to YAML, where needed."""
    return _MARK.sub(r"${\1}", _APART.sub(r"$\1", text))


def blanked(text: str) -> str:
    """The text with nothing where marks stood."""
    return _MARK.sub("", text)


def split_marks(text: str) -> list[str]:
    """Plain parts and names of marks by turns, a plain one first and last."""
    return _MARK.split(text)


def only_mark(text: str) -> str | None:
    """The name of the mark that is all of the text."""
    found = _MARK.fullmatch(text)
    return found[1] if found else None


def without_marks(text: str) -> str:
    """A script's text, in which nothing looks like a mark."""
    return text.replace(_OPEN, "?").replace(_CLOSE, "?")


class Expander:
    """Reads words as bash does.

    `name_unknown` names what a command that is not known would give.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        substitute: Substitute,
        name_unknown: Callable[[str], str],
    ) -> None:
        self._variables = variables
        self._substitute = substitute
        self._name_unknown = name_unknown
        self._work = 0

    def fields(self, raw: str) -> list[str]:
        """The words that a word of the script becomes: several where a variable with blanks is not quoted."""
        fields: list[list[str]] = [[]]
        fresh = True
        for text, may_split in self._pieces(raw, PLAIN, 0):
            first, *others = re.split(r"\s+", text) if may_split else [text]
            fields[-1].append(first)
            fields += [[other] for other in others]
            fresh = fresh and may_split
        joined = ["".join(field) for field in fields]
        return [field for field in joined if field or not fresh]

    def text(self, raw: str, rules: Rules = PLAIN) -> str:
        """The text that stands for it, as one."""
        return self._text(raw, rules, 0)

    def _text(self, raw: str, rules: Rules, depth: int) -> str:
        text = "".join(text for text, _ in self._pieces(raw, rules, depth))
        if len(text) > MAX_TEXT:
            raise TooMuchError
        return text

    def _pieces(self, raw: str, rules: Rules, depth: int) -> list[tuple[str, bool]]:
        """Texts in order, each with whether blanks in it part words."""
        if depth > MAX_NESTING:
            raise TooMuchError
        self._spend(len(raw))
        pieces: list[tuple[str, bool]] = []
        at = size = 0
        while at < len(raw):
            text, may_split, at = self._piece(raw, at, rules, depth)
            pieces.append((text, may_split))
            size += len(text)
            if size > MAX_TEXT:
                raise TooMuchError
        return pieces

    def _spend(self, size: int) -> None:
        self._work += size
        if self._work > MAX_WORK:
            raise TooMuchError

    def _piece(self, raw: str, at: int, rules: Rules, depth: int) -> tuple[str, bool, int]:
        match raw[at]:
            case "\\":
                return self._escaped(raw, at, rules)
            case "'" if rules.quotes:
                end = _find(raw, "'", at + 1)
                return raw[at + 1 : end], False, end + 1
            case '"' if rules.quotes:
                end = _end_of_double(raw, at + 1)
                return self._text(raw[at + 1 : end], DOUBLE, depth + 1), False, end + 1
            case "`":
                end = _end_of_backquote(raw, at + 1)
                return self._printed(re.sub(r"\\([`$\\])", r"\1", raw[at + 1 : end])), True, end + 1
            case "$":
                text, end = self._dollar(raw, at, rules, depth)
                return text, raw[at + 1 : at + 2] not in ("'", '"'), end
            case _:
                plain = re.compile(r"[^\\'\"`$]+" if rules.quotes else r"[^\\`$]+").match(raw, at)
                end = plain.end() if plain else at + 1
                return raw[at:end], False, end

    @staticmethod
    def _escaped(raw: str, at: int, rules: Rules) -> tuple[str, bool, int]:
        following = raw[at + 1 : at + 2]
        if following == "\n":
            return "", False, at + 2
        if not rules.escapes or (following and following in rules.escapes):
            return following, False, at + 2
        return "\\", False, at + 1

    def _dollar(self, raw: str, at: int, rules: Rules, depth: int) -> tuple[str, int]:
        """What stands for the `$…` here, and where it ends."""
        following = raw[at + 1 : at + 2]
        if following == "(":
            end = _end_of_bracket(raw, at + 2, "(", ")")
            return self._printed(raw[at + 2 : end]), end + 1
        if following == "{":
            end = _end_of_bracket(raw, at + 2, "{", "}")
            return self._braced(raw[at + 2 : end], rules, depth), end + 1
        if rules.quotes and (quoted := ANSI_QUOTED.match(raw, at)):
            return read_ansi(quoted[1]), quoted.end()
        if following == '"' and rules.quotes:
            end = _end_of_double(raw, at + 2)
            return self._text(raw[at + 2 : end], DOUBLE, depth + 1), end + 1
        if name := _NAME.match(raw, at + 1):
            return self._value(name[0]), name.end()
        return "$", at + 1

    def _value(self, name: str) -> str:
        found = self._variables.get(name)
        if found is not None:
            self._spend(len(found))
            return found
        return unknown(name if name.isidentifier() else self._name_unknown(f"${name}"))

    def _braced(self, inner: str, rules: Rules, depth: int) -> str:
        found = _BRACED.fullmatch(inner)
        if found is None:
            return unknown(self._name_unknown(f"${{{inner}}}"))
        name, operator, other = found[1], found[2], found[3] or ""
        value = self._variables.get(name)
        if operator is None or operator.endswith("?"):
            return self._value(name)
        is_set = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return self._text(other, rules, depth + 1) if is_set else ""
        return self._value(name) if is_set else self._text(other, rules, depth + 1)

    def _printed(self, command: str) -> str:
        printed = self._substitute(command.strip())
        return unknown(self._name_unknown(f"$({command.strip()})")) if printed is None else printed


def _find(raw: str, end: str, at: int) -> int:
    found = raw.find(end, at)
    return found if found >= 0 else len(raw)


def _end_of_double(raw: str, at: int) -> int:
    """Where a double quote ends; a command within it may have quotes of its own."""
    while at < len(raw) and raw[at] != '"':
        if raw[at] == "\\":
            at += 2
        elif raw.startswith("$(", at):
            at = _end_of_bracket(raw, at + 2, "(", ")") + 1
        else:
            at += 1
    return min(at, len(raw))


def _end_of_backquote(raw: str, at: int) -> int:
    while at < len(raw) and raw[at] != "`":
        at += 2 if raw[at] == "\\" else 1
    return min(at, len(raw))


def _end_of_bracket(raw: str, at: int, opening: str, closing: str) -> int:
    """Where a bracket closes that is open at the start; quotes and escapes within it count."""
    depth = 1
    while at < len(raw):
        sign = raw[at]
        if sign == "\\":
            at += 2
            continue
        if sign == "'" and opening == "(":
            at = _find(raw, "'", at + 1) + 1
            continue
        depth += (sign == opening) - (sign == closing)
        if depth == 0:
            return at
        at += 1
    return len(raw)
