"""What bash makes of the text between `$'` and `'` (its manual: "ANSI-C Quoting"). Pure."""

import re
from typing import Final

ANSI_QUOTED: Final = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)

_ESCAPE: Final = re.compile(
    rb"\\(?:(?P<octal>[0-7]{1,3})|x(?P<byte>[0-9A-Fa-f]{1,2})|u(?P<short>[0-9A-Fa-f]{1,4})"
    rb"|U(?P<long>[0-9A-Fa-f]{1,8})|c(?P<control>[@-_a-z])|(?P<letter>[abeEfnrtv\\'\"?]))"
)
_LETTERS: Final = dict(zip(b"abeEfnrtv", b"\a\b\x1b\x1b\f\n\r\t\v", strict=True))
_PRIVATE: Final = re.compile("[\ue000-\uf8ff]")


def read_ansi(inner: str) -> str:
    """The text that is meant; an escape that bash does not know stays as it stands.

    Characters for private use are none: elsewhere they stand for what was left open.
    """
    raw = _ESCAPE.sub(_meant, inner.encode("utf-8", "replace"))
    return _PRIVATE.sub("?", raw.partition(b"\0")[0].decode("utf-8", "replace"))


def _meant(found: re.Match[bytes]) -> bytes:
    kind, text = found.lastgroup, found[found.lastgroup or 0]
    match kind:
        case "octal":
            return bytes([int(text, 8) & 0xFF])
        case "byte":
            return bytes([int(text, 16)])
        case "short" | "long":
            code = int(text, 16)
            return chr(code).encode("utf-8", "replace") if code <= 0x10FFFF else b"?"
        case "control":
            return bytes([text.upper()[0] & 0x1F])
        case _:
            return bytes([_LETTERS.get(text[0], text[0])])
