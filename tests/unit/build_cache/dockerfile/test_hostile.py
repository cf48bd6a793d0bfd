"""A Dockerfile that is made to be slow, or to fill the memory, is read in a moment, by whoever reads it."""

import contextlib
import time
from collections.abc import Callable

import pytest

from build_cache.dockerfile import find_forbidden, rewrite_dockerfile
from homeport.catalog.dockerfile.shell_words import ShellError

SIZE = 256 * 1024
LONGEST_S = 2.0


def of_size(piece: str, *, before: str = "", after: str = "\nFROM a\n") -> str:
    """A text of that size, of the piece again and again."""
    return before + piece * (SIZE // len(piece)) + after


def in_lines(piece: str, *, before: str = "FROM a\nRUN b ", after: str = "\n") -> str:
    """Likewise, on lines that BuildKit reads."""
    lines = piece * (32 * 1024 // len(piece)) + "\\\n"
    return before + lines * (SIZE // len(lines)) + after


HOSTILE = {
    "one word that nests": of_size("${A:-", before="ARG A="),
    "words that nest, on many lines": in_lines("${A:-", before="ARG A="),
    "words that nest, in quotes": in_lines('"${A:-', before="ARG A="),
    "variables that nobody closes": in_lines("${A ", before="FROM a\nENV A="),
    "variables that double": "ARG A=xxxxxxxxxx\n" + "ARG A=$A$A\n" * 20000 + "FROM $A\n",
    "variables of a stage that double": "FROM a\nENV A=xxxxxxxxxx\n" + "ENV A=$A$A\n" * 20000,
    "variables that are copied": "ARG A=" + "x" * 60000 + "\n" + "ARG B=y$A\n" * 20000 + "FROM a\n",
    "stages that take over variables": of_size(
        "FROM s AS s\n", before="FROM a AS s\n" + "".join(f"ENV A{n}=1\n" for n in range(9000)), after=""
    ),
    "a directive of blanks": of_size(" ", before="# syntax=a", after="b\nFROM a\n"),
    "directives of blanks": of_size("# syntax=a" + " " * 30000 + "b\n", after=""),
    "directives": of_size("# check=a\n"),
    "flags": in_lines("--a ", before="FROM a\nRUN ", after="b\n"),
    "flags of one word": in_lines("--mount=from=a,from=b,", before="FROM a\nRUN ", after=" b\n"),
    "stages": of_size("FROM a AS b\n", after=""),
    "images": "".join(f"FROM a{n}\nCOPY --from=b{n} / /\n" for n in range(8000)),
    "quotes": in_lines("'\"", before="FROM a\nRUN <<A "),
    "here-documents": of_size("RUN <<A <<B\nA\nB\n", before="FROM a\n", after=""),
    "words that begin here-documents": in_lines("<<A", before="FROM a\nRUN "),
    "variables in a line of here-documents": in_lines("${A:-b}", before="FROM a\nRUN <<A "),
    "blanks": of_size(" ", before="FROM a\nRUN pip", after="\n"),
    "blanks on many lines": in_lines(" ", before="FROM a\nRUN pip "),
    "escape characters": in_lines("\\ ", before="FROM a\nRUN b "),
    "lines that go on": of_size(" \\\n", before="FROM a\nRUN b \\\n", after="c\n"),
    "blank lines that go on": of_size("\\\n", before="FROM a\n", after="c\n"),
    "comments": of_size("\u00a0#\n", before="FROM a\nRUN b \\\n", after="c\n"),
    "removals": in_lines("rm "),
    "removals of blanks": in_lines("rm  \t"),
    "settings of npm": in_lines("npm config set "),
    "settings of bundler": in_lines("bundle config "),
    "calls of uv": in_lines("uv -a "),
    "calls of pip": in_lines("pip  lockk "),
    "assignments": in_lines("(a="),
    "assignments with blanks": in_lines("'a=b "),
    "users": in_lines("useradd -d a "),
    "addresses": in_lines("http://", before="FROM a\nADD "),
    "lists": in_lines("[", before="FROM a\nADD ", after=" /x\n"),
    "numbers": in_lines("1", before="FROM a\nADD [", after="]\n"),
}


READERS: dict[str, Callable[[bytes], object]] = {
    "find_forbidden": lambda text: find_forbidden(text, {}),
    "rewrite_dockerfile": lambda text: rewrite_dockerfile(text, context_files=(), args={}),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_in_a_dockerfile_keeps_who_reads_it(text: str, read: Callable[[bytes], object]) -> None:
    began = time.process_time()

    with contextlib.suppress(ShellError):
        read(text.encode())

    assert time.process_time() - began < LONGEST_S


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("one word that nests", "line 1 is longer than 65535 bytes"),
        ("words that nest, on many lines", "more than 32 variables stand within each other"),
        ("variables that double", "longer than anything"),
        ("variables of a stage that double", "longer than anything"),
        ("variables that are copied", "longer than anything"),
        ("stages that take over variables", "longer than anything"),
    ],
)
def test_what_would_keep_or_fill_the_engine_is_not_given_to_it(name: str, why: str) -> None:
    found = find_forbidden(HOSTILE[name].encode(), {})

    assert found is not None
    assert why in found.why
    assert found.remedy
