"""A shell script's text and its syntax tree: words, here-documents, and what stands before a command. Pure.

The grammar is tree-sitter-bash. It parts some words where bash does not, and leaves out blanks that begin
a here-document: words are put together again, and here-documents are taken from the lines themselves.
"""

import re
import threading
import time
from dataclasses import dataclass
from typing import Final, Never

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from homeport.errors import NotConvertibleError

ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")

_PARSE_SECONDS: Final = 1.0
"""Scripts parse in milliseconds; the grammar needs minutes for what is made to be hard."""
_WINDOW_BYTES: Final = 4096
_BEFORE_COMMANDS: Final = frozenset({"sudo", "exec", "command", "nohup", "time", "env", "builtin", "doas"})
"""Programs that start the command after them."""
_OPTIONS_WITH_VALUE: Final = frozenset({"-u", "-g", "-h", "-p", "-C", "-S"})


@dataclass(frozen=True, kw_only=True)
class HereDocument:
    """The lines of a here-document."""

    text: str
    line: int
    """Where its first line stands."""
    is_literal: bool
    """Whether nothing in it is expanded."""


class _Window(threading.local):
    """The bytes that the parser reads next, always in the same place of its thread.

    py-tree-sitter 0.26 never lets go of what its reader returns (measured: one reference to each). Pieces of
    their own would stay for ever, 40 MB of them for a script that takes half a second.
    """

    def __init__(self) -> None:
        self._bytes = bytearray(_WINDOW_BYTES)

    def show(self, raw: bytes, at: int) -> bytearray | bytes:
        """What stands there; empty lines follow the end, since the window keeps its size."""
        piece = raw[at : at + _WINDOW_BYTES]
        if not piece:
            return b""
        self._bytes[:] = piece.ljust(_WINDOW_BYTES, b"\n")
        return self._bytes


_window: Final = _Window()


class Source:
    """A script; `what` names it in errors."""

    def __init__(self, raw: bytes, what: str) -> None:
        self._raw = raw
        self._lines = raw.split(b"\n")
        self._what = what

    def parse(self) -> Node:
        """The root of its syntax tree.

        Raises:
            NotConvertibleError: the grammar takes too long over it.
        """
        started = time.monotonic()

        def took_too_long(_offset: int, _has_error: bool) -> bool:
            return time.monotonic() - started > _PARSE_SECONDS

        parser = Parser(Language(tree_sitter_bash.language()))
        try:
            read = parser.parse(
                lambda at, _point: _window.show(self._raw, at), progress_callback=took_too_long
            )
        except ValueError as error:
            why = "It does not look like a shell script."
            remedy = "Give the script that writes the compose file, as it is."
            raise NotConvertibleError(f"{self._what} cannot be read.", why=why, remedy=remedy) from error
        return read.root_node

    def text(self, node: Node) -> str:
        """What stands there."""
        return self._raw[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def line(self, node: Node, most: int) -> str:
        """The beginning of what stands there, in one line: as many characters at the most."""
        end = min(node.end_byte, node.start_byte + 10 * most)
        *joined, last = self._raw[node.start_byte : end].decode("utf-8", "ignore").split("\n")
        lines = [line.strip().removesuffix("\\").rstrip() for line in joined]
        return " ".join(line for line in (*lines, last.strip()) if line)[:most]

    def words(self, command: Node) -> list[str]:
        """The words of a command as they stand; those that touch (`a=$1=$2`) are one."""
        spans: list[tuple[int, int]] = []
        for child in command.named_children:
            if child.type in ("file_redirect", "herestring_redirect", "comment"):
                continue
            start = spans.pop()[0] if spans and child.start_byte == spans[-1][1] else child.start_byte
            spans.append((start, child.end_byte))
        return [self._raw[start:end].decode("utf-8", "replace") for start, end in spans]

    def here_document(self, redirect: Node) -> HereDocument:
        """The here-document that begins there.

        Raises:
            NotConvertibleError: it has no end.
        """
        start = next((child for child in redirect.children if child.type == "heredoc_start"), None)
        end = next((child for child in redirect.children if child.type == "heredoc_end"), None)
        if start is None or end is None or end.start_byte == end.end_byte or end.start_byte <= start.end_byte:
            self._refuse_open(redirect, start)
        head = (child for child in redirect.children if child.type not in ("heredoc_body", "heredoc_end"))
        row = max(child.end_point.row for child in head)
        while row + 1 < len(self._lines) and self._lines[row].endswith(b"\\"):
            row += 1
        lines = self._lines[row + 1 : end.start_point.row]
        if self._raw[redirect.start_byte : start.start_byte].lstrip(b"0123456789").startswith(b"<<-"):
            lines = [line.lstrip(b"\t") for line in lines]
        return HereDocument(
            text="".join(line.decode("utf-8", "replace") + "\n" for line in lines),
            line=row + 2,
            is_literal=any(sign in self.text(start) for sign in "'\"\\"),
        )

    def _refuse_open(self, redirect: Node, start: Node | None) -> Never:
        line = redirect.start_point.row + 1
        delimiter = self.text(start).strip("'\"") if start else "its delimiter"
        raise NotConvertibleError(
            f"The here-document that begins in line {line} of {self._what.lower()} is not closed.",
            remedy=f"Put {delimiter} on a line of its own after it.",
            line=line,
        )


def without_prefix(words: list[str]) -> list[str]:
    """The command that `sudo`, `env` and the like would start."""
    at = 0
    while at < len(words) and (words[at] in _BEFORE_COMMANDS or ASSIGNMENT.match(words[at])):
        is_prefix = words[at] in _BEFORE_COMMANDS
        at += 1
        while is_prefix and at < len(words) and words[at].startswith("-"):
            at += 2 if words[at] in _OPTIONS_WITH_VALUE else 1
    return words[at:]
