from typing import Any

import pytest

from build_cache.another_try import (
    Tried,
    Way,
    clients_in_the_way,
    direct_warning,
    lost_caches,
    next_way,
    wrong_file,
)
from build_cache.build_progress import BuildModel
from build_cache.dockerfile import Client
from build_cache.failure import BuildOutput
from homeport.caches import CacheAddresses, Ecosystem

UP = CacheAddresses(urls={Ecosystem.APT: "http://172.17.0.1:8041", Ecosystem.PIP: "http://172.17.0.1:8042"})
DOWN = CacheAddresses(
    urls={Ecosystem.PIP: "http://172.17.0.1:8042"}, down={Ecosystem.APT: "Nothing answers."}
)


def _failed(*text: str, step: str = "") -> BuildOutput:
    model = BuildModel()
    if step:
        vertex = {"digest": "v", "name": step, "started": "t", "completed": "t", "error": "exit code: 1"}
        list(model.take({"vertexes": [vertex]}))
    return BuildOutput(model=model, text=text, quoted=(), exit_code=1)


RUN_FAILED = _failed("ERROR: x", step="[2/2] RUN x")
UNREAD = _failed("ERROR: failed to solve: dockerfile parse error on line 2: unknown flag: fancy")


def _tried(way: Way | None = None, output: BuildOutput = RUN_FAILED, **more: Any) -> Tried:
    facts: dict[str, Any] = {"in_the_way": frozenset(), "has_syntax_line": False, "lost": {}, **more}
    return Tried(way=way or Way(), output=output, **facts)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2/3 | /bin/sh: 1: cannot create /etc/npmrc: Read-only file system", {Client.NPM}),
        ("2/3 | /bin/sh: 1: cannot create npmrc: Read-only file system", {Client.NPM}),
        ("2/3 | rm: cannot remove './uv.toml': Device or resource busy", {Client.UV}),
        ("2/3 | OSError: [Errno 30] Read-only file system: '/etc/xdg/pip/pip.conf'", {Client.PIP}),
        ("2/3 | Error: EROFS: read-only file system, open '/usr/local/etc/npmrc'", {Client.NPM}),
        ("2/3 | cp: cannot create regular file '/proc/x': Read-only file system", set()),
        ("2/3 | reading /etc/npmrc", set()),
    ],
)
def test_a_program_that_could_not_write_over_our_file_is_recognised(line: str, found: set[Client]) -> None:
    assert set(clients_in_the_way(line)) == found


def test_a_client_in_the_way_is_left_out_once() -> None:
    first = next_way(_tried(in_the_way=frozenset({Client.NPM})))

    assert first is not None
    assert first[0].without == {Client.NPM}
    assert first[0].is_afresh_after(Way())
    assert next_way(_tried(first[0], in_the_way=frozenset({Client.NPM}))) is None


def test_a_frontend_that_is_named_is_fetched_only_when_the_engine_s_own_cannot_read_the_file() -> None:
    needed = next_way(_tried(output=UNREAD, has_syntax_line=True))

    assert needed is not None
    assert needed[0].keep_syntax
    assert not needed[0].is_afresh_after(Way())
    assert next_way(_tried(output=UNREAD)) is None
    assert next_way(_tried(has_syntax_line=True)) is None
    assert next_way(_tried(needed[0], UNREAD, has_syntax_line=True)) is None


def test_a_cache_that_went_away_is_a_reason_for_one_more_try() -> None:
    again = next_way(_tried(lost={Ecosystem.APT: "gone"}))

    assert again is not None
    assert "apt" in again[1]
    assert again[0].is_afresh_after(Way())
    assert next_way(_tried(again[0], lost={Ecosystem.PIP: "gone"})) is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2/3 | E: Failed to fetch http://x/a.deb  Hash Sum mismatch", Ecosystem.APT),
        (
            "2/3 | E: Failed to fetch http://x/a.deb  File has unexpected size (5 != 7). Mirror sync",
            Ecosystem.APT,
        ),
        ("2/3 | W: GPG error: http://x bookworm InRelease: invalid: BADSIG 0123456789", Ecosystem.APT),
        ("2/3 | ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", Ecosystem.PIP),
        ("2/3 |   × Hash mismatch for `lantern==1.2.0`", Ecosystem.PIP),
        ("2/3 | npm error code EINTEGRITY", Ecosystem.NPM),
        ("2/3 | Bundler found mismatched checksums. This is a potential security risk.", Ecosystem.GEM),
        ("2/3 | The checksum for the downloaded `a-1.gem` does not match the checksum given", Ecosystem.GEM),
        ("2/3 | Gem::Package::FormatError: package metadata is missing in a-1.gem", Ecosystem.GEM),
        (r'4/5 | ArgumentError: "\xCF\xCF" is not an octal string', Ecosystem.GEM),
        ("2/3 | E: Unable to locate package nothing", None),
    ],
)
def test_a_client_that_refuses_a_file_is_understood(line: str, found: Ecosystem | None) -> None:
    assert wrong_file(line) is found


def test_a_wrong_file_is_a_reason_for_one_more_try_with_nothing_kept() -> None:
    again = next_way(_tried(wrong=[Ecosystem.NPM]))

    assert again is not None
    assert "npm" in again[1]
    assert again[0].is_afresh_after(Way())
    assert next_way(_tried(again[0], wrong=[Ecosystem.NPM])) is None


def test_a_failure_of_the_packager_s_own_is_tried_once() -> None:
    assert next_way(_tried()) is None


@pytest.mark.parametrize(
    "line",
    [
        "W: Could not connect to 172.17.0.1:8041 (172.17.0.1). - connect (111: Connection refused)",
        "E: Failed to fetch x  Connection failed [IP: 172.17.0.1 8041]",
    ],
)
def test_a_cache_is_lost_when_it_is_down_now_or_broke_off(line: str) -> None:
    assert set(lost_caches(UP, DOWN, [])) == {Ecosystem.APT}
    assert set(lost_caches(UP, UP, [line])) == {Ecosystem.APT}
    assert lost_caches(UP, UP, ["E: Unable to locate package nothing"]) == {}
    assert lost_caches(DOWN, DOWN, [line]) == {}


def test_a_cache_that_is_down_is_told_where_somebody_could_have_used_it() -> None:
    assert direct_warning(DOWN, [Client.APT]).startswith("What apt fetched came directly")
    assert direct_warning(DOWN, []) == ""
    assert direct_warning(UP, [Client.APT]) == ""
