"""The command about what is done by the clock: schedule."""

import click

from homeport.cli.main import Command, Context


@click.command(cls=Command)
@click.pass_obj
def schedule(context: Context) -> None:
    """Show what is done by the clock, when next, and the job of the last time.

    The settings refresh_schedule, history_schedule and time_zone decide.
    """
    found = list(context.client.pages("/v1/schedule"))
    if context.answers_json(found):
        return
    rows = [
        [one["name"], one["expression"], one["time_zone"], one["next_at"], one["last_at"], one["last_job"]]
        for one in found
    ]
    context.printer.table(["WORK", "SCHEDULE", "TIME ZONE", "NEXT", "LAST", "JOB"], rows, whole=["JOB"])


COMMANDS = (schedule,)
