"""Holding jobs at the boundaries of their steps, where Homeport has been told of a folder of fail points."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from homeport.state.fail_points import point_file, reached_file
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.programs import wait_until


class Held:
    """A point at which whoever comes stands still."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def is_reached(self) -> bool:
        """Whether somebody stands there."""
        return reached_file(self._file).exists()

    def forget(self) -> None:
        """Whoever stood there is gone; the next one is not there yet."""
        reached_file(self._file).unlink(missing_ok=True)

    def let_go(self) -> None:
        """Whoever stands there goes on, and nobody else is held."""
        self._file.unlink(missing_ok=True)


@contextmanager
def held(points: Path, point: str) -> Iterator[Held]:
    """Holds jobs at a point, such as `install/create:acted`, for as long as the block lasts."""
    held = Held(point_file(points, point))
    held.forget()
    point_file(points, point).write_text("pause")
    try:
        yield held
    finally:
        held.let_go()
        held.forget()


def kill_worker(box: HomeportBox) -> None:
    """Ends the worker as a crash would."""
    worker = box.component("workers")
    worker.kill()
    worker.wait(10)


def killed_at(box: HomeportBox, points: Path, point: str, submit: Callable[[], Json]) -> Json:
    """The job that was submitted, and whose worker was killed at that point, once."""
    with held(points, point) as place:
        job = submit()
        wait_until(place.is_reached, what=f"the point {point}", timeout_s=60, log=box.log)
        place.let_go()
        kill_worker(box)
    return job
