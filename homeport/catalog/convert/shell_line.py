"""Finds the commands in a text as people publish it: shell lines with placeholders, between words."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from homeport.catalog.convert.ansi_quotes import ANSI_QUOTED, read_ansi
from homeport.catalog.convert.fences import DOCKER, find_blocks
from homeport.errors import NotConvertibleError

MAX_CHARS: Final = 256 * 1024
"""Of a text; the longest of those that people publish have a hundredth of it."""

_MOST_IN_COMMANDS: Final = 64 * 1024  # the rest of a page is prose around them

_FIRST_MARK: Final = 0xE000  # Unicode's private use area: no text that means something has them
_MOST_MARKS: Final = 6000
_PRIVATE: Final = re.compile("[\ue000-\uf8ff]")

_TYPOGRAPHY: Final = str.maketrans(
    {"\u00a0": " ", "\u200b": None, "\ufeff": None, "“": '"', "”": '"', "’": "'", "‘": "'"}
)
_INLINE: Final = re.compile(r"`((?:\$ )?(?:sudo )?(?:docker|podman) [^`\n]*)`")

_BLANKS: Final = re.compile(r"[ \t]+")
_COMMENT_BELOW: Final = re.compile(r"[ \t]*#[^\n]*\n")
_FLAG_BELOW: Final = re.compile(r"\n[ \t]+(?=--?[A-Za-z])")
_PLACEHOLDER: Final = re.compile(r"<(?![<(&=\s])[^<>\n]{1,120}>")
_VARIABLE: Final = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9?!@*#])|%[A-Za-z_]{2,40}%")
_BRACED: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-=?+])([^{}]*))?\}")
_WINDOWS: Final = re.compile(r"(?:(?<=[\s=])|^)[A-Za-z]:\\(?!\s)[^\s:\"']*")
_BEFORE_SOURCE: Final = re.compile(
    r"(?:^|\s)(?:(?:-[A-Za-z]*v|--volume)[\s=\\`^]+|--mount[\s=\\`^]+\S*(?:source|src)=)\Z"
)
_TRANSLATED: Final = re.compile(r"\$(?=\")")
_ESCAPED_IN_DOUBLE: Final = re.compile(r"\\([$`])")
_JOINED_IN_DOUBLE: Final = re.compile(r"\\\n")
_BACKQUOTED: Final = re.compile(r"`[^`\n]*`")
_PLAIN: Final = re.compile(r"(?:[^\s\\`^$%<>\"'#;|&=0-9\ue000-\uf8ff]|[0-9](?!>))+")
"""Characters that mean nothing to a shell."""
_SEPARATORS: Final = re.compile(r"&&|\|\||[0-9]?>>?|[\n;|&<]")
_PROMPT: Final = re.compile(r"^(?:[\w.-]+@[\w.-]+:[^\s$#]*[$#]\s+|[$#>]\s+|PS [^>\n]*>\s*)")

_SAME_EVERYWHERE: Final = {
    "id -u": "1000", "UID": "1000", "id -g": "1000", "GID": "1000",
    "cat /etc/timezone": "Etc/UTC",
}  # fmt: skip
"""What stands for something that a definition can say: the one user of a box."""
_FOLDERS: Final = {
    "pwd": ".", "PWD": ".", "cd": ".", "CD": ".", "HOME": "~", "USERPROFILE": "~",
}  # fmt: skip
"""What stands for a folder: in the source of a mount it is known, anywhere else it is another on each box."""


@dataclass(frozen=True, kw_only=True)
class ShellCommand:
    """One command: its words; each character of `open_marks` in them is a text that was left open."""

    line: int
    words: tuple[str, ...]
    open_marks: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    """Those of them that stand for the folder where the command runs (`.`), or for the user's (`~`)."""
    text: str = ""
    """As it stood there, in one line."""

    def is_open(self, word: str) -> bool:
        """Whether something in the word was left open."""
        return any(char in self.open_marks for char in word)

    def shown(self, word: str) -> str:
        """The word as it stood in the text, placeholders and all."""
        return "".join(self.open_marks.get(char, char) for char in word)

    def placed(self, word: str) -> str:
        """The word, which names a path of the box, with the folders that it names."""
        return "".join(self.folders.get(char, char) for char in word)


def read_commands(text: str) -> list[ShellCommand]:
    """The commands in the text, in order.

    Where docker's commands stand in fenced blocks of a Markdown text, the rest is taken for prose. Lines may
    go on after a backslash, a backtick or a caret, also with blanks or a comment behind it.

    Raises:
        NotConvertibleError: the text is too long, or a quote is never closed.
    """
    if len(text) > MAX_CHARS:
        raise NotConvertibleError(
            "The text is too long.", why=f"{MAX_CHARS} characters are read.", remedy="Give the line alone."
        )
    plain = _PRIVATE.sub("?", text.replace("\r\n", "\n").replace("\r", "\n").translate(_TYPOGRAPHY))
    plain = _INLINE.sub(lambda found: f";{found[1]};", plain)
    blocks = find_blocks(plain)
    if sum(len(block.text) for block in blocks) > _MOST_IN_COMMANDS:
        raise NotConvertibleError(
            "The commands are too long.",
            why=f"{_MOST_IN_COMMANDS} characters of them are read.",
            remedy="Give the line alone.",
        )
    return [command for block in blocks for command in _Scanner(block.text, block.first_line).commands()]


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


class _Scanner:
    """Goes through a text once: hides what a shell would expand, and cuts it into commands.

    No pattern that begins with blanks is looked for at every place: over a long run of them that would take
    its square. Blanks are taken a run at a time.
    """

    def __init__(self, text: str, first_line: int) -> None:
        self._text, self._line = text, first_line
        self._at = self._start = 0
        self._docker_at = self._newline_at = -1
        self._quote = ""
        self._hidden: list[str] = []
        self._marks: dict[tuple[str | None, str], str] = {}
        self._known: dict[str, str] = {}
        self._open: dict[str, str] = {}
        self._folders: dict[str, str] = {}
        self._rules = self._rules_by_quote()

    def commands(self) -> Iterator[ShellCommand]:
        first = self._line
        while self._at < len(self._text):
            if not self._quote and (cut := _SEPARATORS.match(self._text, self._at)) and not self._goes_on():
                yield from self._command(first)
                self._take(cut[0], "")
                first, self._start = self._line, self._at
                self._hidden.clear()
            else:
                self._step()
        if self._quote:
            raise NotConvertibleError(
                f"A quote ({self._quote}) is opened and never closed.",
                why=f"The command begins in line {first}.", remedy="Close it.", line=first,
            )  # fmt: skip
        yield from self._command(first)

    def _command(self, line: int) -> Iterator[ShellCommand]:
        stood = _PROMPT.sub("", re.sub(r"[\\`^]?\s+", " ", self._text[self._start : self._at]).strip())
        hidden = _PROMPT.sub("", "".join(self._hidden).strip())
        try:
            words = shlex.split(hidden)
        except ValueError as error:  # a backslash at the very end
            raise NotConvertibleError(
                "The command ends in the middle.",
                why=f"{stood[-60:]!r}: {error}.",
                remedy="Give all of it.",
                line=line,
            ) from error
        if words:
            filled = tuple("".join(self._known.get(char, char) for char in word) for word in words)
            yield ShellCommand(
                line=line, words=filled, open_marks=self._open, folders=self._folders, text=stood
            )

    def _goes_on(self) -> bool:
        """Whether the newline, or the `<`, that is next does not end the command."""
        return any(pattern.match(self._text, self._at) for pattern in (_FLAG_BELOW, _PLACEHOLDER))

    def _step(self) -> None:
        """Takes the next piece: a thing that a shell would expand, a run of blanks, or a character."""
        if not self._is_word_start() and (plain := _PLAIN.match(self._text, self._at)):
            self._take(plain[0], plain[0])
            return
        if blanks := _BLANKS.match(self._text, self._at):
            self._take(blanks[0], blanks[0] if self._quote else " ")
            return
        if not self._quote and (end := self._continuation()):
            self._take(self._text[self._at : end], " ")
            return
        for pattern, hide in self._rules[self._quote]:
            if found := pattern.match(self._text, self._at):
                self._take(found[0], hide(found))
                return
        self._take_sign()

    def _take_sign(self) -> None:
        sign = self._text[self._at]
        if self._quote != "'" and self._text.startswith("$(", self._at):
            self._hide_enclosed(self._closing_parenthesis(), "$(", ")")
        elif not self._quote and sign == "`":
            end = self._text.find("`", self._at + 1)
            self._hide_enclosed(end + 1 if end > 0 else self._at + 1, "`", "`")
        elif not self._quote and sign == "#" and self._text[self._at - 1 : self._at].strip() == "":
            self._take(self._text[self._at : self._line_end()], "")
        elif self._quote != "'" and sign == "\\" and self._at + 1 < len(self._text):
            piece = self._text[self._at : self._at + 2]
            self._take(piece, piece)
        else:
            self._take_character()

    def _continuation(self) -> int | None:
        """Where the line goes on, if a sign at its end says so; behind comments that stand between."""
        if self._text[self._at] not in "\\`^" or (end := self._line_end()) == len(self._text):
            return None
        blanks = _BLANKS.match(self._text, self._at + 1)
        behind = blanks.end() if blanks else self._at + 1
        if behind != end and self._text[behind] != "#":
            return None
        end += 1
        while comment := _COMMENT_BELOW.match(self._text, end):
            end = comment.end()
        return end

    def _line_end(self) -> int:
        if self._newline_at < self._at:
            found = self._text.find("\n", self._at)
            self._newline_at = found if found >= 0 else len(self._text)
        return self._newline_at

    def _rules_by_quote(self) -> dict[str, list[_Rule]]:
        """What is hidden, and by what, within quotes of each kind and outside of any."""
        placeholder: _Rule = (_PLACEHOLDER, lambda found: self._mark(found[0]))
        variables: list[_Rule] = [
            (_BRACED, self._hide_braced),
            (_VARIABLE, lambda found: self._stand_in(found[0], found[0].strip("$%"))),
            placeholder,
        ]
        double: list[_Rule] = [
            (_ESCAPED_IN_DOUBLE, lambda found: self._mark(found[0], found[1])),
            (_JOINED_IN_DOUBLE, lambda _found: ""),
            (_BACKQUOTED, lambda found: self._stand_in(found[0], found[0].strip("`").strip())),
        ]
        outside: list[_Rule] = [
            (_FLAG_BELOW, lambda _found: " "),
            (_WINDOWS, self._hide_drive),
            (ANSI_QUOTED, lambda found: self._mark(found[0], read_ansi(found[1]))),
            (_TRANSLATED, lambda _found: ""),
        ]
        return {"'": [placeholder], '"': [*double, *variables], "": [*outside, *variables]}

    def _hide_braced(self, found: re.Match[str]) -> str:
        default = found[3] if found[2] in ("-", ":-", "=", ":=") else None
        return self._stand_in(found[0], found[1], default)

    def _hide_drive(self, found: re.Match[str]) -> str:
        """A path of Windows: with slashes where something is mounted from it, else as it was meant."""
        if _BEFORE_SOURCE.search(self._text[max(self._start, self._at - 200) : self._at]):
            return found[0].replace("\\", "/")
        return found[0].replace("\\\\", "\\").replace("\\", "\\\\")

    def _hide_enclosed(self, end: int, opened: str, closed: str) -> None:
        whole = self._text[self._at : end]
        inner = whole.removeprefix(opened).removesuffix(closed).strip()
        is_comment = opened == "`" and inner.startswith("#")  # how linuxserver.io marks what is optional
        self._take(whole, "" if is_comment else self._stand_in(whole, inner))

    def _closing_parenthesis(self) -> int:
        depth = 0
        for index in range(self._at + 1, len(self._text)):
            depth += {"(": 1, ")": -1}.get(self._text[index], 0)
            if depth == 0:
                return index + 1
        return len(self._text)

    def _take_character(self) -> None:
        char = stood = self._text[self._at]
        if not self._quote and char in "'\"":
            self._quote = "" if self._is_apostrophe() else char
            char = char if self._quote else "’"
        elif char == self._quote:
            self._quote = ""
        self._take(stood, char)

    def _is_apostrophe(self) -> bool:
        """Whether the quote stands within a word of prose, before any command."""
        around = self._text[self._at - 1 : self._at] + self._text[self._at + 1 : self._at + 2]
        return len(around) == 2 and around.isalpha() and not self._is_past_docker()

    def _is_past_docker(self) -> bool:
        """Whether the command that is being read has named docker already."""
        if self._docker_at < self._start:
            found = DOCKER.search(self._text, self._start)
            self._docker_at = found.start() if found else len(self._text)
        return self._docker_at < self._at

    def _is_word_start(self) -> bool:
        return self._at == 0 or self._text[self._at - 1] in " \t\n\"'="

    def _stand_in(self, stood: str, name: str, default: str | None = None) -> str:
        """A character for a variable, or for what a command would print."""
        mark = self._mark(stood, None if name in _FOLDERS else _SAME_EVERYWHERE.get(name) or default)
        if name in _FOLDERS:
            self._folders[mark] = _FOLDERS[name]
        return mark

    def _mark(self, stood: str, value: str | None = None) -> str:
        """A character in place of what stood there; with a value, it is known what it stands for."""
        key = (value, stood if value is None else "")
        if key not in self._marks:
            if len(self._marks) >= _MOST_MARKS:
                raise NotConvertibleError(
                    "The text has too many placeholders.", remedy="Give the line alone."
                )
            self._marks[key] = mark = chr(_FIRST_MARK + len(self._marks))
            if value is None:
                self._open[mark] = stood
            else:
                self._known[mark] = value
        return self._marks[key]

    def _take(self, piece: str, instead: str) -> None:
        self._hidden.append(instead)
        self._at += len(piece)
        self._line += piece.count("\n")
