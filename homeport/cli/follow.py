"""Following a job until it ends: a bar on a terminal, a line per step when piped."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from homeport.cli.client import ApiClient, ApiUnreachableError
from homeport.cli.output import Printer

TERMINAL_STATES = frozenset({"succeeded", "failed", "cancelled"})

_PATIENCE_S = 60  # a restarted Homeport is back within this time, and the job goes on
_PAUSE_S = 1

Show = Callable[[str, Mapping[str, Any]], None]


def follow_job(client: ApiClient, job_id: str, printer: Printer) -> Mapping[str, Any]:
    """Shows the job's events until it ends; the ended job's JSON object.

    Raises:
        ApiUnreachableError: the API stayed away for a minute.
    """
    with _shown(printer, job_id) as show:
        for event in _events(client, job_id):
            show(event["kind"], event["facts"])
            if event["kind"] == "job.finished":
                break
    job: Mapping[str, Any] = client.call("GET", f"/v1/jobs/{job_id}")
    return job


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
def _shown(printer: Printer, job_id: str) -> Iterator[Show]:
    if not printer.is_live:
        yield _lines(printer, job_id)
        return
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
    )
    with Progress(*columns, console=printer.out, transient=True) as progress:
        bar = progress.add_task("queued", total=1.0, detail="")

        def show(kind: str, facts: Mapping[str, Any]) -> None:
            match kind:
                case "job.progress":
                    progress.update(
                        bar,
                        completed=facts["progress"],
                        description=facts["step"],
                        detail=facts["detail"][:60],
                    )
                case "job.step" if facts["state"] == "running":
                    progress.update(bar, description=facts["step"], detail="")
                case "job.waiting":
                    progress.update(bar, description="waiting", detail=f"for job {facts['waiting_for']}")
                case _:
                    pass

        yield show


def _lines(printer: Printer, job_id: str) -> Show:
    def show(kind: str, facts: Mapping[str, Any]) -> None:
        if printer.is_json:
            printer.json({"job": job_id, "kind": kind, "facts": facts})
            return
        match kind:
            case "job.step":
                printer.say(f"{facts['step']}: {facts['state']}")
            case "job.waiting":
                printer.say(f"waiting for job {facts['waiting_for']}")
            case _:
                pass

    return show
