"""Compose files of every age say the same as a draft."""

from collections.abc import Mapping
from typing import Any

import pytest

from homeport.catalog.convert import convert
from homeport.catalog.convert.compose_file import MAX_BYTES, Surroundings, read_compose
from homeport.catalog.convert.draft import Draft, NoteKind
from homeport.catalog.yaml12 import load_yaml
from homeport.errors import NotConvertibleError

_OLD = """\
web:
  build: .
  dockerfile: Dockerfile.web
  links: [db]
  ports: ["HOST_PORT:80", 2222:22]
  volumes: ["WEBAPP_PATH/data:/data", cache:/cache]
  volume_driver: local
  environment: [A=1, B]
  container_name: APP_IDENTIFIER
  net: bridge
  log_driver: json-file
  log_opt: {max-size: 1m}
  mem_limit: 512m
  cpu_shares: 73
  cpuset: "0,1"
db:
  image: postgres:9.6
  volumes_from: [web]
  environment: {QUIET: true, SIZE: 12}
  restart: always
side:
  image: busybox
  net: "container:APP_IDENTIFIER"
"""


def _service(text: str, **around: Any) -> Mapping[str, Any]:
    draft = read_compose(f"services:\n  web:\n    image: nginx:1\n{text}", around=Surroundings(**around))
    return draft.services["web"]


def _notes(draft: Draft, kind: NoteKind) -> list[str]:
    return [f"{note.what}: {note.why}" for note in draft.notes if note.kind is kind]


def test_version_1_becomes_what_it_means_today() -> None:
    draft = read_compose(_OLD)

    assert draft.services == {
        "web": {
            "build": {"context": ".", "dockerfile": "Dockerfile.web"},
            "links": ["db"],
            "ports": ["HOST_PORT:80", "2222:22"],
            "volumes": ["./data:/data", "cache:/cache"],
            "environment": {"A": "1", "B": None},
            "container_name": "APP_IDENTIFIER",
            "logging": {"driver": "json-file", "options": {"max-size": "1m"}},
            "mem_limit": "512m",
        },
        "db": {
            "image": "postgres:9.6",
            "volumes_from": ["web"],
            "environment": {"QUIET": "true", "SIZE": "12"},
            "restart": "always",
        },
        "side": {"image": "busybox", "network_mode": "service:web"},
    }
    assert read_compose(f"version: '1'\n{_OLD}").services == draft.services
    assert (draft.name, draft.main, draft.volumes) == ("web", "web", {"cache": {}})


def test_what_version_1_had_beyond_today_is_dropped_with_its_line() -> None:
    told = _notes(read_compose(_OLD), NoteKind.DROPPED)

    assert [line.split(":")[0] + line.split(":")[1] for line in told] == [
        "line 14 web.cpu_shares",
        "line 15 web.cpuset",
        "line 7 web.volume_driver",
    ]


@pytest.mark.parametrize("version", ["", "version: '2'\n", "version: 2.4\n", 'version: "3.8"\n'])
def test_versions_with_services_are_alike(version: str) -> None:
    draft = read_compose(f"{version}services: {{web: {{image: nginx}}}}\nvolumes: {{v: }}\n")

    assert (draft.services, draft.volumes, draft.notes) == ({"web": {"image": "nginx"}}, {"v": {}}, ())


def test_of_a_swarms_wishes_the_limits_stay_and_when_to_start_again() -> None:
    draft = read_compose(
        "version: '3'\nservices:\n  web:\n    image: nginx\n    deploy:\n      mode: replicated\n"
        "      replicas: 3\n      placement: {constraints: [node.role == manager]}\n"
        "      restart_policy: {condition: on-failure, max_attempts: 3}\n"
        "      resources: {limits: {memory: 1G}, reservations: {memory: 1M}}\n"
    )

    assert draft.services["web"]["deploy"] == {"resources": {"limits": {"memory": "1G"}}}
    assert draft.services["web"]["restart"] == "on-failure:3"
    assert len(_notes(draft, NoteKind.DROPPED)) == 4


def test_reserved_devices_stay() -> None:
    service = _service(
        "    deploy: {resources: {reservations: {cpus: 1, devices: [{capabilities: [gpu]}]}}}\n"
    )

    assert service["deploy"] == {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}


def test_conditions_of_start_stay() -> None:
    text = "    depends_on: {db: {condition: service_healthy}}\n"

    assert _service(text)["depends_on"] == {"db": {"condition": "service_healthy"}}


def test_volumes_of_one_letter_get_a_name_that_docker_takes() -> None:
    conversion = convert(
        "web:\n  image: a/b:1\n  volumes: [/var/lib/x, {type: volume, source: d, target: /d}]\n"
        "db:\n  image: a/b:1\n  volumes: [{type: volume, source: d, target: /e}]\n"
    )

    compose = load_yaml(conversion.files["docker-compose.yml"].encode(), file="x").value
    assert compose["services"]["web"]["volumes"] == ["x-data:/var/lib/x", "d-data:/d"]
    assert compose["services"]["db"]["volumes"] == ["d-data:/e"]
    assert compose["volumes"] == {"x-data": {}, "d-data": {}}


def test_a_volume_whose_only_mount_is_refused_is_not_declared() -> None:
    conversion = convert(
        "services:\n  web:\n    image: a/b:1\n    volumes:\n      - kept:/a\n"
        "      - {type: volume, source: lost, target: /b/../c}\nvolumes: {kept: , lost: }\n"
    )

    compose = load_yaml(conversion.files["docker-compose.yml"].encode(), file="x").value
    assert compose["services"]["web"]["volumes"] == ["kept:/a"]
    assert compose["volumes"] == {"kept": {}}


def test_folders_that_every_box_has_its_own_of_are_known_where_something_is_mounted_from() -> None:
    service = _service(
        "    build: {context: $PWD/web}\n"
        "    volumes: ['$HOME/a:/a', {type: bind, source: '${PWD}/b', target: /b}]\n"
        "    env_file: $PWD/c.env\n    environment: {A: $HOME, B: '${PWD}/x'}\n    labels: {source: $HOME}\n",
        files={"c.env": "C=1\n"},
    )

    assert service["build"] == {"context": "./web"}
    assert service["volumes"] == ["~/a:/a", {"type": "bind", "source": "./b", "target": "/b"}]
    assert service["environment"] == {"A": None, "B": None, "C": "1"}
    assert service["labels"] == {"source": ""}


def test_services_of_an_amahi_template_are_named_by_what_they_are() -> None:
    conversion = convert(
        "services:\n  APP_IDENTIFIER:\n    image: a/wiki:1\n    ports: ['HOST_PORT:80']\n"
        "    links: [APP_IDENTIFIER_db]\n"
        "  APP_IDENTIFIER_db: {image: 'db:1'}\n  APP_IDENTIFIER-db: {image: 'db:1'}\n"
    )

    services = load_yaml(conversion.files["docker-compose.yml"].encode(), file="x").value["services"]
    assert list(services) == ["wiki", "db", "db-2"]
    assert services["wiki"]["links"] == ["db:APP_IDENTIFIER_db"]
    assert services["wiki"]["container_name"] == "APP_IDENTIFIER"


def test_pieces_that_are_shared_are_written_out() -> None:
    draft = read_compose(
        "version: '3.4'\nx-all: &all {restart: always}\nservices:\n  a: {<<: *all, image: b, x-note: 1}\n"
    )

    assert draft.services == {"a": {"restart": "always", "image": "b"}}
    assert not draft.notes


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("${TAG:-1.2}", "1.2"),
        ("${TAG-1.2}", "1.2"),
        ("${TAG:-${OTHER:-x}}", "x"),
        ("${KNOWN:-1.2}", "here"),
        ("$KNOWN-a", "here-a"),
        ("${KNOWN}$$x", "here$x"),
        ("${EMPTY:-full}", "full"),
        ("${EMPTY-full}", ""),
        ("${KNOWN:+instead}", "instead"),
        ("${TAG:+instead}", ""),
        ("${KNOWN:?must be}", "here"),
    ],
)
def test_variables_are_filled_in_as_compose_does(written: str, read: str) -> None:
    service = _service(f"    command: '{written}'\n", variables={"KNOWN": "here", "EMPTY": ""})

    assert service["command"] == read


def test_a_default_that_counts_is_said() -> None:
    draft = read_compose("services:\n  web:\n    image: nginx:${TAG:-1.2}\n")

    assert draft.services["web"]["image"] == "nginx:1.2"
    (note,) = draft.notes
    assert note.what == "line 3: services.web.image"
    assert "TAG is '1.2'" in note.why


def test_a_variable_that_nobody_gives_is_the_owners_to_set() -> None:
    draft = read_compose(
        "services:\n  web:\n    image: nginx\n    environment:\n      - PASS=${PW}\n"
        "      - URL=db://u:${PW:?give one}@db/x\n      - TZ\n      - KEEP=a=b$$\n"
    )

    assert draft.services["web"]["environment"] == {"PASS": None, "URL": None, "TZ": None, "KEEP": "a=b$"}
    assert draft.hints == {"PASS": "${PW}", "URL": "${PW}"}
    assert any(note.startswith("PASS, URL") for note in _notes(draft, NoteKind.ASSUMED))


def test_a_folder_that_nobody_gives_is_named_after_its_variable() -> None:
    assert _service("    volumes: ['${UPLOADS}/in:/in', '${LIB:-./lib}:/lib']\n")["volumes"] == [
        "./uploads/in:/in",
        "./lib:/lib",
    ]


def test_a_port_and_a_tag_that_nobody_gives_are_left_out() -> None:
    draft = read_compose("services:\n  web:\n    image: nginx:${TAG}\n    ports: ['${PORT}:80']\n")

    assert draft.services["web"] == {"image": "nginx", "ports": ["80"]}


def test_files_of_variables_are_read_where_they_are_given() -> None:
    files = {
        ".env": "TAG=7\nBOTH=${TAG}x\nOPEN=$NOBODY\n",
        "app.env": "A=1\nB=${TAG}\nC=$NOBODY\nD\nE='$x'\n",
    }
    draft = read_compose(
        "services:\n  web:\n    image: nginx:$TAG\n    env_file: [./app.env, other.env]\n"
        "    environment: {A: 2, F: $BOTH}\n",
        around=Surroundings(files=files),
    )

    assert draft.services["web"]["image"] == "nginx:7"
    assert draft.services["web"]["environment"] == {
        "A": "2", "B": "7", "C": None, "D": None, "E": "$x", "F": "7x",
    }  # fmt: skip
    (note,) = _notes(draft, NoteKind.DROPPED)
    assert "other.env is not here" in note


def test_texts_of_configs_are_taken_from_files_and_asked_for_where_they_are_not_there() -> None:
    text = (
        "services: {web: {image: nginx:1, configs: [a, b, c, d]}}\n"
        "configs: {a: {file: ./a.conf}, b: {file: b}, c: {external: true}, d: {content: d}}\n"
    )
    draft = read_compose(text, around=Surroundings(files={"a.conf": "text\n"}))

    texts = {name: config["content"] for name, config in draft.configs.items()}
    assert texts == {"a": "text\n", "b": "", "c": "", "d": "d"}
    asked = [note.split(": ")[1] for note in _notes(draft, NoteKind.ASSUMED)]
    assert asked == ["configs.b", "configs.c"]
    assert "content: d" in convert(text).files["docker-compose.yml"]


def test_the_folder_of_the_app_is_the_definitions_own() -> None:
    draft = read_compose(
        "a: {build: WEBAPP_PATH/img, env_file: WEBAPP_PATH/a.env, volumes: [WEBAPP_PATH:/all]}\n"
        "b: {build: {context: WEBAPP_PATH, target: x}}\n",
        around=Surroundings(files={"a.env": "A=1\n"}),
    )

    assert draft.services == {
        "a": {"build": "./img", "environment": {"A": "1"}, "volumes": [".:/all"]},
        "b": {"build": {"context": ".", "target": "x"}},
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("services: {wiki: {image: a}}", "wiki"),
        ("services: {web: {image: 'x.y/a/wiki:1'}}", "wiki"),
        ("services: {web: {build: .}}", "web"),
        ("name: wiki\nservices: {web: {image: a}}", "wiki"),
        ("services: {db: {image: b}, wiki: {image: a, container_name: APP_IDENTIFIER}}", "wiki"),
    ],
)
def test_an_app_is_named_by_what_the_file_says(text: str, name: str) -> None:
    assert read_compose(text).name == name
    assert read_compose(text, name="other").name == "other"


def test_keys_that_reach_other_files_are_dropped() -> None:
    draft = read_compose(
        "include: [x.yml]\nsecrets: {s: {file: /etc/shadow}}\nservices:\n"
        "  web: {image: nginx, extends: {file: ../other.yml, service: web}}\n"
    )

    assert draft.services == {"web": {"image": "nginx"}}
    assert [note.split(":")[1] for note in _notes(draft, NoteKind.DROPPED)] == [
        " include", " secrets", " services.web.extends",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("[]", 1),
        ("a", 1),
        ("services: x", 1),
        ("services: {}", 1),
        ("services:\n  a:\n", 2),
        ("a: {image: b}\nc: {command: d}", 2),
        ("version: '1'\nweb:\n  command: d", 2),
        ("a:\n\timage: b", 2),
        ("a: {image: b}\na: {image: c}", 2),
        ("services:\n  a:\n    image: ${\n", 3),
        ("services:\n  a:\n    image: 'b$'\n", 3),
        ("services:\n  a:\n    image: $B\n", 3),
        ("services:\n  a:\n    image: b\n    environment: [1]", 4),
        ("services:\n  a:\n    image: b\n    env_file: [[]]", 4),
        ("services: {a: {image: b}}\nvolumes: [a]", 2),
        ("version: '3'", 1),
        ("? [a]\n: b", 1),
        ("a: " + "[" * 500, 1),
        ("a: &a [" + "x," * 90 + "]\nb: &b [" + "*a," * 90 + "]\nc: [" + "*b," * 9 + "]", 3),
        ("a:\n  image: b\n  environment:\n" + "".join(f"    A{n}: $B{n}\n" for n in range(400)), 304),
        ("a" * (MAX_BYTES + 1), 1),
        ("a: {image: '\udcff'}", 1),
        ("a: {image: '" + "${a:-" * 90 + "'}", 1),
    ],
)
def test_what_is_no_compose_file_is_refused_with_line_and_way_out(text: str, line: int) -> None:
    with pytest.raises(NotConvertibleError) as caught:
        read_compose(text)

    assert caught.value.facts["line"] == line
    assert caught.value.remedy


def test_lines_are_those_of_the_text_around_it() -> None:
    with pytest.raises(NotConvertibleError) as caught:
        read_compose("web:\n  image: a\n image: b\n", around=Surroundings(first_line=11))

    assert caught.value.facts["line"] == 13
