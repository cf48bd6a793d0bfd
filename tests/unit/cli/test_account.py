import grp
import os
import pwd

import pytest

from homeport.cli.account import is_user, way_to_docker

ACCOUNT = pwd.struct_passwd(("hp", "x", 990, 990, "", "/", "/bin/false"))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that has the user hp in its own group, and a group docker."""

    def user(name: str) -> pwd.struct_passwd:
        return {"hp": ACCOUNT, "root": pwd.struct_passwd(("root", "x", 0, 0, "", "/", "/bin/sh"))}[name]

    monkeypatch.setattr(pwd, "getpwnam", user)
    monkeypatch.setattr(grp, "getgrnam", lambda _name: grp.struct_group(("docker", "x", 77, [])))
    monkeypatch.setattr(os, "getgrouplist", lambda _name, group: [group])
    return monkeypatch


def test_a_user_in_its_own_group_has_no_way_to_docker(machine: pytest.MonkeyPatch) -> None:
    assert is_user("hp")
    assert way_to_docker("hp") == ""


def test_the_group_docker_is_a_way_also_as_the_first_group(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(os, "getgrouplist", lambda _name, _group: [990, 77])

    assert "group docker" in way_to_docker("hp")


def test_root_has_a_way_and_a_user_that_is_not_there_has_none(machine: pytest.MonkeyPatch) -> None:
    assert way_to_docker("root")
    assert not is_user("nobody-of-that-name")
    assert way_to_docker("nobody-of-that-name") == ""
