"""The command about the package caches: caches, with trim."""

from typing import Any

import click

from homeport.caches import Ecosystem
from homeport.catalog.sizes import parse_size
from homeport.cli.client import path_of
from homeport.cli.follow import follow_option, report_job
from homeport.cli.main import Command, Context
from homeport.cli.output import size

_HEADING = ["CACHE", "STATE", "SIZE", "OF", "FILES", "REQUESTS", "HIT RATE", "SERVED", "SAVED", "TIME SAVED"]


def _read_size(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(cls=Command)
@click.argument("action", type=click.Choice(["trim"]), required=False)
@click.argument("ecosystems", nargs=-1, type=click.Choice([member.value for member in Ecosystem]))
@click.option(
    "--to",
    "to_bytes",
    metavar="SIZE",
    callback=_read_size,
    help="With trim: what each may keep, 500M say; default: nothing.",
)
@follow_option
@click.pass_obj
def caches(
    context: Context, *, action: str | None, ecosystems: tuple[str, ...], to_bytes: int | None, follow: bool
) -> None:
    """Show what the package caches hold and save; trim them, or those that are named.

    Trimming takes what was not used for longest. Builds fetch it again when they need it.
    """
    if action == "trim":
        _trim(context, ecosystems, to_bytes, follow=follow)
        return
    if to_bytes is not None:
        raise click.UsageError("--to is for 'homeport caches trim'.")
    found = list(context.client.pages("/v1/caches"))
    if not context.answers_json(found):
        context.printer.table(_HEADING, [_row(cache) for cache in found])


def _row(cache: dict[str, Any]) -> list[Any]:
    rate = cache["hit_rate"]
    return [
        cache["ecosystem"],
        cache["status"],
        size(cache["size_bytes"]),
        size(cache["max_bytes"]),
        cache["files"],
        cache["requests"],
        None if rate is None else f"{rate:.0%}",
        size(cache["bytes_served"]),
        size(cache["bytes_saved"]),
        f"{cache['seconds_saved']:.0f} s",
    ]


def _trim(context: Context, ecosystems: tuple[str, ...], to_bytes: int | None, *, follow: bool) -> None:
    body: dict[str, Any] = {"ecosystems": list(dict.fromkeys(ecosystems))} if ecosystems else {}
    if to_bytes is not None:
        body["to_bytes"] = to_bytes
    job = context.client.submit("POST", "/v1/caches/trim", json=body)
    if not report_job(context, job, follow=follow) or context.is_json:
        return
    ended = context.client.call("GET", path_of("jobs", job["id"]))
    for ecosystem, done in ended["result"]["caches"].items():
        before, after = size(done["before_bytes"]), size(done["after_bytes"])
        context.printer.say(
            f"{ecosystem}: {before} before, {after} now; {done['removed_files']} files removed"
        )


COMMANDS = (caches,)
