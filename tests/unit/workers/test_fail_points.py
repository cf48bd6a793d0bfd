"""The places where tests make jobs fail or hold still: named by plans, nowhere unless a setting says so."""

import threading
import time
from pathlib import Path

import pytest

from homeport.models import JobKind
from homeport.plans import Plan, Step
from homeport.settings import Settings
from homeport.state.fail_points import (
    FolderFailPoints,
    fail_points_in,
    nowhere,
    point_file,
    points_of,
    reached_file,
)


def test_no_point_does_anything_unless_a_setting_names_a_folder() -> None:
    assert Settings.model_fields["fail_points"].default == ""
    assert fail_points_in("") is nowhere


def test_a_point_that_is_to_raise_does_so_once(tmp_path: Path) -> None:
    passing = FolderFailPoints(tmp_path)
    point_file(tmp_path, "install/fetch images:acted").write_text("raise")

    passing("install/fetch images:begun")
    with pytest.raises(RuntimeError, match="install/fetch images:acted"):
        passing("install/fetch images:acted")
    passing("install/fetch images:acted")


def test_a_point_that_is_to_pause_says_that_it_was_reached_and_waits_to_be_let_go(tmp_path: Path) -> None:
    file = point_file(tmp_path, "build:taken")
    file.write_text("pause")
    thread = threading.Thread(target=FolderFailPoints(tmp_path), args=("build:taken",))

    thread.start()
    deadline = time.monotonic() + 10
    while not reached_file(file).exists():
        assert time.monotonic() < deadline
    assert thread.is_alive()
    file.unlink()
    thread.join(10)

    assert not thread.is_alive()
    assert list(tmp_path.iterdir()) == []


def test_the_points_of_a_plan_are_its_boundaries() -> None:
    plan: Plan[object] = Plan(
        Step(name="one", do=lambda _context, _run: None, undo=lambda _context, _run: None),
        Step(name="two", do=lambda _context, _run: None),
    )

    assert list(points_of(JobKind.BUILD, plan)) == [
        "build:taken",
        "build/one:begun", "build/one:acted",
        "build/two:begun", "build/two:acted",
        "build/one:undoing", "build/one:undone",
        "build:ending",
    ]  # fmt: skip
