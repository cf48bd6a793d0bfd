"""Reads what `env_file` names: lines of KEY=VALUE."""

import re
from typing import Final

from homeport.errors import DefinitionInvalidError, Finding

_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:=\s*(.*))?")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def parse_env_file(raw: bytes, *, file: str, literal: bool = False) -> dict[str, str]:
    """The variables in the file, later ones winning.

    Quotes are removed, `#` after a blank begins a comment, and backslash escapes count in double quotes. With
    `literal` (Compose's `format: raw`) values are taken as they stand.

    Raises:
        DefinitionInvalidError: a line is none, has no value, or takes one from the environment (`$NAME`).
    """
    variables: dict[str, str] = {}
    try:
        lines = raw.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise _refusal(file, 1, "env-file", "The file is not UTF-8.", "Save it as UTF-8.") from error
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None or match[2] is None:
            raise _refusal(file, number, "env-file", f"{text[:60]!r} has no value.", "Write NAME=value.")
        variables[match[1]] = match[2] if literal else _value(match[2], file, number)
    return variables


def _value(text: str, file: str, number: int) -> str:
    if text.startswith("'"):
        end = text.find("'", 1)
        if end < 0:
            raise _refusal(file, number, "env-file", "A quote is not closed.", "Close it on the same line.")
        return text[1:end]
    if text.startswith('"'):
        match = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        if match is None:
            raise _refusal(file, number, "env-file", "A quote is not closed.", "Close it on the same line.")
        value = match[1]
    else:
        value = _without_comment(text)
    if re.search(r"(?<!\\)\$(?:\{|[A-Za-z_])", value):
        what = f"{value[:60]!r} takes a value from the environment of the host."
        raise _refusal(
            file, number, "interpolation", what, "Write the value itself, or put it in single quotes."
        )
    if text.startswith('"'):
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), value)
    return value


def _without_comment(text: str) -> str:
    """The text up to a `#` behind a blank.

    No pattern that begins with blanks looks for it: over a long run of them that would take its square.
    """
    at = text.find("#", 1)
    while at > 0 and not text[at - 1].isspace():
        at = text.find("#", at + 1)
    return (text[:at] if at > 0 else text).rstrip()


def _refusal(file: str, line: int, rule: str, what: str, remedy: str) -> DefinitionInvalidError:
    finding = Finding(file=file, key="env_file", line=line, rule=rule, what=what, remedy=remedy)
    return DefinitionInvalidError(f"{file} cannot be read.", [finding])
