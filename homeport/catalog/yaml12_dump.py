"""Writes YAML that every reader takes for the same: YAML 1.1's, 1.2's, and Compose's."""

import re
from typing import Any, Final

import yaml

# Text that stays unquoted: it begins like a word or a path, holds nothing that means something to YAML, and a
# colon only before something. Numbers, dates and times begin with a digit, a sign or a dot: they are quoted.
_PLAIN: Final = re.compile(
    r"(?:[A-Za-z_/]|\.{1,2}/)(?:[A-Za-z0-9_./@%+=$-]|:(?=[A-Za-z0-9_./@%+=$-])| (?=[A-Za-z0-9]))*"
)
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Booleans and null of YAML 1.1 or 1.2, in any case."""

# Lines that read the same as a literal block: no blank at an end, no indented first line, ASCII.
_BLOCK: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?(?:\n(?:[ -~]*[!-~])?)*\n?")


class _Dumper(yaml.SafeDumper):
    """No aliases, list items indented as people do."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style: str | None = '"'
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        style = None
    elif "\n" in text[:-1] and "\n\n" not in text[-2:] and _BLOCK.fullmatch(text):
        style = "|"
    elif text.isascii() and text.isprintable():
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(value: Any) -> str:
    """The document's text, keys in the order they have.

    Takes dicts with string keys, lists, tuples, strings, integers, floats, booleans and None.
    """
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=float("inf"),
    )
    return text
