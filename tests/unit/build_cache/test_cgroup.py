from pathlib import Path

import pytest

from build_cache.cgroup import BuildCgroup, BuildLimits, build_limits
from homeport.settings import Settings

LIMITS = BuildLimits(cpus=1.5, memory_bytes=256 * 1024 * 1024, pids=100)


@pytest.fixture
def v2_root(tmp_path: Path) -> Path:
    """What looks like the root of control groups of version 2; files appear in it as they are written."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids")
    return tmp_path


def _content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_version_2_gets_every_limit_and_kills_a_group_as_a_whole(v2_root: Path) -> None:
    with BuildCgroup(LIMITS, root=v2_root) as cgroup:
        assert cgroup.parent == "homeport-build"
        assert not cgroup.why_not

    assert _content(v2_root / "homeport-build") == {
        "memory.max": "268435456",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": "150000 100000",
        "pids.max": "100",
    }
    assert (v2_root / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_version_2_hands_the_controllers_down_to_a_nested_group(v2_root: Path) -> None:
    with BuildCgroup(LIMITS, name="outer/inner", root=v2_root):
        pass

    assert (v2_root / "outer" / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert "cgroup.subtree_control" not in _content(v2_root / "outer" / "inner")


def test_version_2_tells_a_kill_of_this_build_from_those_before(v2_root: Path) -> None:
    events = v2_root / "homeport-build" / "memory.events"
    events.parent.mkdir()
    events.write_text("low 0\noom 3\noom_kill 3\n")

    with BuildCgroup(LIMITS, root=v2_root) as before:
        before.look()
    with BuildCgroup(LIMITS, root=v2_root) as now:
        events.write_text("low 0\noom 4\noom_kill 4\n")

    assert (before.ran_out, now.ran_out) == (False, True)


def test_a_machine_without_control_groups_says_why_there_is_no_limit(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file where the folder of a controller would be")

    with BuildCgroup(LIMITS, root=tmp_path) as cgroup:
        cgroup.look()

    assert cgroup.parent == ""
    assert cgroup.why_not
    assert not cgroup.ran_out


def test_no_name_makes_no_group(v2_root: Path) -> None:
    with BuildCgroup(LIMITS, name="", root=v2_root) as cgroup:
        assert cgroup.parent == ""

    assert [path.name for path in v2_root.iterdir()] == ["cgroup.controllers"]


def test_a_group_is_known_to_be_the_engine_s_by_what_the_engine_makes_in_it(v2_root: Path) -> None:
    with BuildCgroup(LIMITS, root=v2_root) as first:
        assert not first.was_used
        (v2_root / "homeport-build" / "buildkit").mkdir()
        assert first.was_used

    with BuildCgroup(LIMITS, root=v2_root) as second:
        assert not second.was_used


def test_a_group_in_which_something_still_runs_is_the_engine_s(v2_root: Path) -> None:
    (v2_root / "homeport-build" / "buildkit" / "instruction").mkdir(parents=True)

    with BuildCgroup(LIMITS, root=v2_root) as cgroup:
        assert cgroup.was_used


def test_settings_win_over_the_share_of_the_machine() -> None:
    asked = build_limits(Settings.model_validate({"build_cpus": 0.5, "build_memory_bytes": 1000}))
    open_ended = build_limits(Settings.model_validate({}))

    assert (asked.cpus, asked.memory_bytes) == (0.5, 1000)
    assert open_ended.cpus > 0.5
    assert open_ended.memory_bytes > 1000
