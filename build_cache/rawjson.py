"""Reading what `docker buildx build --progress=rawjson` writes: JSON records, and text after the last."""

import codecs
import json
from collections import deque
from collections.abc import Iterator
from typing import Any

from homeport.host.lines import LINE_CHARACTERS

_MAX_RECORD = 8 * 1024 * 1024  # characters; BuildKit cuts a step's log at 2 MiB, a third more in base64
_TEXT_LINES = 60
_MAX_QUOTED = 40  # lines of a quoted instruction; a here-document may have hundreds


class RecordReader:
    """Takes output in pieces and gives its records; other lines are kept as text, as far as they matter.

    A record begins with `{` in the first column, on one line or indented over many (buildx 0.13 does).
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._parse = json.JSONDecoder().raw_decode
        self._unread = ""
        self.text: deque[str] = deque(maxlen=_TEXT_LINES)
        """The last lines that belong to no record: what buildx says to people when it fails."""
        self.quoted: list[str] = []
        """Lines of the Dockerfile that buildx marked with `>>>`, with their numbers: `  6 | >>> RUN …`."""

    def feed(self, piece: bytes) -> Iterator[dict[str, Any]]:
        """The records that this piece completes. To be consumed before the next piece is fed."""
        self._unread += self._decode(piece)
        while self._unread:
            record, end = self._next()
            if end == 0:
                return
            self._unread = self._unread[end:].removeprefix("\n")
            if record is not None:
                yield record

    def finish(self) -> None:
        """Takes what is left, after the last piece, for text."""
        for line in self._unread.splitlines():
            self._keep(line)
        self._unread = ""

    def _next(self) -> tuple[dict[str, Any] | None, int]:
        """A record, or None for a line of text, and where it ends; 0 where more must come first."""
        line_end = self._unread.find("\n") + 1
        if self._unread.startswith("{"):
            try:
                record, end = self._parse(self._unread)
            except ValueError:
                is_whole = "\n}\n" in self._unread or len(self._unread) > _MAX_RECORD
                if not is_whole:
                    return None, 0
            else:
                return record, end
        if line_end == 0 and len(self._unread) <= _MAX_RECORD:
            return None, 0
        end = line_end or len(self._unread)
        self._keep(self._unread[:end])
        return None, end

    def _keep(self, line: str) -> None:
        line = line[:LINE_CHARACTERS].rstrip()
        if line:
            self.text.append(line)
        if "| >>>" in line and len(self.quoted) < _MAX_QUOTED:
            self.quoted.append(line)
