"""What of the host's real folders may be mounted where it was granted."""

from pathlib import Path

import pytest

import homeport
from compose.host_paths import check_host_paths, engine_sockets, program_folders
from homeport.errors import PolicyRefusedError


def rule_of(path: Path, *kept: Path) -> str:
    with pytest.raises(PolicyRefusedError) as refused:
        check_host_paths([str(path)], kept)
    return refused.value.findings[0].rule


def test_a_real_folder_is_mounted(tmp_path: Path) -> None:
    check_host_paths([str(tmp_path)], [tmp_path.parent / "kept"])


def test_what_is_missing_or_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "films")

    assert rule_of(tmp_path / "absent") == "bind-missing"
    assert rule_of(tmp_path / "link") == "bind-elsewhere"


@pytest.mark.parametrize("place", [".", "inside", ".."])
def test_what_is_kept_is_mounted_neither_as_a_whole_nor_in_part(tmp_path: Path, place: str) -> None:
    (tmp_path / "kept" / "inside").mkdir(parents=True)

    assert rule_of((tmp_path / "kept" / place).resolve(), tmp_path / "kept") == "bind-kept"


def test_the_program_itself_is_kept() -> None:
    (code,) = homeport.__path__

    assert rule_of(Path(code), *program_folders()) == "bind-kept"


@pytest.mark.parametrize("place", [".", "engine.sock"])
def test_the_engine_s_socket_is_kept_wherever_it_is(tmp_path: Path, place: str) -> None:
    (tmp_path / "engine.sock").touch()

    assert rule_of(tmp_path / place, *engine_sockets(f"unix://{tmp_path}/engine.sock")) == "bind-kept"
    assert engine_sockets("tcp://engine.example.org:2376") == []
