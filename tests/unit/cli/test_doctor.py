"""What doctor says about an engine that does not answer."""

import pytest

from homeport.caches import PORT_OFFSETS, Ecosystem
from homeport.cli.doctor import cache_verdict, no_engine
from homeport.errors import EngineUnavailableError


@pytest.mark.parametrize(
    ("why", "found", "mend"),
    [
        ("PermissionError: [Errno 13] Permission denied", "not open to you", "sudo"),
        ("FileNotFoundError: [Errno 2] No such file or directory", "none at unix:///s", "scripts/up"),
    ],
)
def test_an_engine_that_is_not_open_is_told_from_one_that_is_not_there(
    why: str, found: str, mend: str
) -> None:
    error = EngineUnavailableError("The Docker Engine does not answer.", why=why, remedy="homeport doctor")

    verdict = no_engine("unix:///s", error)

    assert found in verdict.found
    assert mend in verdict.mend
    assert "homeport doctor" not in verdict.mend


PORTS = {ecosystem: 8041 + offset for ecosystem, offset in PORT_OFFSETS.items()}


def test_package_caches_that_all_answer_are_named_with_their_ports() -> None:
    verdict = cache_verdict("172.17.0.1", PORTS, up=set(Ecosystem))

    assert (verdict.level, verdict.mend) == ("ok", "")
    assert "pip at 172.17.0.1:8042" in verdict.found


def test_a_package_cache_that_does_not_answer_is_named_and_what_to_look_at() -> None:
    verdict = cache_verdict("172.17.0.1", PORTS, up={Ecosystem.APT, Ecosystem.NPM, Ecosystem.GEM})

    assert verdict.level == "warn"
    assert "pip does not answer at 172.17.0.1:8042" in verdict.found
    assert "devpi" in verdict.mend


def test_a_registry_that_is_not_reached_is_told_from_a_cache_that_is_down() -> None:
    verdict = cache_verdict("172.17.0.1", PORTS, up=set(Ecosystem), cut_off=[Ecosystem.GEM])

    assert verdict.level == "warn"
    assert "not reached: the registry of gem" in verdict.found
    assert "gem_upstream" in verdict.mend
