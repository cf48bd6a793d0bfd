"""Quotes, escapes and variables in a Dockerfile, as BuildKit's `frontend/dockerfile/shell` has them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

BLANKS: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    chr(number) for number in range(0x2000, 0x200B)
)
"""What Go takes for blanks (its `unicode.IsSpace`); Python knows some more."""

MOST_INSERTED: Final = 1024 * 1024
"""So many characters may variables put into one text: two that name each other double with every line."""

DEEPEST_NESTING: Final = 32
"""So many `${` may stand within each other; BuildKit reads them by calling itself."""

_PLAIN: Final = re.compile(r"[^$<'\"\\`}/]+")
_PLAIN_IN_QUOTES: Final = re.compile(r"[^$\"\\`]+")
_NAME: Final = re.compile(r"[0-9]+|[@*#?$!-]|\w+")
_DOCUMENT_BLANKS: Final = re.compile(r"[\t\r ]+")
_WORD_ENDS: Final = re.compile(f"[{BLANKS}]+")


class ShellError(Exception):
    """What BuildKit must not be given: its text says what is wrong, as the end of a sentence."""


def substitute(text: str, values: Mapping[str, str], escape: str = "\\") -> str:
    """The text with its variables replaced and without quotes; as it is, where BuildKit would refuse it.

    Where a value cannot be told, since a pattern changes it, the variable stays as it is written, with `$`.

    Raises:
        ShellError: it becomes longer, or nests deeper, than anybody writes.
    """
    try:
        return _Reading(text, values, escape).until("", raw_escapes=False)
    except _BadSubstitutionError:
        return text


def words_of(line: str, *, keep_quotes: bool = True, spaced_documents: bool = True) -> list[str]:
    """The words of a line, its variables kept, where BuildKit looks for here-documents; or none, as it has.

    Args:
        line: the instruction, continuations joined.
        keep_quotes: whether quotes and escape characters are kept, too.
        spaced_documents: whether `<< EOF` is one word, as it is since 2025, or two.

    Raises:
        ShellError: it nests deeper than anybody writes, or versions of BuildKit read it differently.
    """
    reading = _Reading(line, None, "\\", keep_quotes=keep_quotes, spaced_documents=spaced_documents)
    try:
        reading.until("", raw_escapes=keep_quotes)
    except _BadSubstitutionError:
        return []
    return reading.words.finish()


class _BadSubstitutionError(Exception):
    """BuildKit cannot read it either."""


@dataclass
class _Words:
    """The words as they come; only blanks outside of quotes end one."""

    done: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    begins_document: bool = False
    """Whether the last word, which is not done, has `<<`."""

    def add(self, text: str) -> None:
        """Adds text, in which blanks end words."""
        for index, piece in enumerate(_WORD_ENDS.split(text)):
            if index:
                self._end()
            if piece:
                self.parts.append(piece)

    def finish(self) -> list[str]:
        """All of them."""
        self._end()
        return self.done

    def _end(self) -> None:
        if self.parts:
            self.done.append("".join(self.parts))
            self.parts.clear()
            self.begins_document = False


class _Reading:
    """Goes through a text once; `values` None leaves every variable as it is written."""

    def __init__(
        self,
        text: str,
        values: Mapping[str, str] | None,
        escape: str,
        *,
        keep_quotes: bool = False,
        spaced_documents: bool = False,
    ) -> None:
        self.words = _Words()
        self._raw_escapes = keep_quotes
        self._text = text
        self._values = values
        self._escape = escape
        self._keep_quotes = keep_quotes
        self._spaced = spaced_documents
        self._at = 0
        self._depth = 0
        self._inserted = 0

    def until(self, stop: str, *, raw_escapes: bool) -> str:
        """What stands before the character `stop`, read; before the end, where `stop` is empty."""
        before, self._raw_escapes = self._raw_escapes, raw_escapes
        if stop and self._values is None and self.words.begins_document:
            # some versions of BuildKit lose what they have of the word here
            raise ShellError("the name of a here-document has a variable in it")
        parts: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == stop:
                self._at += 1
                self._raw_escapes = before
                return "".join(parts)
            parts.append(self._piece(character))
        if stop:
            raise _BadSubstitutionError
        self._raw_escapes = before
        return "".join(parts)

    def _piece(self, character: str) -> str:
        """The next piece of the text, which begins with this character; put among the words, too."""
        if character == "$":
            piece = self._dollar()
            if not self._depth:
                self.words.add(piece)
            return piece
        if character in "'\"":
            piece = self._quoted(character)
        elif character == "<":
            piece = self._angles()
        elif character == self._escape:
            piece = self._escaped()
        else:
            found = _PLAIN.match(self._text, self._at)
            end = found.end() if found else self._at + 1
            piece, self._at = self._text[self._at : end], end
            if not self._depth:
                self.words.add(piece)
            return piece
        if not self._depth and piece:
            self.words.parts.append(piece)
            self.words.begins_document |= piece.startswith("<<")
        return piece

    def _escaped(self) -> str:
        self._at += 2
        kept = self._escape if self._raw_escapes else ""
        return kept + self._text[self._at - 1 : self._at]

    def _angles(self) -> str:
        """`<`, or `<<` with the blanks behind it where these belong to it."""
        begins = self._at
        self._at += 1
        if self._text[self._at : self._at + 1] == "<":
            self._at += 1
            if self._spaced and (found := _DOCUMENT_BLANKS.match(self._text, self._at)):
                self._at = found.end()
        return self._text[begins : self._at]

    def _quoted(self, quote: str) -> str:
        begins = self._at
        self._at += 1
        if quote == "'":
            end = self._text.find("'", self._at)
            if end < 0:
                raise _BadSubstitutionError
            self._at = end + 1
            return self._text[begins : end + 1] if self._keep_quotes else self._text[begins + 1 : end]
        kept = quote if self._keep_quotes else ""
        parts = [kept]
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == '"':
                self._at += 1
                return "".join([*parts, kept])
            parts.append(self._piece_in_quotes(character))
        raise _BadSubstitutionError

    def _piece_in_quotes(self, character: str) -> str:
        if character == "$":
            return self._dollar()
        if character != self._escape:
            found = _PLAIN_IN_QUOTES.match(self._text, self._at)
            end = found.end() if found else self._at + 1
            piece, self._at = self._text[self._at : end], end
            return piece
        self._at += 1
        following = self._text[self._at : self._at + 1]
        kept = self._escape if self._raw_escapes else ""
        if following and following in ('"', "$", self._escape):
            self._at += 1
            return kept + following
        return kept + self._escape if following else kept

    def _dollar(self) -> str:
        begins = self._at
        self._at += 1
        if self._text[self._at : self._at + 1] == "{":
            self._at += 1
            self._depth += 1
            if self._depth > DEEPEST_NESTING:
                raise ShellError(f"more than {DEEPEST_NESTING} variables stand within each other")
            result = self._braced(begins)
            self._depth -= 1
        else:
            name = self._name()
            result = self._plain_value(name, begins) if name else "$"
        self._inserted += len(result)
        if self._values is not None and self._inserted > MOST_INSERTED:
            raise ShellError("its variables become longer than anything that is written out")
        return result

    def _braced(self, begins: int) -> str:
        """What `${…}` stands for, which began there; its name comes next."""
        if self._text[self._at : self._at + 1] in ("", "{", "}", ":"):
            raise _BadSubstitutionError
        name = self._name()
        operator = self._take()
        if operator == "}":
            return self._plain_value(name, begins)
        if operator == ":":
            operator += self._take()
        if operator == "/":
            if self._text[self._at : self._at + 1] == "/":
                self._at += 1
            self.until("/", raw_escapes=True)
            self.until("}", raw_escapes=True)
            return self._text[begins : self._at]
        if operator not in (":-", ":+", ":?", "-", "+", "?", "#", "%"):
            raise _BadSubstitutionError
        word = self.until("}", raw_escapes=operator in ("#", "%"))
        written = self._text[begins : self._at]
        return written if self._values is None else _chosen(operator, self._values.get(name), word, written)

    def _plain_value(self, name: str, begins: int) -> str:
        return self._text[begins : self._at] if self._values is None else self._values.get(name, "")

    def _take(self) -> str:
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found[0] if found else ""


def _chosen(operator: str, value: str | None, word: str, written: str) -> str:
    """What `${NAME<operator>word}` stands for; as it is written, where that cannot be told."""
    if operator in ("#", "%"):
        return written if value else ""
    if value is not None and "$" in value and operator.startswith(":"):
        return written  # what is not known may be nothing
    is_set = bool(value) if operator.startswith(":") else value is not None
    match operator[-1]:
        case "-":
            return (value or "") if is_set else word
        case "+":
            return word if is_set else ""
        case _:
            if not is_set:
                raise _BadSubstitutionError
            return value or ""
