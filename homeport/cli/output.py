"""How the command line prints: tables and bars on a terminal, plain lines when piped, JSON when asked."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

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
    "degraded": "yellow",
    "warn": "yellow",
}


class Printer:
    """Prints results to standard output, and remarks and errors to standard error.

    `is_json`: JSON only, one document per command (one per line where a command follows something).
    rich turns colours off by itself where output is no terminal or `NO_COLOR` is set.
    """

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        self.out = Console(soft_wrap=True, highlight=False)
        self.err = Console(stderr=True, soft_wrap=True, highlight=False)

    @property
    def is_live(self) -> bool:
        """Whether a moving bar can be shown."""
        return self.out.is_terminal and not self.is_json

    def json(self, shape: Any) -> None:
        """A JSON document: indented on a terminal, one line when piped."""
        click.echo(json.dumps(shape, ensure_ascii=False, indent=2 if self.out.is_terminal else None))

    def say(self, text: str) -> None:
        """A plain line; nothing with `--json`."""
        if not self.is_json:
            self.out.print(escape(text))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table on a terminal; when piped, lines of tab-separated values without a heading."""
        if not self.out.is_terminal:
            for row in rows:
                click.echo("\t".join(_plain(cell) for cell in row))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column)
        for row in rows:
            table.add_row(*(_styled(_plain(cell)) for cell in row))
        self.out.print(table)

    def fields(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """Names and values, one pair a line; values that are None are left out."""
        shown = [(name, value) for name, value in pairs if value is not None]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.out.print(f"{name:<{width}}  {_styled(_plain(value))}")

    def problem(self, problem: Mapping[str, Any]) -> None:
        """A problem document (RFC 9457): what, why, what was put back, what to do."""
        if self.is_json:
            click.echo(json.dumps({"problem": dict(problem)}, ensure_ascii=False), err=True)
            return
        title = problem.get("what") or problem.get("title") or "Something failed."
        self.err.print(f"[bold red]error:[/] {escape(str(title))}")
        why = problem.get("why") or problem.get("detail")
        for text in (why, problem.get("restored"), problem.get("remedy")):
            for line in str(text or "").splitlines():
                self.err.print(f"  {escape(line)}")
        for line in (problem.get("facts") or {}).get("last_lines") or ():
            if str(line) not in str(why):
                self.err.print(f"  [dim]| {escape(str(line))}[/]")


def _plain(cell: Any) -> str:
    return "-" if cell is None else str(cell)


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
