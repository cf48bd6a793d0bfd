"""The command that writes a definition to begin with: new."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from homeport.catalog.reader import read_definition
from homeport.catalog.starter import write_starter
from homeport.cli.main import Command, Context
from homeport.errors import InvalidInputError, TakenError
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
    _write(folder, files)
    if context.answers_json({"name": name, "folder": str(folder), "files": sorted(files)}):
        return
    for file in files:
        context.printer.say(f"{name}/{file}")
    if image and port is None:
        context.printer.remark("It has no web page: if the image answers HTTP, say where with --port.")
    context.printer.remark(f"Change it, then see what Homeport makes of it: homeport check {name}")


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Writes all files into the folder that does not exist yet, or none.

    Raises:
        TakenError: the folder exists.
        DefinitionInvalidError, PolicyRefusedError: what was asked for makes no definition.
        InvalidInputError: nothing can be written there.
    """
    if os.path.lexists(folder):
        raise TakenError(
            f"{folder} exists.",
            why="What is there is left as it is.",
            remedy="Choose another name, or another folder to be in.",
            kind="folder",
            value=str(folder),
        )
    try:
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            for name, text in files.items():
                (draft / name).parent.mkdir(exist_ok=True)
                (draft / name).write_text(text, encoding="utf-8")
            read_definition(draft)
            draft.chmod(0o755)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise InvalidInputError(
            f"{folder} cannot be written.", why=str(error), remedy="Go to a folder that you may write to."
        ) from error


COMMANDS = (new,)
