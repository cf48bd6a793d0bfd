"""Long runs of anything take no parser long: each reads its text in a time that grows as the text does."""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, Final, Never

import pytest

from build_cache.dockerfile.forbidden import find_forbidden
from build_cache.dockerfile.rewrite import rewrite_dockerfile
from homeport.catalog.addresses import settle_source, shown_source
from homeport.catalog.advice_dockerfile import DockerfileUse, advise_dockerfile, is_moving
from homeport.catalog.convert import convert, script_syntax
from homeport.catalog.convert.amahi import read_amahi
from homeport.catalog.convert.compose_file import read_compose
from homeport.catalog.convert.docker_run import read_docker_run
from homeport.catalog.convert.script import read_script
from homeport.catalog.convert.shell_line import read_commands
from homeport.catalog.definition import parse_definition
from homeport.catalog.dockerfile.bases import base_images
from homeport.catalog.dockerfile.parse import parse_dockerfile
from homeport.catalog.durations import parse_duration
from homeport.catalog.env_files import parse_env_file
from homeport.catalog.policy import judge_compose
from homeport.catalog.schema import check_schema
from homeport.catalog.sizes import parse_size
from homeport.catalog.yaml12 import dump_yaml, load_yaml
from homeport.errors import HomeportError, InvalidInputError
from homeport.names import check_host_name, check_identifier
from homeport.permissions import Permission, PermissionKind
from homeport.placeholders import ORDER, replace_placeholders
from homeport.schedule import schedules_of
from homeport.secret_names import without_secrets
from homeport.settings import Settings
from tests.harness.fuzz import RUNS, repeated
from workers.catalogs.index import _parse as parse_index

LIMIT_S: Final = 2.0
"""Of the process's own time, so that others on the machine do not count."""
LENGTH: Final = 63 * 1024
"""Characters: as many as commands to convert may have, with what stands around them. A pattern that takes
the square of its text has two thousand million steps of these."""

Read = Callable[[str], object]


class TookTooLongError(BaseException):
    """No `except` for errors stops it."""


def _interrupt(_number: int, _frame: FrameType | None) -> Never:
    raise TookTooLongError


@contextlib.contextmanager
def bounded(what: str) -> Iterator[None]:
    """Ends the block after 2 s of this process's time; a pattern that is being matched, when it is done."""
    before = signal.signal(signal.SIGPROF, _interrupt)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    started = time.process_time()
    try:
        yield
    except TookTooLongError:
        pytest.fail(f"{what}: more than {LIMIT_S} s")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert time.process_time() - started < LIMIT_S, what


def document(value: Any) -> Any:
    """The value as it comes out of a file: JSON, which YAML is a larger language of."""
    return load_yaml(json.dumps(value).encode(), file="x.yml")


def judge(service: dict[str, Any], top: dict[str, Any] | None = None) -> None:
    loaded = document({"services": {"web": {"image": "nginx:1.27", **service}}, **(top or {})})
    if not check_schema(loaded):
        judge_compose(loaded.value, lines=loaded.line_of, file=loaded.file)


def describe(**keys: Any) -> None:
    parse_definition(document({"name": "wiki", "title": "Wiki", "version": "1", **keys}))


def write_yaml(text: str) -> None:
    loaded = load_yaml(dump_yaml({"a": text}).encode(), file="x.yml")
    assert loaded.value == {"a": text}


def convert_service(**keys: Any) -> None:
    convert(json.dumps({"services": {"web": {"image": "a/b:1", **keys}}}))


def schedule(text: str) -> None:
    for expression in (text, f"*/{text} * * * *", f"0,{text},1 * * * *"):
        with contextlib.suppress(InvalidInputError):
            schedules_of(Settings.model_validate({"refresh_schedule": expression, "time_zone": "UTC"}))


def permit(text: str) -> None:
    for kind in PermissionKind:
        with contextlib.suppress(ValueError):
            Permission.parse(f"{kind}:{text}")


IN_DOCKERFILES: Final = {
    "": "{0}",
    ", in a command": "FROM a\nRUN b {0} c\n",
    ", in a directive": "# syntax=a{0}x\nFROM a\n",
    ", in stages": "ARG A={0}\nFROM $A\nCOPY --from={0} a b\nRUN --mount=from={0} x\n",
    ", in a here-document": "FROM a\nRUN <<E\n{0}\nE\n",
    ", in values": 'FROM a\nENV A="{0}"\nUSER {0}\nADD {0} /x\n',
}


def of_dockerfile(name: str, read: Callable[[bytes], object]) -> dict[str, Read]:
    """The reader of Dockerfiles, once for each place where the text may stand."""

    def within(template: str) -> Read:
        return lambda text: read(template.format(text[: LENGTH // template.count("{0}")]).encode())

    return {f"{name}{where}": within(template) for where, template in IN_DOCKERFILES.items()}


PARSERS: Final[Mapping[str, Read]] = {
    "YAML": lambda text: load_yaml(text.encode(), file="x.yml"),
    "YAML, as a value": lambda text: load_yaml(f"a: {text}\nb: 1\n".encode(), file="x.yml"),
    "YAML, in quotes": lambda text: document({"a": text, text: 1}),
    "YAML, written": write_yaml,
    "app.yml": lambda text: describe(title=text, description=text, data=[text], permissions=[text]),
    "app.yml's settings": lambda text: describe(
        settings={text: {"default": text}}, limits={"memory": text, "cpus": text}
    ),
    "app.yml's images": lambda text: describe(images={"web": {"context": text, "args": {text: text}}}),
    "env file": lambda text: parse_env_file(text.encode(), file="x.env"),
    "env file, a value": lambda text: parse_env_file(f"A=x{text}y\n".encode(), file="x.env"),
    "env file, in quotes": lambda text: parse_env_file(f'A="x{text}y\n'.encode(), file="x.env"),
    "text to convert": convert,
    "shell words": read_commands,
    "run line": lambda text: read_docker_run(f"docker run -d {text}b -p 80:80 a/b:1"),
    "run line, in quotes": lambda text: read_docker_run(f'docker run -d --label "a={text}" a/b:1'),
    "run line, in its values": lambda text: convert(
        f"docker run -v {text[: LENGTH // 3]}:/x --mount '{text[: LENGTH // 3]}' -p '{text[: LENGTH // 3]}' a"
    ),
    "run line, beside a fence": lambda text: read_docker_run(f"```\ndocker run a/b:1\n```\n{text}"),
    "compose file": lambda text: read_compose(
        f"services:\n  web:\n    image: a/b:1\n    command: a{text}b\n"
    ),
    "compose file, texts": lambda text: convert_service(command=text, volumes=[f"{text}:/x"], ports=[text]),
    "compose file, variables": lambda text: convert_service(environment={"A": text}, labels=[text]),
    "compose file, names": lambda text: convert(
        json.dumps({"services": {f"a{text}bAPP_IDENTIFIER": {"image": f"{text}/b"}}})
    ),
    "script": lambda text: read_amahi(f"#!/bin/sh\n{text}\ndocker run -d a/b:1\n"),
    "script, a command": lambda text: read_amahi(f"#!/bin/sh\nfoo a{text}b\ndocker run -d a/b:1\n"),
    "script, a here-document": lambda text: read_script(f"cat > x <<E\n{text}\nE\n"),
    "script, in quotes": lambda text: read_script(f'A="x{text}y"\necho "$A" $A > x\n'),
    "script, docker": lambda text: read_amahi(
        f"#!/bin/sh\ndocker run -d --name APP_IDENTIFIER_{text} -v {text}:/x a/b:1\n"
    ),
    "script, variables": lambda text: read_amahi(
        f"echo 'A={text}' > .env\ncat > docker-compose.yml <<E\nweb: {{image: 'a:$A'}}\nE\n"
    ),
    **of_dockerfile("Dockerfile", parse_dockerfile),
    **of_dockerfile("bases of a Dockerfile", base_images),
    **of_dockerfile("what a Dockerfile may not", lambda raw: find_forbidden(raw, {})),
    **of_dockerfile("Dockerfile rewritten", lambda raw: rewrite_dockerfile(raw, context_files=(), args={})),
    **of_dockerfile(
        "advice on a Dockerfile", lambda raw: advise_dockerfile(raw, DockerfileUse(file="Dockerfile"))
    ),
    "image": lambda text: judge({"image": text}),
    "image's version": is_moving,
    "volume": lambda text: judge({"volumes": [text, f"./{text}:/x", f"/srv/{text}:/y:{text}"]}),
    "volume, long": lambda text: judge(
        {"volumes": [{"type": "bind", "source": f"./{text}", "target": text}]}
    ),
    "port": lambda text: judge({"ports": [text, f"80{text}:80"], "expose": [text]}),
    "device": lambda text: judge({"devices": [text, f"/dev/{text}:/x:r"], "cap_add": [text]}),
    "sysctl": lambda text: judge({"sysctls": {f"net.{text}": "1"}, "security_opt": [text]}),
    "names of a service": lambda text: judge(
        {"container_name": text, "restart": text, "labels": {text: text}, "environment": {text: text}}
    ),
    "health check": lambda text: judge({"healthcheck": {"test": text, "interval": text}}),
    "names of a file": lambda text: judge(
        {"networks": [text]}, {"networks": {text: {}}, "volumes": {text: {}}}
    ),
    "permission": permit,
    "size": parse_size,
    "duration": parse_duration,
    "cron expression": schedule,
    "placeholders": lambda text: replace_placeholders(f"HOST_PORT{text}HOST_PORT", dict.fromkeys(ORDER, "1")),
    "identifier": check_identifier,
    "host name": check_host_name,
    "secrets in addresses": lambda text: without_secrets({"A": f"x://{text}", "B": text * 2}),
    "source of a catalog": lambda text: (
        shown_source(f"https://{text}"),
        settle_source(f"https://{text}", None),
    ),
    "index of a catalog": lambda text: parse_index(text.encode(), "https://catalog.example/index.json"),
}


@pytest.mark.parametrize("parser", PARSERS)
def test_a_long_run_of_anything_is_read_or_refused_at_once(
    parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        script_syntax, "_PARSE_SECONDS", 0.3
    )  # what is hard for the grammar is given up sooner
    read = PARSERS[parser]

    for run in RUNS:
        with bounded(f"{parser}: {run!r}"), contextlib.suppress(HomeportError, ValueError):
            read(repeated(run, LENGTH))
