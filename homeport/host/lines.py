"""Cutting foreign output into lines without trusting their length."""

import re
from collections.abc import Iterator

LINE_CHARACTERS = 2000
"""Where a line is cut: a screen shows less, and a program that prints no newline must not fill memory."""

_LINE_END = re.compile(rb"[\r\n]")
_LINE_BYTES = 4 * LINE_CHARACTERS  # a character of UTF-8 has at most four bytes


class LineCutter:
    """Turns pieces of output into lines; what a line has beyond `LINE_CHARACTERS` is dropped.

    Both `\\n` and `\\r` end a line, so that progress bars give lines; empty lines are left out.
    """

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, piece: bytes) -> Iterator[str]:
        """The lines that this piece ends, in order. To be consumed before the next piece is fed."""
        start = 0
        for end in _LINE_END.finditer(piece):
            self._keep(piece, start, end.start())
            yield from self.flush()
            start = end.end()
        self._keep(piece, start, len(piece))

    def flush(self) -> Iterator[str]:
        """The line that was begun, if there is one."""
        line = self._begun.decode("utf-8", "replace")[:LINE_CHARACTERS].rstrip()
        self._begun.clear()
        if line:
            yield line

    def _keep(self, piece: bytes, start: int, end: int) -> None:
        room = _LINE_BYTES - len(self._begun)
        self._begun += piece[start : min(end, start + room)]
