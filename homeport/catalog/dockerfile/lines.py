"""The lines of a Dockerfile, as BuildKit splits them. Pure."""

from dataclasses import dataclass
from typing import Final

from homeport.catalog.dockerfile.shell_words import BLANKS

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `number` counts from 1; `start` is its byte offset; `raw` has its end."""

    number: int
    start: int
    raw: bytes

    @property
    def content(self) -> bytes:
        """The line without its end."""
        return self.raw.rstrip(b"\r\n")

    @property
    def is_comment(self) -> bool:
        """Whether nothing but blanks stands before its `#`."""
        return strip_left(self.raw).startswith(b"#")

    @property
    def is_blank(self) -> bool:
        """Whether it has nothing but blanks."""
        return not strip_left(self.content)


def split_lines(source: bytes) -> list[Line]:
    """All lines; a byte order mark belongs to none."""
    lines: list[Line] = []
    start = len(_BYTE_ORDER_MARK) if source.startswith(_BYTE_ORDER_MARK) else 0
    for number, raw in enumerate(source[start:].split(b"\n"), 1):
        end = start + len(raw)
        whole = source[start : end + 1]
        if whole:
            lines.append(Line(number, start, whole))
        start = end + 1
    return lines


def strip_left(text: bytes) -> bytes:
    """The text without the blanks that it begins with, Go's."""
    stripped = text.lstrip(b"\t\n\v\f\r ")
    if not stripped or stripped[0] < 0x80:
        return stripped
    known = stripped.decode(errors="surrogateescape").lstrip(BLANKS)
    return known.encode(errors="surrogateescape")
