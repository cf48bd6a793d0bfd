"""The command that makes a definition of what other tools read: convert."""

from pathlib import Path

import click

from homeport.catalog.convert import convert as convert_text
from homeport.catalog.convert.conversion import Conversion, conversion_json
from homeport.catalog.convert.shell_line import MAX_CHARS
from homeport.cli.definition_folder import write_definition_folder
from homeport.cli.main import Command, Context
from homeport.cli.output import Printer
from homeport.errors import InvalidInputError
from homeport.risks import rate


@click.command(cls=Command)
@click.argument("line", required=False)
@click.option("-f", "--file", help="Read it from a file; - is standard input.")
@click.option("--uninstall", metavar="FILE", help="The uninstall script that belongs to an install script.")
@click.option("--name", help="What to call the definition.")
@click.option("--out", metavar="DIR", help="Write the definition into this folder, in place of showing it.")
@click.option("--force", is_flag=True, help="Replace what is in that folder.")
@click.pass_obj
def convert(
    context: Context,
    *,
    line: str | None,
    file: str | None,
    uninstall: str | None,
    name: str | None,
    out: str | None,
    force: bool,
) -> None:
    """Make a definition of a docker run line, a compose file, or an install script of Amahi's.

    LINE stands in single quotes, so that the shell leaves it as it is. Nothing is run.
    """
    if (line is None) == (file is None):
        raise click.UsageError("Give a line in quotes, or a file with -f.")
    if force and out is None:
        raise click.UsageError("--force is for the folder that --out names.")
    text = line if line is not None else _read(str(file))
    conversion = convert_text(text, uninstall=_read(uninstall) if uninstall else "", name=name)
    if out is not None:
        write_definition_folder(Path(out), conversion.files, may_replace=force)
    if context.answers_json(conversion_json(conversion) | ({"folder": out} if out is not None else {})):
        return
    _print(context.printer, conversion, out)


def _read(file: str) -> str:
    try:
        with click.open_file(file, encoding="utf-8", errors="replace") as stream:
            return str(stream.read(MAX_CHARS + 1))
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be read.", why=f"{error.strerror}.", remedy="Name another file."
        ) from error


def _print(printer: Printer, conversion: Conversion, out: str | None) -> None:
    for file, text in conversion.files.items():
        if out is not None:
            printer.say(str(Path(out) / file))
        else:
            printer.say(f"# {conversion.name}/{file}")
            printer.say(text)
    for note in conversion.notes:
        printer.remark(str(note))
    rating = rate(conversion.permissions)
    if conversion.permissions:
        printer.remark(f"Its owner is asked for permissions; together their risk is {rating.risk.value}:")
    for permission in conversion.permissions:
        printer.remark(f"  {permission}")
    where = out if out is not None else "DIR, after writing it with --out DIR"
    printer.remark(f"See whether it runs: homeport check {where}")


COMMANDS = (convert,)
