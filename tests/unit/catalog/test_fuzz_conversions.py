"""Whatever is converted becomes a definition that is accepted, or is refused; and never takes long."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homeport.catalog.convert import convert
from homeport.catalog.convert.conversion import Conversion
from homeport.catalog.reader import read_definition
from homeport.errors import DefinitionInvalidError, NotConvertibleError
from tests.harness.fuzz import PIECES, TEXTS, changed, check_words, fuzz, services, written


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


WORDS: Final = (
    "docker", "run", "create", "container", "sudo", "-d", "--rm", "-it", "--name", "hydra", "--name=hydra",
    "-v", "-p", "-e", "--mount", "--network", "host", "--privileged", "--cap-add", "--device", "--gpus",
    "all", "--restart", "unless-stopped", "-p", "5075:5075", "53:53/udp", "8000-8003:8000-8003", "-v",
    "<path to data>:/config", "/srv/media:/m:ro", "$(pwd)/x:/x", "$PWD:/y",
    "type=bind,source=/a,target=/b", "PUID=1000", "A=$B", "--env-file", "x.env", "--health-cmd",
    "curl -f localhost", "--sysctl", "net.core.somaxconn=1024", "--security-opt", "seccomp=unconfined",
    "--user", "1000:1000", "--entrypoint", "/x", "--tmpfs", "/run:size=64m", "--ulimit", "nofile=1024",
    "-m", "512m", "--cpus", "1.5", "--label", "a=b", "--hostname", "h", "--pid", "--ipc", "--add-host",
    "a:1.2.3.4", "--link", "db:db", "--volumes-from", "other", "--log-driver", "syslog", "--pull",
    "linuxserver/hydra", "nginx:1.27", "lscr.io/linuxserver/hydra2:latest", "\\\n", "&&", ";", "|", "'",
    '"', "`id`", "$(id)", "${A:-b}", "#x", "\n", "--", "-", "--unknown-flag", "--publish=80", "-P",
)  # fmt: skip
LINES: Final = st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS), PIECES), max_size=14).map(
    lambda words: "docker run " + " ".join(words)
)
SOUND_FLAGS: Final = (
    "-v ./data:/config", "-v data:/x", "-p 5075:5075", "-p 53:53/udp", "-e A=b", "-e 'PASS=$x y'",
    "--privileged", "--cap-add NET_ADMIN", "--device /dev/ttyUSB0", "--network host", "--pid host",
    "-v /srv/media:/m:ro", "-v /var/run/docker.sock:/var/run/docker.sock", "--restart always", "-m 512m",
    "--tmpfs /run", "--init", "-u 1000", "--gpus all", "--sysctl net.core.somaxconn=1024",
    "--security-opt seccomp=unconfined", "--mount type=bind,source=/srv/x,target=/x,readonly",
    "--ulimit nofile=1024:2048", "-h box", "--rm", "-it", "--health-cmd 'true'", "--shm-size 1g",
    "--group-add video", "-v /etc:/e", "-v ~/x:/y", "-p 127.0.0.1:80:80", "--name hydra", "-l a=b",
    "--dns 1.1.1.1", "--cap-drop ALL", "--network other", "-e TZ", "--memory-swap -1",
)  # fmt: skip
SOUND_LINES: Final = st.lists(st.sampled_from(SOUND_FLAGS), max_size=9).map(
    lambda flags: " ".join(["docker run", *flags, "linuxserver/hydra:1 serve --all"])
)
SCRIPTS: Final = [
    file.read_text() for file in sorted((Path(__file__).parents[2] / "data" / "amahi").rglob("*.sh"))
]
OLD_FILES: Final = (
    """\
web:
  image: nginx:1.27
  ports: ['80:80']
  volumes: [/srv/x:/x]
  links: [db]
db:
  image: mariadb:11
""",
    """\
version: '2'
services:
  web:
    image: nginx
    mem_limit: 1g
    volumes_from: [db]
  db: {image: a}
""",
    """\
version: '3.7'
services:
  web:
    image: ${IMAGE:-nginx}:${TAG}
    deploy: {replicas: 2}
    env_file: .env
    environment: [A, B=${B}]
    networks: [x]
networks: {x: {external: true}}
secrets: {s: {file: ./s}}
volumes: {d: {driver_opts: {o: bind}}}
""",
)


@fuzz(250)
@given(st.one_of(LINES, TEXTS))
@example("docker run " + "-e A=b " * 3000 + "x")
@example("docker run " + "'" * 3000)
@example("docker run " + "$(" * 3000)
@example("docker run " + "\\\n" * 5000 + "x")
@example("docker run -p 1-65535:1-65535 x")
def test_any_run_line_is_converted_or_refused(text: str) -> None:
    converted(text)


@fuzz(150)
@given(SOUND_LINES)
def test_the_definition_made_of_a_run_line_is_accepted(folder: Path, line: str) -> None:
    conversion = converted(line)

    assert conversion is not None
    check_accepted(conversion, folder)


@fuzz(120)
@given(data=st.data())
def test_install_scripts_with_something_changed_are_converted_or_refused(
    data: st.DataObject, folder: Path
) -> None:
    script = data.draw(st.sampled_from(SCRIPTS).flatmap(changed).flatmap(changed))

    if (conversion := converted(script)) is not None:
        check_accepted(conversion, folder)


@fuzz(150)
@given(data=st.data())
def test_old_compose_files_with_something_changed_are_converted_or_refused(
    data: st.DataObject, folder: Path
) -> None:
    text = data.draw(st.sampled_from(OLD_FILES).flatmap(changed).flatmap(changed))

    if (conversion := converted(text)) is not None:
        check_accepted(conversion, folder)


@fuzz(150)
@given(services())
def test_what_compose_files_ask_for_too_much_is_dropped_or_declared(
    folder: Path, service: dict[str, Any]
) -> None:
    if (
        conversion := converted(written({"services": {"web": service}}).decode("utf-8", "ignore"))
    ) is not None:
        check_accepted(conversion, folder)


STANDS_BESIDE: Final = {"build-context", "build-dockerfile", "build-upon", "file-missing"}


def converted(text: str) -> Conversion | None:
    try:
        conversion = convert(text, name="wiki")
    except (NotConvertibleError, DefinitionInvalidError) as error:
        check_words(error)
        return None
    assert convert(text, name="wiki") == conversion
    return conversion


def check_accepted(conversion: Conversion, parent: Path) -> None:
    """What was written is a definition that needs what the conversion says.

    Build contexts and the like, which would stand beside what was converted, may be missing.
    """
    with tempfile.TemporaryDirectory(dir=parent) as name:
        for path, text in conversion.files.items():
            file = Path(name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        try:
            loaded = read_definition(Path(name))
        except DefinitionInvalidError as error:
            refused = {finding.rule: str(finding) for finding in error.findings}
        else:
            refused = {}
    if refused:
        assert refused.keys() <= STANDS_BESIDE, refused
        return
    assert loaded.permissions == conversion.permissions
