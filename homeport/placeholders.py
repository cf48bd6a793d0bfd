"""Amahi's placeholders: which text stands in for them, and where in a text they count."""

import re
from collections.abc import Mapping
from typing import Any, Final

ORDER: Final = ("HOST_PORT", "WEBAPP_PATH", "APP_IDENTIFIER", "APP_HOSTNAME")
"""The order in which they are replaced, Amahi's."""

# Counts inside a longer lower-case name (APP_IDENTIFIER_db, db_APP_IDENTIFIER), not in a longer
# upper-case one (MY_HOST_PORT).
_PATTERNS = {
    name: re.compile(rf"(?<![A-Za-z0-9])(?<![A-Z0-9]_){name}(?![A-Z0-9]|_[A-Z0-9])") for name in ORDER
}


def holds_placeholder(text: str) -> bool:
    """Whether one of them counts in the text."""
    return any(pattern.search(text) for pattern in _PATTERNS.values())


def placeholder_pattern(text: str) -> re.Pattern[str]:
    """Whatever the text may become, as a line of its own."""
    places = sorted(found.span() for pattern in _PATTERNS.values() for found in pattern.finditer(text))
    written, last = "", 0
    for start, end in places:
        written += re.escape(text[last:start]) + ".+"
        last = end
    return re.compile(f"^{written}{re.escape(text[last:])}$", re.MULTILINE)


def replace_placeholders(text: str, values: Mapping[str, str]) -> str:
    """The text with every placeholder that `values` names replaced, in `ORDER`."""
    for name in ORDER:
        if name in values and name in text:
            text = _PATTERNS[name].sub(lambda _match, value=values[name]: value, text)  # type: ignore[misc]
    return text


def replace_in_tree(node: Any, values: Mapping[str, str]) -> Any:
    """A copy of a parsed document (dicts, lists, scalars) with the placeholders in every string replaced.

    Keys are replaced too; numbers and booleans stay what they are.
    """
    match node:
        case str():
            return replace_placeholders(node, values)
        case dict():
            return {
                replace_in_tree(key, values): replace_in_tree(value, values) for key, value in node.items()
            }
        case list():
            return [replace_in_tree(item, values) for item in node]
        case _:
            return node
