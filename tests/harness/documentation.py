"""Typing what a page of the documentation tells people to type, and comparing what comes with what it shows.

What is read of a page, in its order:

- "`hydra/app.yml`:" before a fenced block: the block is that file.
- a `console` block: commands behind `$ `, gone on with behind `> `, each followed by what it prints. The last
  command of a `console refused` block has to fail.
- a `console terminal` block: the same, typed on a terminal; what stands behind `[y/N]: ` is typed, too.
- a `sh` block: commands that have to succeed; what they print is not shown.

What differs from run to run (times, sizes, ids) and the width of blanks do not count in the comparison.
"""

import difflib
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.command_line import run_on_terminal
from tests.harness.programs import REPOSITORY

DOCS = REPOSITORY / "docs"
HOME = "/home/ann"
"""The folder in which the reader of a page works, as the page writes it."""

_BLOCK = re.compile(
    r"(?:^`(?P<file>[^`\s]+)`[^\n]*:\n\n)?^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_GO_ON = re.compile(r"\\\n\s*")
_ANSWER = re.compile(r"\[y/N\]: (\w+)")
_BAR = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h(?:\r|\x1b\[1A|\x1b\[2K)*", re.DOTALL)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_JOB = re.compile(r'"id": ?"([0-9a-f]{32})"')
_VARYING = (
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "SHA256"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "REVISION"),
    (re.compile(r"(?<=-)[0-9a-f]{12,16}\b"), "DIGEST"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)?"), "TIME"),
    (re.compile(r"\b[0-9][0-9.,]* ?(?:ms|s|min)\b"), "DURATION"),
    (re.compile(r"\b[0-9][0-9.,]* ?(?:B|[KMG]i?B)\b"), "SIZE"),
    (re.compile(r"\b[0-9]+ lines?\b"), "LINES"),  # of an app's log: how often it was asked until it answered
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file that the page shows in full."""

    path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Typed:
    """A command; `shown` is what the page says that it prints, None where it says nothing of it."""

    command: str
    shown: str | None
    is_refused: bool = False
    on_terminal: bool = False


@dataclass(frozen=True)
class BlockEnd:
    """Behind each block of commands."""


def steps_of(page: str) -> Iterator[Written | Typed | BlockEnd]:
    """What the page has its reader do, in order."""
    for block in _BLOCK.finditer(page):
        kind, text = block["kind"], block["text"]
        if kind.partition(" ")[0] == "console":
            yield from _console(text, is_refused=" refused" in kind, on_terminal=" terminal" in kind)
            yield BlockEnd()
        elif kind == "sh":
            yield from (
                Typed(command=line, shown=None) for line in _GO_ON.sub(" ", text).splitlines() if line
            )
            yield BlockEnd()
        elif block["file"]:
            yield Written(path=block["file"], text=text)


def _console(text: str, *, is_refused: bool, on_terminal: bool) -> Iterator[Typed]:
    prompts = [piece for piece in re.split(r"^\$ ", text, flags=re.MULTILINE) if piece]
    for number, piece in enumerate(prompts, start=1):
        command, *lines = piece.splitlines()
        while lines and lines[0].startswith(">"):
            command += "\n" + lines.pop(0)[1:].removeprefix(" ")
        is_last = number == len(prompts)
        yield Typed(
            command=command,
            shown="\n".join(lines),
            is_refused=is_refused and is_last,
            on_terminal=on_terminal,
        )


class Reader:
    """Somebody who does what a page says, in a folder of their own.

    Args:
        folder: where the commands are typed; an empty one.
        environment: all of the commands' environment.
        stands_for: what stands in place of a page's words (an address, say), besides the folder for HOME.
        after_block: called after each block of commands.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        stands_for: Mapping[str, str] | None = None,
        after_block: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._environment = {**environment, "PWD": str(folder)}
        self._stands_for = {HOME: str(folder), **(stands_for or {})}
        self._after_block = after_block

    def follow(self, page: str) -> list[str]:
        """Does all that the page says; what was otherwise than it says, a text for each command.

        Raises:
            AssertionError: a command that the page shows to work failed, or the other way round.
        """
        told: list[str] = []
        for step in steps_of(page):
            match step:
                case Written(path=path, text=text):
                    (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (self._folder / path).write_text(self._meant(text), encoding="utf-8")
                case Typed():
                    printed = self.type(step)
                    told += difference(step.command, step.shown, printed)
                case BlockEnd():
                    self._after_block()
        return told

    def type(self, step: Typed) -> str:
        """What the command prints, on both outputs, in the page's words.

        Raises:
            AssertionError: it failed, though the page shows it to work, or the other way round.
        """
        argv = ["bash", "--norc", "-c", f"cd {self._folder}\nset -o pipefail\n{self._meant(step.command)}"]
        code, printed = self._type_on_terminal(argv, step) if step.on_terminal else self._type(argv)
        assert (code != 0) is step.is_refused, f"$ {step.command}\nended with {code}:\n{printed}"
        if job := _JOB.search(printed):
            self._stands_for["JOB"] = job[1]
        return self._written(printed)

    def _type(self, argv: Sequence[str]) -> tuple[int, str]:
        done = subprocess.run(
            argv,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    def _type_on_terminal(self, argv: Sequence[str], step: Typed) -> tuple[int, str]:
        """Also types what the page answers; what is left on the screen when bars are gone."""
        answer = _ANSWER.search(step.shown or "")
        answers = {"[y/N]: ": answer[1]} if answer else {}
        code, screen = run_on_terminal(argv, self._environment, answers=answers)
        return code, _CONTROL.sub("", _BAR.sub("", screen)).replace("\r", "")

    def _meant(self, text: str) -> str:
        for word, real in self._stands_for.items():
            text = text.replace(word, real)
        return text

    def _written(self, text: str) -> str:
        for word, real in self._stands_for.items():
            text = text.replace(real, word)
        return text


def difference(command: str, shown: str | None, printed: str) -> list[str]:
    """What was printed otherwise than shown, as one text, or none."""
    if shown is None or (before := _normal(shown)) == (now := _normal(printed)):
        return []
    lines = difflib.unified_diff(before, now, "the page", "the program", lineterm="")
    return [f"$ {command}\n" + "\n".join(lines)]


def _normal(text: str) -> list[str]:
    """The lines, without what differs from run to run."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return [line.rstrip() for line in text.strip("\n").split("\n")]
