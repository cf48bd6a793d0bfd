"""Following a job until it ends: a bar on a terminal, a line per step when piped, events with `--json`."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from homeport.cli.client import ApiClient, ApiUnreachableError, path_of, problem_of
from homeport.cli.main import EXIT_FAILED, Context
from homeport.cli.output import Printer, harmless
from homeport.errors import Problem

_PATIENCE_S = 60  # a restarted Homeport is back within this time, and the job goes on
_PAUSE_S = 1
_DETAIL_LENGTH = 60

follow_option = click.option("--follow/--no-follow", default=True, help="Wait for the job's end (default).")

Show = Callable[[Mapping[str, Any]], None]
"""Shows an event."""


def report_job(context: Context, job: Mapping[str, Any], *, follow: bool) -> bool:
    """Follows an accepted job to its end, or says how to; whether it has succeeded.

    With `--json`, standard output gets `{"event": …}` for each event, and the job at last.

    Raises:
        Exit: the job failed or was cancelled; with the exit code for that.
    """
    printer = context.printer
    if not follow:
        if not context.answers_json(job):
            printer.say(f"Job {job['id']} is accepted; see it with: homeport job {job['id']}")
        return False
    try:
        ended = _follow(context.client, job, printer)
    except KeyboardInterrupt:
        again = f"homeport job {job['id']}"
        printer.remark(f"The job goes on. See it: {again}; stop it: {again} --cancel.")
        raise
    if printer.is_json:
        printer.json_line(ended)
    if ended["state"] == "succeeded":
        return True
    cancelled = Problem(code="cancelled", what=f"The job was {ended['state']}.")
    printer.problem(problem_of(ended["problem"]) if ended["problem"] else cancelled)
    raise click.exceptions.Exit(EXIT_FAILED)


def _follow(client: ApiClient, job: Mapping[str, Any], printer: Printer) -> Mapping[str, Any]:
    """Shows the job's events until it ends; the ended job's JSON object.

    Raises:
        ApiUnreachableError: the API stayed away for a minute.
    """
    with _shown(printer) as show:
        return await_job(client, job, show)


def await_job(client: ApiClient, job: Mapping[str, Any], show: Show) -> Mapping[str, Any]:
    """Waits until the job has ended, showing its events; the ended job's JSON object.

    Raises:
        ApiUnreachableError: the API stayed away for a minute.
    """
    if not job["finished_at"]:
        for event in _events(client, job["id"]):
            show(event)
            if event["kind"] == "job.finished":
                break
    ended: Mapping[str, Any] = client.call("GET", path_of("jobs", job["id"]))
    return ended


def _events(client: ApiClient, job_id: str) -> Iterator[Mapping[str, Any]]:
    """The job's events from its first on, across breaks of the stream."""
    after = "0"
    alone_since: float | None = None
    while True:
        try:
            for event in client.events(after=after, job=job_id):
                after, alone_since = event.id, None
                yield event.body
        except ApiUnreachableError:
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since > _PATIENCE_S:
                raise
        time.sleep(_PAUSE_S)


@contextmanager
def _shown(printer: Printer) -> Iterator[Show]:
    if printer.is_json:
        yield lambda event: printer.json_line({"event": event})
    elif printer.is_live:
        with _bar(printer) as show:
            yield show
    else:
        yield lambda event: _say(printer, event["kind"], event["facts"])


def _say(printer: Printer, kind: str, facts: Mapping[str, Any]) -> None:
    match kind:
        case "job.step":
            printer.say(f"{facts['step']}: {facts['state']}")
        case "job.waiting":
            printer.say(f"waiting for job {facts['waiting_for']}")
        case _:
            pass


@contextmanager
def bar_shown(printer: Printer) -> Iterator[Show]:
    """A bar on a terminal that moves with the events it is shown; elsewhere nothing."""
    if printer.is_live:
        with _bar(printer) as show:
            yield show
    else:
        yield lambda _event: None


@contextmanager
def _bar(printer: Printer) -> Iterator[Show]:
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
    )
    with Progress(*columns, console=printer.out, transient=True) as progress:
        bar = progress.add_task("queued", total=1.0, detail="")
        yield lambda event: _move(progress, bar, event["kind"], event["facts"])


def _move(progress: Progress, bar: TaskID, kind: str, facts: Mapping[str, Any]) -> None:
    match kind:
        case "job.progress":
            detail = escape(harmless(facts["detail"])[:_DETAIL_LENGTH])
            progress.update(bar, completed=facts["progress"], description=facts["step"], detail=detail)
        case "job.step" if facts["state"] == "running":
            progress.update(bar, description=facts["step"], detail="")
        case "job.waiting":
            progress.update(bar, description="waiting", detail=f"for job {facts['waiting_for']}")
        case _:
            pass
