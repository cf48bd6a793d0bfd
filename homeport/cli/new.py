"""The command that writes a definition to begin with: new."""

from pathlib import Path

import click

from homeport.catalog.starter import write_starter
from homeport.cli.definition_folder import write_definition_folder
from homeport.cli.main import Command, Context
from homeport.names import check_identifier


@click.command(cls=Command)
@click.argument("name")
@click.option("--image", default="", help="What it runs; default: an image that is built.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Where it answers HTTP inside its container; default: 8080, and with --image no web page.",
)
@click.pass_obj
def new(context: Context, *, name: str, image: str, port: int | None) -> None:
    """Write a definition to begin with, into a new folder of this name."""
    folder = Path(check_identifier(name)).absolute()
    files = write_starter(name, image=image, port=port)
    write_definition_folder(folder, files, may_replace=None)
    if context.answers_json({"name": name, "folder": str(folder), "files": sorted(files)}):
        return
    for file in files:
        context.printer.say(f"{name}/{file}")
    if image and port is None:
        context.printer.remark("It has no web page: if the image answers HTTP, say where with --port.")
    context.printer.remark(f"Change it, then see what Homeport makes of it: homeport check {name}")


COMMANDS = (new,)
