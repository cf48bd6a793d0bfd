"""How the command line prints: tables and bars on a terminal, plain lines when piped, JSON when asked."""

import json
import re
import sys
from collections.abc import Collection, Sequence
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from homeport.errors import Problem

STATE_STYLES = {
    "running": "green",
    "succeeded": "green",
    "ok": "green",
    "failed": "bold red",
    "bad": "bold red",
    "cancelled": "yellow",
    "queued": "cyan",
    "undoing": "yellow",
    "installing": "cyan",
    "uninstalling": "cyan",
    "stopped": "dim",
    "off": "dim",
    "down": "bold red",
    "degraded": "yellow",
    "warn": "yellow",
    "high": "yellow",
    "full": "bold red",
}

_GAP = 1  # between two columns of a table

# Control sequences of ECMA-48 (CSI and OSC), then whatever else steers a terminal; tabs and line ends stay.
_CONTROL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


class Printer:
    """Prints results to standard output, and remarks and problems to standard error.

    `is_json`: standard output gets JSON documents only. rich turns colours off by itself where output is no
    terminal or `NO_COLOR` is set.
    """

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        self.out = Console(soft_wrap=True, highlight=False)
        self.err = Console(stderr=True, soft_wrap=True, highlight=False)

    @property
    def is_live(self) -> bool:
        """Whether a moving bar can be shown."""
        return self.out.is_terminal and not self.out.is_dumb_terminal and not self.is_json

    def json(self, shape: Any) -> None:
        """A JSON document: indented on a terminal, one line when piped."""
        click.echo(json.dumps(shape, ensure_ascii=False, indent=2 if self.out.is_terminal else None))

    def json_line(self, shape: Any) -> None:
        """One JSON document of several, on a line of its own, sent at once."""
        click.echo(json.dumps(shape, ensure_ascii=False))

    def say(self, text: str) -> None:
        """A plain line; nothing with `--json`."""
        if not self.is_json:
            self.out.print(escape(harmless(text)))

    def remark(self, text: str) -> None:
        """A line for the person who watches, beside the results."""
        self.err.print(escape(harmless(text)))

    def foreign_line(self, text: str) -> None:
        """A line that an app or a build wrote; `{"line": …}` with `--json`."""
        if self.is_json:
            self.json_line({"line": text})
        else:
            click.echo(harmless(text))

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, whole: Collection[str] = ()
    ) -> None:
        """A table on a terminal; when piped, lines of tab-separated values without a heading.

        Args:
            columns: the headings.
            rows: the cells, as many as there are columns.
            whole: the columns that are never cut, since one copies what stands there; the others give way.
        """
        if not self.out.is_terminal:
            for row in rows:
                click.echo("\t".join(_plain(cell).replace("\t", " ") for cell in row))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        least = 0
        for index, column in enumerate(columns):
            longest = max((cell_len(_plain(row[index])) for row in rows), default=0)
            width = max(longest, len(column)) if column in whole else 1
            table.add_column(column, no_wrap=column in whole, min_width=width)
            least += width + _GAP
        for row in rows:
            table.add_row(*(_styled(_plain(cell)) for cell in row))
        self.out.print(table, width=max(self.out.width, least))

    def fields(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """Names and values, one pair a line; values that are None are left out."""
        shown = [(name, value) for name, value in pairs if value is not None]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.out.print(f"{name:<{width}}  {_styled(_plain(value))}")

    def problem(self, problem: Problem) -> None:
        """What happened, why, what was put back, what to do, on standard error.

        `{"problem": …}` with `--json`.
        """
        if self.is_json:
            click.echo(json.dumps({"problem": problem.as_json()}, ensure_ascii=False), err=True)
        else:
            self._tell(self.err, problem)

    def told_problem(self, problem: Problem) -> None:
        """The same in words as a part of a result, on standard output."""
        self._tell(self.out, problem)

    def _tell(self, console: Console, problem: Problem) -> None:
        console.print(f"[bold red]error:[/] {escape(harmless(problem.what))}")
        for text in (problem.why, problem.restored, problem.remedy):
            for line in harmless(text).splitlines():
                console.print(f"  {escape(line)}")
        told = problem.why.splitlines()
        for line in problem.facts.get("last_lines") or ():
            if str(line) not in told:
                console.print(f"  [dim]| {escape(harmless(str(line)))}[/]")


def harmless(text: str) -> str:
    """The text without what would steer a terminal: what apps and builds write is anybody's."""
    return _CONTROL.sub("", text)


def _plain(cell: Any) -> str:
    return "-" if cell is None else harmless(str(cell)).replace("\n", " ")


def _styled(text: str) -> str:
    style = STATE_STYLES.get(text)
    return f"[{style}]{escape(text)}[/]" if style else escape(text)


def size(bytes_count: int | None) -> str:
    """Bytes for people, in binary units: `1.5 GiB`; `-` for None."""
    if bytes_count is None:
        return "-"
    value = float(bytes_count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def is_interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()
