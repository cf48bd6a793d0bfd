"""Which here-documents an instruction begins, by BuildKit's rules. Pure."""

import json
import re
from dataclasses import dataclass
from typing import Final

from homeport.catalog.dockerfile.shell_words import BLANKS, words_of

_TAKE_THEM: Final = ("RUN", "COPY", "ADD")
_DOCUMENT: Final = re.compile(r"[0-9]*<<(-?)[\t\n\f\r ]*([^<]+)")
_PUT_OFF: Final = re.compile(r"(\w+)[\t\v\f\r ]+((?:--\S*[\t\v\f\r ]+)*)")


@dataclass(frozen=True)
class Document:
    """A here-document that begins: `name` is the line that ends it; `chomps`: tabs may stand before that."""

    name: str
    chomps: bool


def documents_of(line: str, keyword: str, arguments: str, *, spaced: bool) -> list[Document]:
    """The here-documents that the instruction begins, in order.

    Args:
        line: all of it, continuations joined.
        keyword: in capitals.
        arguments: what stands behind its flags.
        spaced: whether `<< EOF` begins one.

    Raises:
        ShellError: versions of BuildKit read it differently.
    """
    if keyword == "ONBUILD":
        found = _PUT_OFF.match(arguments)
        keyword = found[1].upper() if found else ""
        arguments = arguments[found.end() :] if found else ""
    if keyword not in _TAKE_THEM or _is_list_of_texts(arguments):
        return []
    documents: list[Document] = []
    for word in words_of(line, spaced_documents=spaced):
        if (found := _DOCUMENT.fullmatch(word)) is None:
            continue
        names = words_of(found[2], keep_quotes=False)
        if len(names) == 1:
            documents.append(Document(names[0], chomps=bool(found[1])))
    return documents


def _is_list_of_texts(arguments: str) -> bool:
    """Whether it is the exec form, which has no here-documents."""
    stripped = arguments.strip(BLANKS)
    if not stripped.startswith("["):
        return False
    try:
        words = json.loads(stripped)
    except (ValueError, RecursionError):
        return False
    return isinstance(words, list) and all(isinstance(word, str) for word in words)
