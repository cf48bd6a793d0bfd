"""What stands where in a Dockerfile: instructions, their flags and here-documents, by byte offset. Pure.

The rules are those of BuildKit's own line-based parser (its `frontend/dockerfile/parser`): directives at the
top, comments and blank lines within continuations, here-documents after RUN, COPY and ADD.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from homeport.catalog.dockerfile.here_documents import Document, documents_of
from homeport.catalog.dockerfile.lines import Line, split_lines, strip_left
from homeport.catalog.dockerfile.shell_words import BLANKS, DEEPEST_NESTING, ShellError

LONGEST_LINE: Final = 64 * 1024
"""In bytes, with its end: BuildKit reads no longer one (Go's `bufio.MaxScanTokenSize`)."""

_KEYWORDS = frozenset(
    b"ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL "
    b"USER VOLUME WORKDIR".split()
)
_DIRECTIVE = re.compile(rb"#\s*([A-Za-z][A-Za-z0-9]*)\s*=")
_DIRECTIVE_NAMES = (b"syntax", b"escape", b"check")
_KEYWORD_ENDS = re.compile(rb"[\t\v\f\r ]")
_BRACES = re.compile(r"\$\{|\}")
_SHOWN = 60
_FLAG_BLANKS = "\t\n\v\f\r \x85\xa0"  # Go's blanks among single bytes, which is how flags are read


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
    """A file as far as it could be read; where that is not to its end, `problem` says why, and where."""

    directives: Sequence[Directive]
    instructions: Sequence[Instruction]
    problem: str = ""
    problem_line: int = 0

    @property
    def escape(self) -> str:
        """The character that continues lines and takes the meaning from the one after it."""
        return _escape_of(self.directives)


class _UnreadableError(Exception):
    """Ends the reading at a line; its text is the problem."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def parse_dockerfile(source: bytes) -> Dockerfile:
    """Reads a Dockerfile; never fails, see `problem`.

    Of `readings_of` it is the first that can be read to its end.
    """
    readings = readings_of(source)
    return next((one for one in readings if not one.problem), readings[0])


def readings_of(source: bytes) -> Sequence[Dockerfile]:
    """What it says to a BuildKit since 2025, for which `<< EOF` begins a here-document; and to one before."""
    spaced = _read(source, spaced_documents=True)
    return (spaced, _read(source, spaced_documents=False)) if b"<<" in source else (spaced,)


def _read(source: bytes, *, spaced_documents: bool) -> Dockerfile:
    lines = split_lines(source)
    too_long = next((line.number for line in lines if len(line.raw) > LONGEST_LINE), None)
    directives: list[Directive] = []
    instructions: list[Instruction] = []
    problem, problem_line = "", 0
    try:
        if too_long is not None:
            del lines[too_long - 1 :]
        directives += _read_directives(lines)
        escape = _escape_of(directives).encode()
        position = 0
        while position < len(lines):
            position = _read_instruction(lines, position, escape, instructions, spaced_documents)
        if too_long is not None:
            what = f"is longer than {LONGEST_LINE - 1} bytes, which BuildKit does not read"
            problem, problem_line = f"line {too_long} {what}", too_long
    except _UnreadableError as error:
        problem, problem_line = str(error), error.line
    return Dockerfile(
        directives=tuple(directives),
        instructions=tuple(instructions),
        problem=problem,
        problem_line=problem_line,
    )


def put_off(instruction: Instruction, escape: str) -> tuple[Instruction, ...]:
    """What an ONBUILD has other builds do; nothing of any other instruction."""
    if instruction.keyword != "ONBUILD":
        return ()
    # its here-documents stand elsewhere, and say nothing of flags and addresses
    text = instruction.arguments.replace("<<", "< <")
    # BuildKit reads it once with the file's escape character, and once more with the usual one
    read = [parse_dockerfile(f"# escape={one}\n{text}".encode()) for one in dict.fromkeys((escape, "\\"))]
    return tuple(done for parsed in read for done in parsed.instructions)


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
        if character in BLANKS and not quote:
            words += [word] if word else []
            word = ""
        else:
            word += character
        position += 1
    words += [word] if word else []
    return None if quote else words


def _escape_of(directives: Sequence[Directive]) -> str:
    return next((found.value for found in directives if found.name == "escape"), "\\")


def _read_directives(lines: Sequence[Line]) -> list[Directive]:
    directives: list[Directive] = []
    for line in lines:
        content = strip_left(line.content)
        found = _DIRECTIVE.match(content)
        value = content[found.end() :] if found else b""
        if found is None or not value or (name := found[1].lower()) not in _DIRECTIVE_NAMES:
            break
        if name.decode() in [before.name for before in directives]:
            raise _UnreadableError(line.number, f"line {line.number} repeats a directive")
        text = value.strip().decode(errors="replace")
        if name == b"escape" and text not in ("\\", "`"):
            raise _UnreadableError(line.number, f"line {line.number} sets an escape character that is none")
        directives.append(
            Directive(name=name.decode(), value=text, start=line.start, end=line.start + len(line.raw))
        )
    return directives


def _read_instruction(
    lines: Sequence[Line],
    position: int,
    escape: bytes,
    instructions: list[Instruction],
    spaced_documents: bool,
) -> int:
    """Adds the instruction that begins at this line, if one does; gives the line after it."""
    pieces, position = _join_continuations(lines, position, escape)
    logical = b"".join(piece for _, _, piece in pieces)
    if not strip_left(logical):
        return position
    number, keyword_end, keyword = _find_keyword(pieces, logical)
    written = logical.decode(errors="replace")
    _require_shallow(written, number)
    rest = strip_left(logical)[len(keyword) :]
    flags, arguments = _split_flags(rest, escape.decode())
    documents: list[str] = []
    if "<<" in written:
        try:
            begun = documents_of(written, keyword, arguments, spaced=spaced_documents)
        except ShellError as error:
            raise _UnreadableError(number, f"in line {number} {error}") from error
        position = _read_documents(lines, position, begun, documents)
    instructions.append(
        Instruction(
            keyword=keyword,
            line=number,
            keyword_end=keyword_end,
            flags=tuple(flags),
            arguments=arguments,
            documents=tuple(documents),
        )
    )
    return position


def _require_shallow(line: str, number: int) -> None:
    depth = 0
    for found in _BRACES.finditer(line):
        depth = depth + 1 if found[0] == "${" else max(0, depth - 1)
        if depth > DEEPEST_NESTING:
            what = f"more than {DEEPEST_NESTING} variables stand within each other"
            raise _UnreadableError(number, f"in line {number} {what}")


def _join_continuations(
    lines: Sequence[Line], position: int, escape: bytes
) -> tuple[list[tuple[int, int, bytes]], int]:
    """The pieces of one logical line as (line number, byte offset, bytes), and the line after it."""
    pieces: list[tuple[int, int, bytes]] = []
    for index in range(position, len(lines)):
        line = lines[index]
        if line.is_comment or line.is_blank:
            if not pieces:
                return [], index + 1
            continue
        content = line.content.rstrip(b" \t")
        # not after another escape character: BuildKit takes two for none
        continues = content.endswith(escape) and not content[:-1].endswith(escape)
        pieces.append((line.number, line.start, content[:-1] if continues else line.content))
        if not continues:
            return pieces, index + 1
    return pieces, len(lines)


def _find_keyword(pieces: Sequence[tuple[int, int, bytes]], logical: bytes) -> tuple[int, int, str]:
    """The line it begins in, the byte offset after it, and the keyword in capitals."""
    stripped = strip_left(logical)
    begins = len(logical) - len(stripped)
    keyword = _KEYWORD_ENDS.split(stripped, maxsplit=1)[0]
    line, passed = 0, 0
    for number, start, piece in pieces:
        if not line and begins < passed + len(piece):
            line = number
        if line and begins + len(keyword) <= passed + len(piece):
            if keyword.upper() not in _KEYWORDS:
                break
            return line, start + begins + len(keyword) - passed, keyword.decode().upper()
        passed += len(piece)
    shown = keyword[:_SHOWN].decode(errors="replace")
    raise _UnreadableError(line, f"line {line} begins with {shown!r}, which is no instruction that is known")


def _read_documents(
    lines: Sequence[Line], position: int, begun: Sequence[Document], documents: list[str]
) -> int:
    """Adds the contents of the here-documents that a logical line begins; gives the line after them."""
    for document in begun:
        content: list[bytes] = []
        while True:
            if position >= len(lines):
                what = f"the here-document {document.name[:_SHOWN]!r} has no end"
                raise _UnreadableError(lines[-1].number, what)
            line = lines[position]
            position += 1
            if (line.content.lstrip(b"\t") if document.chomps else line.content) == document.name.encode():
                break
            content.append(line.raw)
        documents.append(b"".join(content).decode(errors="replace"))
    return position


def _split_flags(written: bytes, escape: str) -> tuple[list[str], str]:
    """The `--flags` that the text behind a keyword begins with, as written, and what follows them."""
    text = written.decode("latin-1")
    flags: list[str] = []
    end = 0
    while True:
        begins = _skip_blanks(text, end)
        if not text.startswith("--", begins):
            break
        end = _end_of_flag(text, begins, escape)
        if text[begins:end] == "--":
            begins = end
            break
        flags.append(_as_text(text[begins:end]))
    return flags, _as_text(text[begins:]).strip(BLANKS)


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in _FLAG_BLANKS:
        position += 1
    return position


def _end_of_flag(text: str, position: int, escape: str) -> int:
    quote = ""
    while position < len(text) and (quote or text[position] not in _FLAG_BLANKS):
        if text[position] == escape:
            position += 1
        elif quote:
            quote = "" if text[position] == quote else quote
        elif text[position] in "'\"":
            quote = text[position]
        position += 1
    return min(position, len(text))


def _as_text(text: str) -> str:
    return text.encode("latin-1").decode(errors="replace")
