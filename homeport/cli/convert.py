"""The command that makes a definition of what other tools read: convert."""

import os
import shutil
import tempfile
from pathlib import Path

import click

from homeport.catalog.convert import convert as convert_text
from homeport.catalog.convert.conversion import Conversion, conversion_json
from homeport.catalog.convert.shell_line import MAX_CHARS
from homeport.cli.main import Command, Context
from homeport.cli.output import Printer
from homeport.errors import InvalidInputError, TakenError
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
        _write(Path(out), conversion, is_forced=force)
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


def _write(folder: Path, conversion: Conversion, *, is_forced: bool) -> None:
    """Writes all files into the folder, or none.

    Raises:
        TakenError: the folder is there, and nothing was said of replacing it.
        InvalidInputError: nothing can be written there.
    """
    if os.path.lexists(folder) and not is_forced:
        raise TakenError(
            f"{folder} exists.",
            why="What is there is left as it is.",
            remedy="Name another folder, or replace its definition with --force.",
            kind="folder",
            value=str(folder),
        )
    if os.path.lexists(folder) and not _may_be_replaced(folder):
        raise TakenError(
            f"{folder} is no definition's folder.",
            why="It has no app.yml.",
            remedy="Name another folder.",
            kind="folder",
            value=str(folder),
        )
    try:
        _replace(folder.absolute(), conversion)
    except OSError as error:
        raise InvalidInputError(
            f"{folder} cannot be written.", why=str(error), remedy="Name a folder that you may write to."
        ) from error


def _may_be_replaced(folder: Path) -> bool:
    """Whether it is a definition's folder, or an empty one."""
    is_folder = folder.is_dir() and not folder.is_symlink()
    return is_folder and ((folder / "app.yml").is_file() or not any(folder.iterdir()))


def _replace(folder: Path, conversion: Conversion) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for name, text in conversion.files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_text(text, encoding="utf-8")
        draft.chmod(0o755)
        if folder.is_dir():
            shutil.rmtree(folder)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


COMMANDS = (convert,)
