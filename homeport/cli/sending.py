"""Sending a folder to the API: what is taken for one, and a bar that moves while it goes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from homeport.cli.main import Context
from homeport.cli.output import Printer, size
from homeport.cli.packing import PackedFolder


def is_written_as_path(source: str) -> bool:
    """Whether it can only be meant as a folder: `.`, `./x`, `/x`, `x/`; `a/b` may be a catalog and a name."""
    return source in {".", ".."} or source.startswith(("./", "../", "/")) or source.endswith("/")


def send_folder(context: Context, path: str, folder: Path, **query: Any) -> Mapping[str, Any]:
    """Sends the folder, packed, to a route of the API; the accepted job.

    Raises:
        ApiProblemError: the API refused.
        ApiUnreachableError: it did not answer.
        InvalidInputError: the folder cannot be read.
    """
    archive = PackedFolder(folder)
    if not context.is_json:
        context.printer.remark(f"Sending {folder}: {size(len(archive))}")
    with _shown(context.printer, archive) as sent:
        job: Mapping[str, Any] = context.client.upload(path, sent, **query)
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
