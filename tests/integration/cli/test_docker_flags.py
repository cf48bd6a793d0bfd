"""The tables of docker run's flags against the real command line."""

import re

import pytest

from homeport.catalog.convert.docker_flags import (
    KNOWN,
    LEFT_OUT,
    LISTS,
    MAPPINGS,
    NEEDS_NOTHING,
    SHORT,
    SPECIAL,
    SWITCHES,
    TEXTS,
    WITHOUT_VALUE,
)
from homeport.host.programs import run_program
from homeport.settings import program_environment

_FLAG = re.compile(r"^\s+(?:-([A-Za-z]), )?\s*--([a-z0-9-]+)(?: ([a-z0-9-]+))?(?:\s{2,}|$)", re.MULTILINE)
_GONE = {"kernel-memory", "disable-content-trust"}
"""Flags that some versions no longer show."""
_OF_WINDOWS = {"cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"}
"""Flags that Docker's help hides once it has reached an engine of Linux, and shows where it reaches none."""


def _flags(*command: str) -> dict[str, tuple[str, bool]]:
    """Docker's flags by name: the letter, and whether it takes a value."""
    lines: list[str] = []
    run_program(["docker", *command, "--help"], environment=program_environment(), on_line=lines.append)
    return {name: (letter, bool(value)) for letter, name, value in _FLAG.findall("\n".join(lines))}


@pytest.mark.parametrize("command", [("run",), ("create",), ("container", "run"), ("container", "create")])
def test_every_flag_of_dockers_help_is_known_with_its_letter_and_its_value(command: tuple[str, ...]) -> None:
    flags = _flags(*command)

    assert len(flags) > 90
    assert set(flags) <= KNOWN
    assert {name: takes for name, (_, takes) in flags.items()} == {
        name: name not in WITHOUT_VALUE for name in flags
    }
    assert {letter: name for name, (letter, _) in flags.items() if letter}.items() <= SHORT.items()


def test_the_tables_name_no_flag_that_docker_lacks() -> None:
    shown = set(_flags("container", "run"))

    assert KNOWN - shown <= _GONE | _OF_WINDOWS
    assert set(SHORT.values()) <= shown


def test_every_flag_stands_in_one_table() -> None:
    tables = [LISTS, TEXTS, SWITCHES, MAPPINGS, LEFT_OUT, NEEDS_NOTHING, SPECIAL]

    assert sum(len(table) for table in tables) == len(KNOWN)
