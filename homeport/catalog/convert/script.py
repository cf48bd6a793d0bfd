"""Reads a shell script without running it: the files that it would write, and the commands that it has.

The syntax is tree-sitter's; what assignments, here-documents, `echo`, `printf`, `cat` and `tee` give is
worked out here. Both branches of a condition are read, loops over plain words are unrolled, functions are
read where they are called. Nothing is started, and no file of the box is looked at.
"""

import itertools
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from tree_sitter import Node

from homeport.catalog.convert.places import FOLDER, resolve
from homeport.catalog.convert.printing import print_echo, print_printf
from homeport.catalog.convert.script_syntax import ASSIGNMENT, HereDocument, Source, without_prefix
from homeport.catalog.convert.words import (
    HERE,
    MAX_TEXT,
    Expander,
    TooMuchError,
    only_mark,
    unknown,
    without_marks,
)
from homeport.errors import NotConvertibleError

MAX_BYTES: Final = 256 * 1024
MAX_COMMANDS: Final = 2_000
MAX_DEPTH: Final = 60
_MAX_UNKNOWN: Final = 500

_HOME: Final = unknown("HOME")  # a folder of the box: it is known in paths alone
_SHOWN: Final = 200
_BLOCKS: Final = frozenset(
    {
        "program", "compound_statement", "subshell", "list", "if_statement", "elif_clause", "else_clause",
        "do_group", "case_statement", "case_item", "negated_command", "variable_assignments",
    }
)  # fmt: skip
_CONDITIONS: Final = frozenset({"if_statement", "case_statement", "while_statement"})


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command that the script would run."""

    line: int
    text: str
    """As it stands there, on one line."""
    words: tuple[str, ...]
    """As bash would hand them over, without `sudo` and the like; marks stand for what is not known."""
    folder: str
    """Where it would run, relative to the app's folder, or absolute."""
    stdin: str | None
    """What it would read; None: nothing that is known."""


@dataclass(kw_only=True)
class WrittenFile:
    """A file that the script would write."""

    text: str | None
    """None: not known without running the script."""
    line: int
    """Of the script, in which its first line stands."""
    is_conditional: bool


@dataclass(kw_only=True)
class Script:
    """What a script would do."""

    commands: list[Command] = field(default_factory=list)
    files: dict[str, WrittenFile] = field(default_factory=dict)
    """By path relative to the app's folder, or absolute."""
    variables: dict[str, str] = field(default_factory=dict)
    """As they stand at its end."""
    exported: set[str] = field(default_factory=set)
    """Names of those that its programs see."""
    unknown: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By the name of its mark: the line, and what only running would tell."""
    not_understood: list[int] = field(default_factory=list)
    """Lines that are no shell, or are beyond the grammar."""


def read_script(text: str, *, what: str = "The script") -> Script:
    """What the script would do; `what` names it in errors.

    Raises:
        NotConvertibleError: it is too large or too deep, or a here-document is not closed.
    """
    raw = without_marks(text.replace("\r\n", "\n").replace("\0", "")).encode("utf-8", "replace")
    if len(raw) > MAX_BYTES:
        why = f"It has {len(raw):,} bytes."
        raise NotConvertibleError(f"{what} is too long.", why=why, remedy="256 KiB is the most.")
    source = Source(raw, what)
    reader = _Reader(source)
    try:
        reader.run(source.parse(), None, 0)
    except TooMuchError as error:
        remedy = "Leave out what the app does not need, and convert it again."
        line = reader.line
        raise NotConvertibleError(
            f"Line {line} of {what.lower()} makes too much.", remedy=remedy, line=line
        ) from error
    return reader.script


class _Reader:
    """Walks over the syntax tree, in the order in which bash would run it."""

    def __init__(self, source: Source) -> None:
        self.script = Script(variables={"PWD": FOLDER, "HOME": _HOME, "IFS": " "})
        self.line = 1
        self._source = source
        self._folder = "."
        self._functions: dict[str, Node] = {}
        self._conditions = 0
        self._steps = 0
        self._calls = 0
        self._arguments: dict[str, str] = {}
        self._named: dict[tuple[int, str], str] = {}
        self._heredoc_line: int | None = None
        self._here: HereDocument | None = None
        """The one that is being expanded."""
        self._expander = Expander(self.script.variables, self._printed, self._name_unknown)

    def run(self, node: Node, stdin: str | None, depth: int) -> str | None:
        """What the statement would print; None where that is not known."""
        self._steps += 1
        if depth > MAX_DEPTH or self._steps > 20 * MAX_COMMANDS:
            raise TooMuchError
        self.line = node.start_point.row + 1
        if node.is_error:
            if any(child.type == "heredoc_start" for child in node.children):
                self._here_document(node)
            self.script.not_understood.append(self.line)
        step = _STEPS.get(node.type)
        if step is not None:
            return step(self, node, stdin, depth)
        if node.type in _BLOCKS or node.is_error:
            return self._block(node, stdin, depth)
        return ""

    def _block(self, node: Node, stdin: str | None, depth: int) -> str | None:
        conditional = node.type in _CONDITIONS
        self._conditions += conditional
        try:
            return _joined([self.run(child, stdin, depth + 1) for child in node.named_children])
        finally:
            self._conditions -= conditional

    def _pipeline(self, node: Node, stdin: str | None, depth: int) -> str | None:
        passed = stdin
        for child in node.named_children:
            passed = self.run(child, passed, depth + 1)
        return passed

    def _for(self, node: Node, stdin: str | None, depth: int) -> str | None:
        body = node.child_by_field_name("body")
        name = node.child_by_field_name("variable")
        if body is None or name is None:
            return None
        words = [word for child in node.children_by_field_name("value") for word in self._fields(child)]
        printed: list[str | None] = []
        for word in words or [unknown(self._source.text(name))]:
            self.script.variables[self._source.text(name)] = word
            printed.append(self.run(body, stdin, depth + 1))
        return _joined(printed)

    def _while(self, node: Node, stdin: str | None, depth: int) -> str | None:
        self._block(node, stdin, depth)
        return None

    def _define(self, node: Node, _stdin: str | None, _depth: int) -> str | None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            self._functions[self._source.text(name)] = body
        return ""

    def _assign(self, node: Node, _stdin: str | None, _depth: int) -> str | None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None or name.type != "variable_name":
            return ""
        key = self._source.text(name)
        text = ""
        if value is not None:
            text = unknown(key) if value.type == "array" else self._expander.text(self._source.text(value))
        name_of_value = only_mark(text)
        if name_of_value in self.script.unknown and key not in self.script.unknown:
            self.script.unknown[key] = self.script.unknown[name_of_value]
            text = unknown(key)  # a name of its own says more than the line
        appends = any(child.type == "+=" for child in node.children)
        self._set(key, self.script.variables.get(key, "") + text if appends else text)
        return ""

    def _set(self, name: str, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise TooMuchError
        self.script.variables[name] = text

    def _declare(self, node: Node, stdin: str | None, depth: int) -> str | None:
        exports = self._source.text(node).startswith("export")
        for child in node.named_children:
            if child.type == "variable_assignment":
                self._assign(child, stdin, depth)
            name = child.child_by_field_name("name") or child
            if exports and name.type == "variable_name":
                self.script.exported.add(self._source.text(name))
        return ""

    def _command(self, node: Node, stdin: str | None, depth: int) -> str | None:
        for child in node.named_children:
            if child.type == "herestring_redirect" and child.named_children:
                stdin = self._expander.text(self._source.text(child.named_children[0])) + "\n"
        raws = self._source.words(node)
        assigned = list(itertools.takewhile(ASSIGNMENT.match, raws))
        if len(assigned) == len(raws):
            for name, _, value in (raw.partition("=") for raw in raws):
                self._set(name, self._expander.text(value))
        fields = [word for raw in raws[len(assigned) :] for word in self._expander.fields(raw)]
        words = without_prefix(fields)
        return self._do(node, words, stdin, depth) if words else ""

    def _do(self, node: Node, words: list[str], stdin: str | None, depth: int) -> str | None:
        program, *arguments = words
        if body := self._functions.get(program):
            return self._call(body, arguments, stdin, depth)
        known: dict[str, Callable[[], str | None]] = {
            "echo": lambda: print_echo(arguments),
            "printf": lambda: print_printf(arguments),
            "cat": lambda: self._cat(arguments, stdin),
            "tee": lambda: self._tee(arguments, stdin),
            "cd": lambda: self._cd(arguments),
        }
        if shown := known.get(posixpath.basename(program)):
            return shown()
        self._record(node, words, stdin)
        return None

    def _cd(self, arguments: list[str]) -> str:
        self._folder = self._resolved(arguments[0]) if arguments else "~"
        path = posixpath.normpath(posixpath.join(FOLDER, self._folder))
        if self._folder.startswith("~"):
            path = self._folder.replace("~", _HOME, 1)
        self.script.variables["PWD"] = path
        return ""

    def _record(self, node: Node, words: Iterable[str], stdin: str | None) -> None:
        if len(self.script.commands) >= MAX_COMMANDS:
            raise TooMuchError
        self.script.commands.append(
            Command(
                line=node.start_point.row + 1,
                text=self._source.line(node, _SHOWN),
                words=tuple(words),
                folder=self._folder,
                stdin=stdin or None,
            )
        )

    def _call(self, body: Node, arguments: list[str], stdin: str | None, depth: int) -> str | None:
        if self._calls >= 8:  # a function that calls itself has no end that could be known
            return None
        outer, joined = self._arguments, " ".join(arguments)
        numbered = {str(at): word for at, word in enumerate(arguments, 1)}
        self._put_arguments({**numbered, "@": joined, "*": joined, "#": str(len(arguments))})
        self._calls += 1
        printed = self.run(body, stdin, depth + 1)
        self._calls -= 1
        self._put_arguments(outer)
        return printed

    def _put_arguments(self, arguments: dict[str, str]) -> None:
        """What a function was called with, in place of what the one around it was."""
        for name in self._arguments:
            del self.script.variables[name]
        self.script.variables |= arguments
        self._arguments = arguments

    def _cat(self, arguments: list[str], stdin: str | None) -> str | None:
        names = [name for name in arguments if name == "-" or not name.startswith("-")]
        found: list[str | None] = []
        for name in names or ["-"]:
            file = self.script.files.get(self._resolved(name))
            found.append(stdin if name == "-" else file.text if file else None)
        return _joined(found)

    def _tee(self, arguments: list[str], stdin: str | None) -> str | None:
        appends = any(option in ("-a", "--append") for option in arguments)
        for name in arguments:
            if not name.startswith("-"):
                self._write(name, stdin, appends=appends)
        return stdin

    def _redirected(self, node: Node, stdin: str | None, depth: int) -> str | None:
        body = node.child_by_field_name("body")
        outputs: list[Node] = []
        after: list[Node] = []
        for child in node.named_children:
            if child.type == "file_redirect":
                outputs.append(child)
            elif child.type == "herestring_redirect" and child.named_children:
                stdin = self._expander.text(self._source.text(child.named_children[0])) + "\n"
            elif child.type == "heredoc_redirect":
                stdin = self._here_document(child)
                outputs += [inner for inner in child.named_children if inner.type == "file_redirect"]
                after += [inner for inner in child.named_children if inner.type in _STEPS or inner.is_error]
        for redirect in outputs:
            stdin = self._input(redirect, stdin)
        printed = stdin if body is None else self.run(body, stdin, depth + 1)
        for redirect in outputs:
            printed = self._output(redirect, printed)
        self._heredoc_line = None
        for following in after:
            takes_output = following.type == "pipeline"
            printed = self.run(following, printed if takes_output else "", depth + 1)
        return printed

    def _here_document(self, redirect: Node) -> str:
        here = self._source.here_document(redirect)
        self._heredoc_line = here.line
        if here.is_literal:
            return here.text
        self._here = here
        try:
            return self._expander.text(here.text, HERE)
        finally:
            self._here = None

    def _input(self, redirect: Node, stdin: str | None) -> str | None:
        if any(child.type == "<" for child in redirect.children):
            file = self.script.files.get(self._resolved(self._target(redirect)))
            return file.text if file else None
        return stdin

    def _output(self, redirect: Node, printed: str | None) -> str | None:
        """Writes what was printed, and gives what is left to be printed."""
        signs = {child.type for child in redirect.children}
        descriptor = next(
            (self._source.text(c) for c in redirect.children if c.type == "file_descriptor"), "1"
        )
        if not signs & {">", ">>", ">|", "&>", "&>>"} or descriptor != "1":
            return printed
        self._write(self._target(redirect), printed, appends=bool(signs & {">>", "&>>"}))
        return ""

    def _target(self, redirect: Node) -> str:
        target = redirect.child_by_field_name("destination")
        return self._expander.text(self._source.text(target)) if target else ""

    def _write(self, name: str, text: str | None, *, appends: bool) -> None:
        path = self._resolved(name)
        if path.startswith("/dev/") or not name:
            return
        before = self.script.files.get(path)
        line = self._heredoc_line or self.line
        if appends and before is not None:
            line = before.line
            text = None if text is None or before.text is None else before.text + text
        if (text and len(text) > MAX_TEXT) or (before is None and len(self.script.files) >= 200):
            raise TooMuchError
        self.script.files[path] = WrittenFile(text=text, line=line, is_conditional=self._conditions > 0)

    def _resolved(self, name: str) -> str:
        """A path as seen from the app's folder."""
        return resolve(name.replace(_HOME, "~"), self._folder)

    def _printed(self, command: str) -> str | None:
        """What a command would print that says no more than where the script runs."""
        words = command.split()
        if words == ["pwd"] or (
            words[:1] == ["dirname"] and words[-1].strip("\"'") in ("$0", "${BASH_SOURCE[0]}")
        ):
            return self.script.variables["PWD"]
        if words[:1] == ["cd"] and words[-1:] == ["pwd"] and "&&" in words:
            return self.script.variables["PWD"]
        return None

    def _name_unknown(self, what: str) -> str:
        shown, line = what[:_SHOWN], self._here.line if self._here else self.line
        if known := self._named.get((line, shown)):
            return known
        if len(self._named) >= _MAX_UNKNOWN:
            raise TooMuchError
        key = (line, shown)
        if self._here is not None:
            at = self._here.text.find(what.strip("$()"))
            line = self._here.line + self._here.text.count("\n", 0, max(at, 0))
        name, count = f"VALUE_OF_LINE_{line}", 2
        while self.script.unknown.get(name, (0, shown))[1] != shown:
            name, count = f"VALUE_OF_LINE_{line}_{count}", count + 1
        self.script.unknown[name] = (line, shown)
        self._named[key] = name
        return name

    def _fields(self, node: Node) -> list[str]:
        return self._expander.fields(self._source.text(node))


def _joined(parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    if sum(map(len, known)) > MAX_TEXT:
        raise TooMuchError
    return "".join(known) if len(known) == len(parts) else None


_Step = Callable[[_Reader, Node, str | None, int], str | None]
_STEPS: Final[dict[str, _Step]] = {
    "command": _Reader._command,
    "declaration_command": _Reader._declare,
    "for_statement": _Reader._for,
    "function_definition": _Reader._define,
    "pipeline": _Reader._pipeline,
    "redirected_statement": _Reader._redirected,
    "variable_assignment": _Reader._assign,
    "while_statement": _Reader._while,
}
