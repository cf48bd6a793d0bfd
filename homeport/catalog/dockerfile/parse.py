"""What stands where in a Dockerfile: instructions, their flags and here-documents, by byte offset. Pure.

The rules are those of BuildKit's own line-based parser (its `frontend/dockerfile/parser`): directives at the
top, comments and blank lines within continuations, here-documents after RUN, COPY and ADD.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_KEYWORDS = frozenset(
    b"ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL "
    b"USER VOLUME WORKDIR".split()
)
_TAKES_HERE_DOCUMENTS = re.compile(rb"(?:ONBUILD[\t\v\f\r ]+)?(?:RUN|COPY|ADD)[\t\v\f\r ]", re.IGNORECASE)
_DIRECTIVE = re.compile(rb"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVE_NAMES = (b"syntax", b"escape", b"check")
_HERE_DOCUMENT = re.compile(r"\d*<<(-?)([^<]+)")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANKS = (b"\t", b"\v", b"\f", b"\r", b" ")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction.

    `keyword` is in capitals; `line` counts from 1; `keyword_end` is the byte offset right after the keyword;
    `flags` are those between keyword and arguments, as written; `arguments` what follows, continuations
    joined; `documents` the here-documents' contents.
    """

    keyword: str
    line: int
    keyword_end: int
    flags: Sequence[str]
    arguments: str
    documents: Sequence[str] = ()

    @property
    def text(self) -> str:
        """All that the instruction says after its keyword."""
        return "\n".join((*self.flags, self.arguments, *self.documents))


@dataclass(frozen=True, kw_only=True)
class Directive:
    """A directive at the top: its name in small letters, its value, and its line's byte offsets.

    The span includes the line's end.
    """

    name: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """A file as far as it could be read; `problem` is a sentence where that is not to its end."""

    directives: Sequence[Directive]
    instructions: Sequence[Instruction]
    problem: str = ""


@dataclass(frozen=True)
class _Line:
    number: int
    start: int
    raw: bytes

    @property
    def content(self) -> bytes:
        return self.raw.rstrip(b"\r\n")

    @property
    def is_comment(self) -> bool:
        return self.raw.lstrip().startswith(b"#")


class _UnreadableError(Exception):
    """Ends the reading; its text is the problem."""


def parse_dockerfile(source: bytes) -> Dockerfile:
    """Reads a Dockerfile; never fails, see `problem`."""
    lines = _split_lines(source)
    directives: list[Directive] = []
    instructions: list[Instruction] = []
    problem = ""
    try:
        directives += _read_directives(lines)
        escape = next((found.value for found in directives if found.name == "escape"), "\\")
        position = 0
        while position < len(lines):
            position = _read_instruction(lines, position, escape.encode(), instructions)
    except _UnreadableError as error:
        problem = str(error)
    return Dockerfile(directives=tuple(directives), instructions=tuple(instructions), problem=problem)


def split_words(text: str, escape: str = "\\") -> list[str] | None:
    """The text's words as a shell sees them, quotes kept; None where a quote is not closed."""
    words: list[str] = []
    word, quote, position = "", "", 0
    while position < len(text):
        character = text[position]
        if character == escape and quote != "'":
            word += text[position : position + 2]
            position += 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        if character.isspace() and not quote:
            words += [word] if word else []
            word = ""
        else:
            word += character
        position += 1
    words += [word] if word else []
    return None if quote else words


def _split_lines(source: bytes) -> list[_Line]:
    lines: list[_Line] = []
    start = len(_BYTE_ORDER_MARK) if source.startswith(_BYTE_ORDER_MARK) else 0
    for number, raw in enumerate(source[start:].split(b"\n"), 1):
        end = start + len(raw)
        whole = source[start : end + 1]
        if whole:
            lines.append(_Line(number, start, whole))
        start = end + 1
    return lines


def _read_directives(lines: Sequence[_Line]) -> list[Directive]:
    directives: list[Directive] = []
    for line in lines:
        found = _DIRECTIVE.fullmatch(line.content.lstrip())
        if found is None or (name := found[1].lower()) not in _DIRECTIVE_NAMES:
            break
        if name.decode() in [before.name for before in directives]:
            raise _UnreadableError(f"line {line.number} repeats a directive")
        value = found[2].decode(errors="replace")
        if name == b"escape" and value not in ("\\", "`"):
            raise _UnreadableError(f"line {line.number} sets an escape character that is none")
        directives.append(
            Directive(name=name.decode(), value=value, start=line.start, end=line.start + len(line.raw))
        )
    return directives


def _read_instruction(
    lines: Sequence[_Line], position: int, escape: bytes, instructions: list[Instruction]
) -> int:
    """Adds the instruction that begins at this line, if one does; gives the line after it."""
    pieces, position = _join_continuations(lines, position, escape)
    logical = b"".join(piece for _, _, piece in pieces)
    stripped = logical.strip()
    if not stripped:
        return position
    number, keyword_end, keyword = _find_keyword(pieces)
    documents: list[str] = []
    if b"<<" in stripped and _TAKES_HERE_DOCUMENTS.match(stripped):
        position = _read_documents(lines, position, stripped.decode(errors="replace"), documents)
    flags, arguments = _split_flags(stripped[len(keyword) :].decode(errors="replace"), escape.decode())
    instructions.append(
        Instruction(
            keyword=keyword.decode().upper(),
            line=number,
            keyword_end=keyword_end,
            flags=tuple(flags),
            arguments=arguments,
            documents=tuple(documents),
        )
    )
    return position


def _join_continuations(
    lines: Sequence[_Line], position: int, escape: bytes
) -> tuple[list[tuple[int, int, bytes]], int]:
    """The pieces of one logical line as (line number, byte offset, bytes), and the line after it."""
    # not after another escape character: BuildKit takes two for none
    continued = re.compile(rb"(?:(?<=[^%b])|^)%b[ \t]*$" % (re.escape(escape), re.escape(escape)))
    pieces: list[tuple[int, int, bytes]] = []
    for index in range(position, len(lines)):
        line = lines[index]
        if line.is_comment or not line.content.strip():
            if not pieces:
                return [], index + 1
            continue
        match = continued.search(line.content)
        pieces.append((line.number, line.start, line.content[: match.start()] if match else line.content))
        if match is None:
            return pieces, index + 1
    return pieces, len(lines)


def _find_keyword(pieces: Sequence[tuple[int, int, bytes]]) -> tuple[int, int, bytes]:
    """The line it stands in, the byte offset after it, and the keyword, which must stand in one piece."""
    for index, (number, start, piece) in enumerate(pieces):
        stripped = piece.lstrip()
        if not stripped:
            continue
        keyword = re.split(rb"[\t\v\f\r ]", stripped, maxsplit=1)[0]
        after = b"".join(following for _, _, following in pieces[index + 1 :])
        goes_on = len(keyword) == len(stripped) and after[:1] not in (b"", *_BLANKS)
        if goes_on or keyword.upper() not in _KEYWORDS:
            raise _UnreadableError(f"line {number} begins with no instruction that is known")
        return number, start + len(piece) - len(stripped) + len(keyword), keyword
    raise AssertionError(pieces)


def _read_documents(lines: Sequence[_Line], position: int, logical: str, documents: list[str]) -> int:
    """Adds the contents of the here-documents that a logical line begins; gives the line after them."""
    words = split_words(logical)
    if words is None:
        raise _UnreadableError(f"a quote before line {position + 1} is not closed")
    for word in words:
        if (found := _HERE_DOCUMENT.fullmatch(word)) is None:
            continue
        end = re.sub(r"\\(.)|['\"]", r"\1", found[2]).encode()
        content: list[bytes] = []
        while True:
            if position >= len(lines):
                raise _UnreadableError(f"the here-document {found[2]} has no end")
            line = lines[position]
            position += 1
            if (line.content.lstrip(b"\t") if found[1] else line.content) == end:
                break
            content.append(line.raw)
        documents.append(b"".join(content).decode(errors="replace"))
    return position


def _split_flags(text: str, escape: str) -> tuple[list[str], str]:
    """The `--flags` that a text begins with, and what follows them."""
    flags: list[str] = []
    rest = text.strip()
    while rest.startswith("--"):
        end, quote = 0, ""
        while end < len(rest) and (quote or not rest[end].isspace()):
            if rest[end] == escape:
                end += 1
            elif quote:
                quote = "" if rest[end] == quote else quote
            elif rest[end] in "'\"":
                quote = rest[end]
            end += 1
        flag, rest = rest[:end], rest[end:].lstrip()
        if flag == "--":
            break
        flags.append(flag)
    return flags, rest
