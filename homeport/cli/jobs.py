"""The commands about jobs: jobs, job."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import click

from homeport.cli.client import path_of, problem_of
from homeport.cli.complete import complete_apps, complete_jobs
from homeport.cli.follow import report_job
from homeport.cli.main import Command, Context
from homeport.jobs import shown_subject
from homeport.models import JobState


@click.command(cls=Command, name="jobs")
@click.option("--app", help="Of this app only.", shell_complete=complete_apps)
@click.option("--state", type=click.Choice([state.value for state in JobState]), help="In this state only.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many at the most, newest first.",
)
@click.pass_obj
def list_jobs(context: Context, app: str | None, state: str | None, limit: int) -> None:
    """List jobs, newest first."""
    newest = list(islice(context.client.pages("/v1/jobs", app=app, state=state), limit + 1))
    found = newest[:limit]
    if context.answers_json(found):
        return
    rows = [
        [job["id"], job["kind"], job["subject"], job["state"], _standing(job), job["created_at"]]
        for job in found
    ]
    context.printer.table(
        ["JOB", "KIND", "APP", "STATE", "PROGRESS", "ACCEPTED"], rows, whole=["JOB", "STATE"]
    )
    if len(newest) > limit and context.printer.out.is_terminal:
        context.printer.remark(f"({limit} newest; more with --limit)")


@click.command(cls=Command)
@click.argument("job_id", shell_complete=complete_jobs)
@click.option("--follow", "-f", is_flag=True, help="Wait for its end; with --log, go on as lines come.")
@click.option("--cancel", is_flag=True, help="Cancel it; what it did is put back.")
@click.option("--log", "show_log", is_flag=True, help="Print its log.")
@click.pass_obj
def job(context: Context, job_id: str, follow: bool, cancel: bool, show_log: bool) -> None:
    """Show one job, follow it, cancel it, or print its log."""
    if show_log and cancel:
        raise click.UsageError("Give --log or --cancel, not both.")
    if show_log:
        path, query = path_of("jobs", job_id, "log"), {"follow": str(follow).lower()}
        for line in context.client.lines(path, may_be_quiet=follow, **query):
            context.printer.foreign_line(line)
        return
    found = context.client.call("DELETE" if cancel else "GET", path_of("jobs", job_id))
    if follow:
        if report_job(context, found, follow=True):
            context.printer.say(f"The {found['kind']} of {shown_subject(found['subject'])} succeeded.")
    elif not context.answers_json(found):
        _show(context, found)
        if found["cancel_requested"] and not found["finished_at"]:
            context.printer.remark("It is being cancelled; see how it ends: add --follow.")


def _standing(job: Mapping[str, Any]) -> str:
    """How far the job is; of one that has not begun, how many come first."""
    if job["position"] is None or job["progress"]:
        return f"{job['progress']:.0%}"
    return f"{job['position']} before it"


def _show(context: Context, found: Mapping[str, Any]) -> None:
    names = ("id", "kind", "subject", "state", "step", "detail", "waits", "created_at", "finished_at")
    pairs = [(name.replace("_", " "), found[name] or None) for name in names]
    context.printer.fields([*pairs, ("progress", f"{found['progress']:.0%}")])
    steps = [[step["name"], step["state"], step["attempts"]] for step in found.get("steps") or ()]
    if steps:
        context.printer.table(["STEP", "STATE", "ATTEMPTS"], steps)
    if found["problem"]:
        context.printer.told_problem(problem_of(found["problem"]))


COMMANDS = (list_jobs, job)
