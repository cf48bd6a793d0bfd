"""Writes a definition's files into a folder: all of them, or none."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from homeport.catalog.definition import APP_FILE
from homeport.catalog.reader import read_definition
from homeport.errors import InvalidInputError, TakenError


def write_definition_folder(folder: Path, files: Mapping[str, str], *, may_replace: bool | None) -> None:
    """Writes the files, and makes the folders above.

    Args:
        folder: where they go.
        files: texts by name.
        may_replace: whether a definition, or an empty folder, that is there goes; None where there is no
            way to ask for it.

    Raises:
        TakenError: something is there that stays.
        DefinitionInvalidError, PolicyRefusedError: the files make no definition.
        InvalidInputError: nothing can be written there.
    """
    folder = folder.absolute()
    if os.path.lexists(folder) and not may_replace:
        remedy = "Name another" + (
            "." if may_replace is None else ", or replace its definition with --force."
        )
        raise _taken(folder, f"{folder} exists.", "What is there is left as it is.", remedy)
    if os.path.lexists(folder) and not _may_be_replaced(folder):
        what = f"{folder} is no definition's folder."
        raise _taken(folder, what, f"It has no {APP_FILE}.", "Name another folder.")
    try:
        _write(folder, files)
    except OSError as error:
        raise InvalidInputError(
            f"{folder} cannot be written.",
            why=str(error),
            remedy="Go where you may write, or name such a folder.",
        ) from error


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for name, text in files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_text(text, encoding="utf-8")
        read_definition(draft)
        draft.chmod(0o755)
        if folder.is_dir():
            shutil.rmtree(folder)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _may_be_replaced(folder: Path) -> bool:
    """Whether it is a definition's folder, or an empty one."""
    is_folder = folder.is_dir() and not folder.is_symlink()
    return is_folder and ((folder / APP_FILE).is_file() or not any(folder.iterdir()))


def _taken(folder: Path, what: str, why: str, remedy: str) -> TakenError:
    return TakenError(what, why=why, remedy=remedy, kind="folder", value=str(folder))
