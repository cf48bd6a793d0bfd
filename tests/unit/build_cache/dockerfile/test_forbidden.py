"""What is refused before a build begins, in every spelling, and what is not."""

import pytest

from build_cache.dockerfile import Forbidden, find_forbidden


def _find(text: str, **args: str) -> Forbidden | None:
    return find_forbidden(text.encode(), args)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# syntax=evil/x\nFROM a", 1),
        ("#syntax = evil/x:1 more\nFROM a", 1),
        ("\ufeff# SYNTAX=evil/x\r\nFROM a", 1),
        ("#\u00a0syntax=evil/x\nFROM a", 1),
        ("# escape=`\n# check=skip=all\n# syntax=evil/x\nFROM a", 3),
        ("#!/usr/bin/env builder\n# syntax=evil/x\nFROM a", 2),
        ("// syntax=evil/x\nFROM a", 1),
        ("#!x\n//syntax=evil/x\nFROM a", 2),
        ('{"syntax": "evil/x"}', 1),
        ('#!x\n\n {"s\\u0079ntax": "evil/x"}', 3),
        ("{" + '"a":[' * 5000, 1),
        ("# syntax=registry.example/docker/dockerfile:1\nFROM a", 1),
        ("# syntax=docker/dockerfile-evil\nFROM a", 1),
        ("# syntax=docker/dockerfile:1/evil\nFROM a", 1),
        ("# syntax=docker/dockerfile/evil\nFROM a", 1),
        ("# syntax=docker/dockerfile:1\tx\nFROM a", 1),
        ("# syntax=docker/dockerfile:1\n# syntax=evil/x\nFROM a", 2),
    ],
)
def test_a_frontend_that_is_not_docker_s_is_found_as_buildkit_finds_it(text: str, line: int) -> None:
    found = _find(text)

    assert found is not None
    assert found.line == line
    assert "frontend" in found.what
    assert "outside the build's limits" in found.why
    assert "docker/dockerfile" in found.remedy


@pytest.mark.parametrize(
    "text",
    [
        "FROM a",
        "",
        "# syntax=docker/dockerfile\nFROM a",
        "# syntax=docker/dockerfile:1.7-labs\nFROM a",
        "#!x\n# syntax=docker.io/docker/dockerfile:1\nFROM a",
        f"# syntax=docker/dockerfile-upstream:master@sha256:{'0a' * 32}\nFROM a",
        "# an ordinary comment\n# syntax=evil/x\nFROM a",
        "\n# syntax=evil/x\nFROM a",
        "FROM a\n# syntax=evil/x\n# // syntax=evil/x",
        "FROM a\nRUN <<EOF\n# syntax=evil/x\nEOF",
    ],
)
def test_docker_s_own_frontends_and_what_is_no_directive_may_stand_there(text: str) -> None:
    assert _find(text) is None


@pytest.mark.parametrize(
    "name",
    ["BUILDKIT_SYNTAX", "BUILDKIT_SYNTAX=evil/x", "BUILDKIT_ATTEST_sbom", "BUILDKIT_MULTI_PLATFORM"],
)
def test_an_argument_that_steers_buildkit_is_found(name: str) -> None:
    found = find_forbidden(b"FROM a", {"A": "b", name: "evil/x"})

    assert found is not None
    assert found.line is None
    assert name in found.what


def test_arguments_that_only_the_instructions_see_pass() -> None:
    args = {"BUILDKIT_SANDBOX_HOSTNAME": "a", "BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1", "SYNTAX": "evil/x"}

    assert find_forbidden(b"FROM a", args) is None


@pytest.mark.parametrize(
    "name", ["docker/dockerfile:1", "docker.io/docker/dockerfile-upstream", "docker/dockerfile::linux/amd64"]
)
def test_a_context_that_buildkit_would_run_as_docker_s_frontend_is_found(name: str) -> None:
    found = find_forbidden(b"# syntax=docker/dockerfile:1\nFROM a", {}, [name])

    assert found is not None
    assert name in found.what
    assert find_forbidden(b"FROM a", {}, ["base", "docker/other"]) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/x",
        "https://user:word@127.0.0.1/x",
        "HTTP://LOCALHOST./x",
        "http://[::1]/x",
        "http://[::]/x",
        "http://[::ffff:10.0.0.1]/x",
        "http://[fe80::1%25eth0]/x",
        "http://[fd00::1]:80/x",
        "http://0.0.0.0/x",
        "http://0/x",
        "http://127.1/x",
        "http://2130706433/x",
        "http://0x7f000001/x",
        "http://0177.0.0.1/x",
        "http://10.1.2.3/x",
        "http://172.17.0.1/x",
        "http://192.168.1.1/x",
        "http://169.254.169.254/latest",
        "http://100.64.0.1/x",
        "http://224.0.0.1/x",
        "http://１２７.0.0.1/x",
        "http://127.0.0.%31/x",
        "http://router/x",
        "http://a.localhost/x",
        "http://nas.local/x",
        "git://127.0.0.1/a.git",
        '"http://127.0.0.1/x"',
        "http://127.0.'0'.1/x",
        "http\\://127.0.0.1/x",
        "http:///x",
        "http://[::1/x",
    ],
)
def test_an_add_from_the_box_s_own_network_is_found(url: str) -> None:
    found = _find(f"FROM a\nRUN true\nADD --chown=1:1 local {url} /x")

    assert found is not None
    assert found.line == 3
    assert "limits" in found.why
    assert "COPY" in found.remedy


@pytest.mark.parametrize(
    "text",
    [
        'FROM a\nADD ["http://127.0.0.1/x", "/x"]',
        "FROM a\nADD \\\n  http://127.0.0.1/x \\\n  /x",
        "FROM a\nONBUILD ADD http://127.0.0.1/x /x",
        "ARG H=127.0.0.1\nFROM a\nARG H\nADD http://$H/x /x",
        "FROM a\nARG H=${NONE:-127.0.0.1}\nADD http://${H}/x /x",
        "FROM a\nENV H 127.0.0.1\nADD http://$H/x /x",
        "FROM a\nENV U='http://127.0.0.1/x' B=c\nADD $U /x",
        "FROM a\nENV H=127.0.0.1\nARG H=example.org\nADD http://$H/x /x",
        "FROM a AS b\nENV H=127.0.0.1\nFROM c\nENV H=example.org\nFROM b\nADD http://$H/x /x",
        "FROM a\nADD http://$UNKNOWN/x /x",
        "# escape=`\nFROM a\nADD http`://127.0.0.1/x `\n /x",
    ],
)
def test_an_address_is_found_in_every_form_and_behind_variables(text: str) -> None:
    assert _find(text) is not None


def test_a_build_argument_wins_over_a_default() -> None:
    text = "FROM a\nARG H=example.org\nADD http://$H/x /x"

    assert _find(text) is None
    assert _find(text, H="127.0.0.1") is not None
    assert _find(text.replace("example.org", "127.0.0.1"), H="example.org") is None


@pytest.mark.parametrize(
    ("source", "passes"),
    [
        ("source-1.0.zip", True),
        ("https://example.org/source-1.0.zip", True),
        ("http://127.0.0.1/source.zip", False),
    ],
)
def test_a_source_that_the_owner_names_may_be_a_file_or_a_public_address(source: str, passes: bool) -> None:
    text = "FROM a\nARG APP_SOURCE\nADD ${APP_SOURCE} /tmp/source.zip"

    assert (_find(text, APP_SOURCE=source) is None) == passes


@pytest.mark.parametrize(
    "line",
    [
        "ADD https://example.org/a-$VERSION.tar.gz /x",
        "ADD --checksum=sha256:00 https://example.org:8443/x /x",
        "ADD https://1.1.1.1/x [2606:4700::1]/x",
        "ADD https://[2606:4700:4700::1111]/x /x",
        "ADD git@example.org:a/b.git /x",
        "ADD https://github.com/a/b.git#v1 /x",
        "ADD localhost 127.0.0.1 /x",
        "ADD <<EOF /x\nhttp://127.0.0.1/x\nEOF",
        "RUN curl http://127.0.0.1/x",
        "COPY http: //127.0.0.1/x /x",
        "ADD local http://127.0.0.1/x",
    ],
)
def test_other_addresses_pass(line: str) -> None:
    assert _find(f"FROM a\n{line}") is None


@pytest.mark.parametrize(
    "line",
    [
        "RUN --network=host true",
        "run --mount=type=cache,target=/c --network='host' true",
        'RUN "--network=host"',
        "RUN --security=insecure true",
        "RUN \\\n  --security=insecure true",
        "ONBUILD RUN --network=host true",
        "ONBUILD RUN --network=host <<EOF\ntrue\nEOF",
    ],
)
def test_a_run_that_asks_for_the_box_itself_is_found(line: str) -> None:
    found = _find(f"FROM a\n{line}")

    if line.startswith('RUN "'):  # no flag, but a program's name
        assert found is None
        return
    assert found is not None
    assert found.line == 2
    assert found.remedy.startswith("Remove --")


def test_a_run_without_a_network_of_the_box_passes() -> None:
    text = "FROM a\nRUN --network=none true\nRUN --security=sandbox true\nRUN x --network=host"

    assert _find(text) is None


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("FROM a\nNONSENSE b", 2, "line 2 begins with 'NONSENSE'"),
        ("FROM a\nRUN cat <<EOF\nb", 3, "the here-document 'EOF' has no end"),
        (f"FROM a\nRUN {'b' * 65536}", 2, "line 2 is longer than 65535 bytes"),
        ("# check=x\n# escape=x\nFROM a", 2, "line 2 sets an escape character that is none"),
        ("FROM a\nRUN <<${B:-EOF}\ntrue\n${B:-EOF}", 2, "in line 2 the name of a here-document"),
    ],
)
def test_what_cannot_be_read_to_its_end_is_found_for_nobody_knows_what_it_asks_for(
    text: str, line: int, why: str
) -> None:
    found = _find(text)

    assert found is not None
    assert found.line == line
    assert "cannot be read" in found.what
    assert why in found.why
    assert found.remedy


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nRU\\\nN --network=host true",
        "FROM a\n\u00a0RUN --network=host true",
        "\u00a0# escape=`\nFROM a\nRUN true \\\nRUN --network=host true",
        "FROM a\nRUN true ${ <<'CMD x'\nRUN --network=host true\nCMD x",
        "FROM a\nRUN true << 'CMD x'\nRUN --network=host true\nCMD x",
        "FROM a\nRUN --mount=target=/b\xa0--network=host true",
    ],
)
def test_what_buildkit_reads_otherwise_than_it_looks_is_found_as_buildkit_reads_it(text: str) -> None:
    source = text.encode("latin-1" if text.endswith("/b\xa0--network=host true") else "utf-8")

    found = find_forbidden(source, {})

    assert found is not None
    assert "network" in found.what


@pytest.mark.parametrize(
    "lines", ["ENV H=127.0.0.1\nARG H=example.org", "ENV H=example.org\nARG H=127.0.0.1"]
)
def test_of_a_variable_that_is_set_twice_both_values_count_as_versions_of_buildkit_differ(lines: str) -> None:
    assert _find(f"FROM a\n{lines}\nADD http://$H/x /x") is not None
