"""Named places where a test can make a job fail or hold still; nowhere by default.

They are the boundaries of steps, and the moment at which a request is committed and not answered yet.

A test writes an action into a file of the point's own; whoever passes the point finds it there.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from homeport.plans import Plan

_LONGEST_PAUSE_S: Final = 300.0  # a test that died must not hold a worker for ever
_LOOK_S: Final = 0.01

COMMITTED: Final = "api:committed"
"""The point at which the API has committed requests, and has neither answered them nor sent their jobs."""


class FailPoints(Protocol):
    """Called with a point's name whenever it is passed."""

    def __call__(self, point: str, /) -> None:
        """Returns where nothing is to happen there."""


def nowhere(_point: str, /) -> None:
    """Passes every point: what runs where no test has said otherwise."""


class FolderFailPoints:
    """Looks for a file of the point in a folder, and does what stands in it.

    `raise` raises a `RuntimeError`, once: the file goes first. `pause` makes a second file, `.reached` at
    its end, and waits until the first is gone; nothing is asked meanwhile, so only a kill ends it sooner.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, point: str, /) -> None:
        """See `FailPoints`."""
        file = point_file(self._folder, point)
        try:
            action = file.read_text().strip()
        except FileNotFoundError:
            return
        if action == "raise":
            file.unlink(missing_ok=True)
            raise RuntimeError(f"the fail point {point} was passed")
        if action == "pause":
            reached_file(file).touch()
            deadline = time.monotonic() + _LONGEST_PAUSE_S
            while file.exists() and time.monotonic() < deadline:
                time.sleep(_LOOK_S)
            with suppress(FileNotFoundError):
                reached_file(file).unlink()


def fail_points_in(folder: str) -> FailPoints:
    """Those of the folder that a setting names; none where it names none."""
    return FolderFailPoints(Path(folder)) if folder else nowhere


def point_file(folder: Path, point: str) -> Path:
    """Where a test writes the action of a point."""
    return folder / point.replace("/", "_").replace(":", "_").replace(" ", "_")


def reached_file(file: Path) -> Path:
    """Where a point that holds a job says that it was reached."""
    return file.with_name(f"{file.name}.reached")


def points_of(kind: str, plan: Plan[object]) -> Iterator[str]:
    """Every point of a kind's plan, in the order in which a job that fails at its end passes them."""
    yield f"{kind}:taken"
    for step in plan.steps:
        yield f"{kind}/{step.name}:begun"
        yield f"{kind}/{step.name}:acted"
    for step in reversed(plan.steps):
        if step.undo is not None:
            yield f"{kind}/{step.name}:undoing"
            yield f"{kind}/{step.name}:undone"
    yield f"{kind}:ending"
