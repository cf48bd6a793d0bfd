"""The map of hosts: its values, its lines, and the commands from one to another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.maps import is_covered, map_commands, map_entries, read_entries, render_map
from proxy.routes import Route, RouteState


def route(**changed: Any) -> Route:
    fields: dict[str, Any] = {
        "identifier": "wiki",
        "names": ("wiki.hda", "wiki"),
        "port": 35001,
        "state": RouteState.SERVING,
    }
    return Route(**{**fields, **changed})


def test_each_name_has_an_entry_with_all_that_is_known_of_it() -> None:
    entries = map_entries([route(state=RouteState.STOPPED)], api_names=["box.hda"], covered=["wiki.hda"])

    assert entries == {
        "wiki.hda": "stopped:35001:tls",
        "wiki": "stopped:35001:plain",
        "box.hda": "api:0:plain",
    }


def test_the_api_s_own_name_is_nobody_else_s() -> None:
    entries = map_entries([route(names=("box.hda",))], api_names=["box.hda"])

    assert entries == {"box.hda": "api:0:plain"}


NAMES = st.sampled_from(["a.hda", "b.hda", "c.hda", "d.hda"])
TABLES = st.dictionaries(NAMES, st.sampled_from(["serving:1:plain", "stopped:2:tls"]))


@given(TABLES, TABLES)
def test_the_commands_bring_one_map_to_the_other(current: dict[str, str], wanted: dict[str, str]) -> None:
    served = dict(current)
    for name, command in map_commands("/m", current, wanted):
        match command.split():
            case ["del", "map", "/m", key]:
                del served[key]
            case ["add", "map", "/m", key, value]:
                assert key not in served, "HAProxy would have two entries"
                served[key] = value
            case ["set", "map", "/m", key, value]:
                assert key in served
                served[key] = value
            case _:
                pytest.fail(command)
        assert command.split()[3] == name

    assert served == wanted
    assert not map_commands("/m", wanted, wanted)


@given(TABLES)
def test_a_map_is_written_as_haproxy_reads_it(entries: dict[str, str]) -> None:
    lines = render_map(entries).splitlines()

    assert lines == sorted(lines)
    assert read_entries("".join(f"0x55d {line}\n" for line in lines)) == entries


@pytest.mark.parametrize(
    ("name", "names", "covered"),
    [
        ("wiki.hda", ["wiki.hda"], True),
        ("wiki.apps.hda", ["*.apps.hda"], True),
        ("wiki.hda", ["*.hda"], False),
        ("a.wiki.apps.hda", ["*.apps.hda"], False),
        ("hda", ["*.hda"], False),
        ("wiki", ["*"], False),
        ("wiki.hda", ["*.example.org"], False),
    ],
)
def test_a_star_stands_for_one_label(name: str, names: list[str], covered: bool) -> None:
    assert is_covered(name, names) is covered
