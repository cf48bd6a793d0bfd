"""The command that builds images without installing anything: build."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from homeport.cli.apps import follow_option
from homeport.cli.build_reports import print_reports
from homeport.cli.client import path_of
from homeport.cli.complete import complete_catalog
from homeport.cli.follow import report_job
from homeport.cli.main import Command, Context
from homeport.cli.output import Printer, size
from homeport.cli.packing import PackedFolder
from homeport.names import is_label

_DEFINITION = "app.yml"


def _complete_source(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    return [*complete_catalog(context, parameter, begun), CompletionItem(begun, type="dir")]


@click.command(cls=Command)
@click.argument("source", metavar="DIR|NAME", shell_complete=_complete_source)
@click.option(
    "--name", help="What to call the build of a folder without app.yml; default: the folder's name."
)
@click.option(
    "--dockerfile",
    "-f",
    help="Which file of such a folder to build by, named from there; default: Dockerfile.",
)
@follow_option
@click.pass_obj
def build(context: Context, *, source: str, name: str | None, dockerfile: str | None, follow: bool) -> None:
    """Build the images of a folder (a definition, or a build context) or of a definition of the catalog.

    What is a folder here is taken as one; all of it is sent, but for .git.
    """
    folder = Path(source)
    if folder.is_dir():
        job = _send(context, folder, name, dockerfile)
    elif "/" in source or source in {".", ".."}:
        raise click.UsageError(f"{source} is no folder.")
    elif name is not None or dockerfile is not None:
        raise click.UsageError(f"--name and --dockerfile are for folders, and {source} is none.")
    else:
        job = context.client.call("POST", "/v1/builds", json={"definition": source})
    if report_job(context, job, follow=follow) and not context.is_json:
        ended = context.client.call("GET", path_of("jobs", job["id"]))
        _print_result(context.printer, ended["result"] or {})


def _send(context: Context, folder: Path, name: str | None, dockerfile: str | None) -> Mapping[str, Any]:
    own = folder.resolve().name.lower()
    if name is None and not (folder / _DEFINITION).exists():
        if not is_label(own):
            raise click.UsageError(f"{own!r} is no name for a build: give one with --name.")
        name = own
    archive = PackedFolder(folder)
    if not context.is_json:
        context.printer.remark(f"Sending {folder}: {size(len(archive))}")
    with _shown(context.printer, archive) as sent:
        query = {"name": name, "dockerfile": dockerfile}
        job: Mapping[str, Any] = context.client.upload("/v1/builds", sent, **query)
    return job


class _Counted:
    """An archive that tells how much of it was taken; its length is announced with the request."""

    def __init__(self, archive: PackedFolder, progress: Progress) -> None:
        self._archive, self._progress = archive, progress
        self._bar = progress.add_task("sending", total=len(archive))

    def __len__(self) -> int:
        return len(self._archive)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._archive:
            yield piece
            self._progress.update(self._bar, advance=len(piece))


@contextmanager
def _shown(printer: Printer, archive: PackedFolder) -> Iterator[PackedFolder | _Counted]:
    """The archive, with a bar on a terminal that moves as it is sent."""
    if not printer.is_live:
        yield archive
        return
    columns = (TextColumn("{task.description:<22}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=printer.out, transient=True) as progress:
        yield _Counted(archive, progress)


def _print_result(printer: Printer, result: Mapping[str, Any]) -> None:
    for service, image in result.get("images", {}).items():
        printer.say(f"{service}: {image['image']}")
    print_reports(printer, result)
    if not result.get("builds"):
        printer.say("Nothing had to be built.")


COMMANDS = (build,)
