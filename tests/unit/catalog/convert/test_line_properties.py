"""Lines and texts that nobody wrote: what becomes of them is a definition that holds, or a refusal."""

import contextlib
import shlex
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeport.catalog.convert import convert
from homeport.catalog.convert.conversion import Conversion
from homeport.catalog.convert.docker_flags import KNOWN, WITHOUT_VALUE
from homeport.catalog.convert.shell_line import read_commands
from homeport.catalog.reader import read_definition
from homeport.errors import HomeportError, NotConvertibleError

_WORDS = st.sampled_from(
    [
        "a", "web", "db", "0", "1", "80", "80:80", "8080:80/udp", "5000-5003:6000-6003", "[::1]:1:2",
        "127.0.0.1::53", "53:53", "443:443", "-1", "1g", "512m", "0.5", "/a", "/a:/b", "./x:/y:ro",
        "../x:/y", "~/d:/data", "$(pwd)/e:/f", "<path", "to", "data>:/config", "/etc/x.conf:/x.conf:ro",
        "/dev/dri", "/var/run/docker.sock:/var/run/docker.sock", "v:/data:z", "/", "/:", ":/", ":", "/:/",
        "/mnt/x:/x:rslave", "/proc:/p", "/a/b:/a/b", "/a/b/c:/a/b/c", "A=1", "A=$x", "A", "B=<y>",
        "TZ=<tz>", "PUID=1000", "DB_PASSWORD=secret", "no.name", "x-y=", "HOST_PORT=1", "APP_IDENTIFIER",
        "host", "none", "bridge", "container:a", "container:db", "service:x", "net", "default", "private",
        "shareable", "type=bind,source=/a,target=/b", "type=tmpfs,target=/t,tmpfs-size=1m",
        "type=volume,dst=/x,src=v", ",,=", "type=image,dst=/i", "always", "on-failure:3", "sometimes",
        "NET_ADMIN", "CAP_SYS_ADMIN", "ALL", "all", "device=0", "nofile=1:2", "memlock=-1", "nofile",
        "seccomp=unconfined", "label:disable", "no-new-privileges:false", "apparmor=x", "net.core.x=1",
        "kernel.y=2", "k=v", "com.docker.x=1", "homeport.a=b", "1000:1000", "root", "uid:gid",
        "root:<group>", "nvidia", "json-file", "max-size=1m", "syslog", "10s", "5", "true", "false", "‘",
        "’", "…", "...", "é", "WEBAPP_PATH/x:/x", "${A:-b}", "`pwd`:/q", "%cd%:/r", "C:\\\\data:/s",
        "/dev/null:/n", "/b:/x.db", "./definition:/z", ".env",
    ]
)  # fmt: skip
_FLAGS = st.one_of(
    st.tuples(st.sampled_from(sorted(KNOWN - WITHOUT_VALUE - {"entrypoint"})), _WORDS).map(
        lambda pair: f"--{pair[0]} {shlex.quote(pair[1]) if chr(39) in pair[1] else pair[1]}"
    ),
    st.sampled_from(sorted(WITHOUT_VALUE)).map(lambda flag: f"--{flag}"),
)
_LINE = st.builds(
    lambda name, flags, image: f"docker run {name} {' '.join(flags)} {image}",
    st.sampled_from(["", "--name a", "--name db", "--name web.1"]),
    st.lists(_FLAGS, max_size=12),
    st.sampled_from(
        ["nginx", "db:1", "ghcr.io/x/y:2 sh -c 'a $b'", "x@sha256:" + "a" * 64, "Bad:/:x", "<i>"]
    ),
)
_PLAIN = settings(max_examples=400, deadline=2000, suppress_health_check=[HealthCheck.too_slow])


def converted(text: str) -> Conversion | None:
    """What the text becomes; None where it is refused in words."""
    try:
        return convert(text)
    except HomeportError as refused:
        if not refused.what or not (refused.remedy or refused.why):
            raise AssertionError("the refusal says too little") from refused
        return None


@_PLAIN
@given(st.lists(_LINE, min_size=1, max_size=3))
def test_whatever_flags_stand_in_lines_the_definition_passes_the_policy(lines: list[str]) -> None:
    conversion = converted("\n".join(lines))

    if conversion is not None:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in conversion.files.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            loaded = read_definition(Path(folder))
        assert loaded.permissions == conversion.permissions
        assert loaded.definition.name == conversion.name


@_PLAIN
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_no_text_behind_docker_run_makes_the_parser_crash(text: str) -> None:
    converted(f"docker run {text}")


@_PLAIN
@given(st.text(alphabet="docker run-pv/:=$`\\'\"<>(){}#\n\t ;&|…–abc", max_size=200))
def test_no_quoting_makes_the_words_crash_or_hang(text: str) -> None:
    with contextlib.suppress(NotConvertibleError):
        assert all(command.words for command in read_commands(text))


@_PLAIN
@given(st.lists(st.text(alphabet="ab c'\"\\$=:/", min_size=1, max_size=8), min_size=1, max_size=6))
def test_words_that_a_shell_was_given_safely_come_out_as_they_went_in(words: list[str]) -> None:
    (command,) = read_commands(f"docker {shlex.join(words)}")

    assert command.words[1:] == tuple(words)


@pytest.mark.parametrize(
    "piece", ["$(", "`", "${", "<", "\\\n", "'\"", "a'b", "docker ", ";", "–", "-d", "C:\\"]
)
def test_a_long_text_of_marks_is_refused_or_read(piece: str) -> None:
    converted(f"docker run {piece * 10_000} image")


@pytest.mark.parametrize(
    "piece",
    ["-v /a:/data ", "-p 80:80 ", "-e A=<b> ", "--dns 1.1.1.1 ", "x ", ";docker run x", "-v /a:/b.conf "],
)
def test_a_line_without_end_is_refused_or_cut(piece: str) -> None:
    conversion = converted(f"docker run {piece * 700} image")

    if conversion is not None:
        assert len(conversion.files) <= 102
