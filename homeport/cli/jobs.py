"""The commands about jobs: jobs, job."""

from itertools import islice

import click

from homeport.cli.apps import report_job
from homeport.cli.main import Command, Context


@click.command(cls=Command, name="jobs")
@click.option("--app", help="Of this app only.")
@click.option("--state", help="In this state only: queued, running, undoing, succeeded, failed, cancelled.")
@click.option("--limit", default=20, show_default=True, help="How many at the most, newest first.")
@click.pass_obj
def list_jobs(context: Context, app: str | None, state: str | None, limit: int) -> None:
    """List jobs, newest first."""
    found = list(islice(context.client.pages("/v1/jobs", app=app, state=state), limit))
    if context.is_json:
        context.printer.json(found)
        return
    rows = [
        [job["id"], job["kind"], job["subject"], job["state"], f"{job['progress']:.0%}", job["created_at"]]
        for job in found
    ]
    context.printer.table(["JOB", "KIND", "APP", "STATE", "PROGRESS", "ACCEPTED"], rows)


@click.command(cls=Command)
@click.argument("job_id")
@click.option("--follow", "-f", is_flag=True, help="Wait for its end.")
@click.option("--cancel", is_flag=True, help="Cancel it; what it did is put back.")
@click.option("--log", "show_log", is_flag=True, help="Print its log.")
@click.pass_obj
def job(context: Context, job_id: str, follow: bool, cancel: bool, show_log: bool) -> None:
    """Show one job, follow it, cancel it, or print its log."""
    if show_log:
        for line in context.client.lines(f"/v1/jobs/{job_id}/log", follow=str(follow).lower()):
            click.echo(line)
        return
    found = context.client.call("DELETE" if cancel else "GET", f"/v1/jobs/{job_id}")
    if follow:
        report_job(context, found, follow=True)
        return
    if context.is_json:
        context.printer.json(found)
        return
    names = ("id", "kind", "subject", "state", "step", "detail", "waiting_for", "created_at", "finished_at")
    context.printer.fields(
        [*((name, found[name] or None) for name in names), ("progress", f"{found['progress']:.0%}")]
    )
    context.printer.table(
        ["STEP", "STATE", "ATTEMPTS"],
        [[step["name"], step["state"], step["attempts"]] for step in found.get("steps") or ()],
    )
    if found["problem"]:
        context.printer.problem(found["problem"])


COMMANDS = (list_jobs, job)
