"""What Compose itself understands of a rendered file: asked before anything is made of it."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from compose.program import compose_environment, compose_words
from compose.progress import ComposeProgress
from homeport.errors import StartFailedError
from homeport.host.files import read_bounded
from homeport.host.programs import run_program
from homeport.plans import Control
from homeport.settings import Settings

_CEILING_S: Final = 20.0  # 40 ms as a rule; a file that never answers would keep it for ever
_LARGEST_BYTES: Final = 16 * 1024 * 1024  # a template is 1 MiB at most


def resolve_project(
    settings: Settings, project_dir: Path, project: str, *, control: Control | None = None
) -> Mapping[str, Any]:
    """The document that Compose makes of the project's compose file; dollar signs stand twice in it.

    Compose reads no other file for it, has nothing of our environment, and is killed at its deadline.

    Raises:
        StartFailedError: Compose does not understand the file.
        CeilingReachedError: it took too long.
    """
    environment = compose_environment(settings)
    with _private_folder(Path(environment["HOME"]) / f"resolved-{project}") as folder:
        answer = folder / "resolved.json"
        progress = ComposeProgress(0, lambda _fraction, _detail: None, lambda _line: None)
        words = ["config", "--format", "json", "--no-env-resolution", "--output", str(answer)]
        result = run_program(
            [*compose_words(project_dir, project), *words],
            environment=environment,
            control=control,
            on_line=progress.feed,
            ceiling_s=_CEILING_S,
        )
        if result.exit_code != 0:
            raise _not_understood(project, progress.error, list(result.tail))
        try:
            resolved = json.loads(read_bounded(answer, _LARGEST_BYTES))
        except (ValueError, OSError) as error:
            raise _not_understood(project, str(error), list(result.tail)) from error
    if not isinstance(resolved, dict):
        raise _not_understood(project, "Its answer is no mapping.", list(result.tail))
    return resolved


@contextmanager
def _private_folder(folder: Path) -> Iterator[Path]:
    """The folder for a moment, for the eyes of its owner: the answer may hold passwords.

    One that a killed process left is removed first: no two resolve one project at a time.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _not_understood(project: str, why: str, last_lines: list[str]) -> StartFailedError:
    return StartFailedError(
        f"Compose cannot read the project {project}.",
        why=why or "It gave no reason.",
        remedy="Look at the job's log: it has all that Compose said.",
        last_lines=last_lines,
    )
