"""A folder for the files of one build; those that killed builds have left go with the next one."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def build_folder(parent: Path) -> Iterator[Path]:
    """A new folder below the parent, removed afterwards; with it go those whose process was killed.

    A folder is locked (flock(2)) for as long as its build runs, so that builds beside this one keep theirs.
    """
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        with _locked(parent):
            for left in parent.iterdir():
                _remove_unless_locked(left)
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(dir=parent)))
            held.enter_context(_locked(folder))
        yield folder


def _remove_unless_locked(folder: Path) -> None:
    with contextlib.suppress(OSError), _locked(folder, fcntl.LOCK_NB):
        shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)
