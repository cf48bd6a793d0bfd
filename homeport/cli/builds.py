"""The command that builds images without installing anything: build."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from homeport.cli.build_reports import print_reports
from homeport.cli.choices import set_option
from homeport.cli.client import path_of
from homeport.cli.complete import complete_definition
from homeport.cli.follow import follow_option, report_job
from homeport.cli.main import Command, Context
from homeport.cli.output import Printer
from homeport.cli.sending import is_written_as_path, send_folder
from homeport.names import is_label

_DEFINITION = "app.yml"


@click.command(cls=Command)
@click.argument("source", metavar="DIR|[CATALOG/]NAME", shell_complete=complete_definition)
@click.option(
    "--name", help="What to call the build of a folder without app.yml; default: the folder's name."
)
@click.option(
    "--dockerfile",
    "-f",
    help="Which file of such a folder to build by, named from there; default: Dockerfile.",
)
@set_option
@follow_option
@click.pass_obj
def build(
    context: Context,
    *,
    source: str,
    name: str | None,
    dockerfile: str | None,
    settings: Mapping[str, str],
    follow: bool,
) -> None:
    """Build the images of a folder (a definition, or a build context) or of a definition of the catalog.

    What is a folder here is taken as one; all of it is sent, but for .git.
    """
    folder = Path(source)
    if folder.is_dir():
        job = _send(context, folder, name, dockerfile, settings)
    elif is_written_as_path(source):
        raise click.UsageError(f"{source} is no folder.")
    elif name is not None or dockerfile is not None:
        raise click.UsageError(f"--name and --dockerfile are for folders, and {source} is none.")
    else:
        body = {"definition": source, **({"settings": settings} if settings else {})}
        job = context.client.submit("POST", "/v1/builds", json=body)
    if report_job(context, job, follow=follow) and not context.is_json:
        ended = context.client.call("GET", path_of("jobs", job["id"]))
        _print_result(context.printer, ended["result"] or {})


def _send(
    context: Context, folder: Path, name: str | None, dockerfile: str | None, settings: Mapping[str, str]
) -> Mapping[str, Any]:
    own = folder.resolve().name.lower()
    if name is None and not (folder / _DEFINITION).exists():
        if not is_label(own):
            raise click.UsageError(f"{own!r} is no name for a build: give one with --name.")
        name = own
    set_here = {"settings": json.dumps(settings)} if settings else {}
    return send_folder(context, "/v1/builds", folder, name=name, dockerfile=dockerfile, **set_here)


def _print_result(printer: Printer, result: Mapping[str, Any]) -> None:
    for service, image in result.get("images", {}).items():
        printer.say(f"{service}: {image['image']}")
    print_reports(printer, result)
    if not result.get("builds"):
        printer.say("Nothing had to be built.")


COMMANDS = (build,)
