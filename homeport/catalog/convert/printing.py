"""What `echo` and `printf` print, worked out without running them. Pure."""

import itertools
import re
from collections.abc import Sequence
from typing import Final

_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "e": "\x1b", "\\": "\\", '"': '"'}
_OPTIONS: Final = re.compile(r"-[neE]+")
_FORMAT: Final = re.compile(r"%(?:%|s|d|b|q)")
_MAX_TEXT: Final = 256 * 1024


def print_echo(arguments: Sequence[str]) -> str:
    """What bash's `echo` prints."""
    ends, escapes = "\n", False
    options = list(itertools.takewhile(_OPTIONS.fullmatch, arguments))
    for option in options:
        ends = "" if "n" in option else ends
        escapes = option.rfind("e") > option.rfind("E")
    text = " ".join(arguments[len(options) :])
    return (_unescaped(text) if escapes else text) + ends


def print_printf(arguments: Sequence[str]) -> str | None:
    """What bash's `printf` prints; None for formats other than texts and whole numbers, and for `-v`."""
    if not arguments or (arguments[0].startswith("-") and arguments[0] != "--"):
        return None
    pattern, *words = arguments[1:] if arguments[0] == "--" else arguments
    places = [place for place in _FORMAT.findall(pattern) if place != "%%"]
    if "%" in _FORMAT.sub("", pattern) or "%q" in places or len(words) * len(pattern) > _MAX_TEXT:
        return None
    rounds = max(1, -(-len(words) // len(places))) if places else 1
    left = iter(words)
    return "".join(
        _FORMAT.sub(lambda found: "%" if found[0] == "%%" else next(left, ""), _unescaped(pattern))
        for _ in range(rounds)
    )


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text)
