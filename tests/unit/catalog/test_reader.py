import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeport.catalog.policy_rules import ALLOWED, FORBIDDEN_IN_SERVICE
from homeport.catalog.reader import builds_images, read_definition
from homeport.catalog.yaml12 import dump_yaml
from homeport.errors import DefinitionInvalidError, Finding, PolicyRefusedError
from homeport.models import Limits

from .conftest import APP, COMPOSE, MakeDefinition


def refused(folder: Path) -> list[Finding]:
    with pytest.raises(DefinitionInvalidError) as caught:
        read_definition(folder)
    return list(caught.value.findings)


def only(folder: Path) -> tuple[str, str, int | None, str]:
    (finding,) = refused(folder)
    assert finding.what
    assert finding.remedy
    return finding.file, finding.key, finding.line, finding.rule


def test_a_sound_definition_is_taken_apart(make_definition: MakeDefinition) -> None:
    compose = """\
version: "3"
x-note: gone
services:
  web:
    image: gone:1
    build: {context: ./web, args: {PHP: 8.2, FLAG: true, COST: 5$$}}
    ports: ["HOST_PORT:80", "2224:22", "5000-5001:6000-6001/udp"]
    volumes: ["./data:/data", "WEBAPP_PATH/config:/c", "db:/v"]
    mem_limit: 256m
    x-gone: 1
  db:
    image: mariadb:11
    deploy: {resources: {limits: {cpus: "0.5", memory: 1G, pids: 100}}}
volumes: {db: }
"""
    app = APP + "limits: {cpus: 2, services: {db: {memory: 512M}}}\n"
    folder = make_definition({"docker-compose.yml": compose, "app.yml": app, "web/Dockerfile": "FROM x\n"})

    loaded = read_definition(folder)

    assert set(loaded.template) == {"services", "volumes"}
    assert loaded.template["services"]["web"] == {
        "ports": ["HOST_PORT:80", "2224:22", "5000-5001:6000-6001/udp"],
        "volumes": ["./data:/data", "WEBAPP_PATH/config:/c", "db:/v"],
    }
    assert loaded.template["services"]["db"] == {"image": "mariadb:11"}
    assert loaded.services == ("web", "db")
    assert loaded.pulled_services == {"db": "mariadb:11"}
    build = loaded.built_services["web"]
    assert (build.context, build.dockerfile) == (folder / "web", "Dockerfile")
    assert build.args == {"PHP": "8.2", "FLAG": "true", "COST": "5$"}
    assert builds_images(loaded)
    assert loaded.main == "web"
    assert loaded.bind_folders == ("config", "data")
    assert loaded.shown_ports == (
        {"service": "web", "host_port": 2224, "container_port": 22, "protocol": "tcp"},
        {"service": "web", "host_port": 5000, "container_port": 6000, "protocol": "udp"},
        {"service": "web", "host_port": 5001, "container_port": 6001, "protocol": "udp"},
    )
    limits = loaded.definition.limits
    assert limits.of("web") == Limits(cpus=2, memory_bytes=256 * 1024**2)
    assert limits.of("db") == Limits(cpus=0.5, memory_bytes=512 * 1024**2, pids=100)


def test_images_of_app_yml_are_built(make_definition: MakeDefinition) -> None:
    app = APP + "images: {web: {context: ./web, dockerfile: docker/D, args: {A: b}}}\n"
    compose = "services:\n  web: {}\n"
    folder = make_definition({"app.yml": app, "docker-compose.yml": compose, "web/docker/D": "FROM x\n"})

    loaded = read_definition(folder)

    assert loaded.built_services["web"].dockerfile == "docker/D"
    assert loaded.pulled_services == {}


def test_pulled_images_build_nothing(make_definition: MakeDefinition) -> None:
    assert not builds_images(read_definition(make_definition()))


def test_the_main_service_is_the_one_that_is_named_like_the_app(make_definition: MakeDefinition) -> None:
    headless = "name: wiki\ntitle: W\nversion: '1'\n"
    compose = "services:\n  a: {image: x}\n  b: {image: y, container_name: APP_IDENTIFIER}\n"
    folder = make_definition({"app.yml": headless, "docker-compose.yml": compose})

    assert read_definition(folder).main == "b"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"app.yml": None}, ("app.yml", "file", None, "file-missing")),
        ({"docker-compose.yml": None}, ("docker-compose.yml", "file", None, "file-missing")),
        ({"app.yml": "a: [\n"}, ("app.yml", "document", 1, "yaml-syntax")),
        ({"app.yml": APP.replace('"1.0"', "1.0")}, ("app.yml", "version", 3, "type")),
        ({"app.yml": b"\xff"}, ("app.yml", "document", 1, "yaml-encoding")),
        (
            {"docker-compose.yml": "services:\n\tweb: {}\n"},
            ("docker-compose.yml", "document", 2, "yaml-syntax"),
        ),
        (
            {"docker-compose.yml": "#" * 1024**2 + "#"},
            ("docker-compose.yml", "document", None, "yaml-too-large"),
        ),
        ({"docker-compose.yml": "services: []\n"}, ("docker-compose.yml", "services", 1, "schema-type")),
        (
            {"docker-compose.yml": COMPOSE.replace("nginx:1.27", "5")},
            ("docker-compose.yml", "services.web.image", 3, "schema-type"),
        ),
        (
            {"docker-compose.yml": "services:\n  web: {}\n"},
            ("docker-compose.yml", "services.web", 2, "image-missing"),
        ),
        (
            {"app.yml": APP.replace("service: web", "service: wbe")},
            ("app.yml", "web.service", 4, "service-unknown"),
        ),
        (
            {"app.yml": APP.replace("port: 80", "port: 81")},
            ("docker-compose.yml", "services.web.ports[0]", 4, "web-port"),
        ),
        (
            {"app.yml": "name: wiki\ntitle: W\nversion: '1'\n"},
            ("docker-compose.yml", "services.web.ports[0]", 4, "web-port"),
        ),
        ({"app.yml": APP + "main: db\n"}, ("app.yml", "main", 5, "service-unknown")),
        (
            {"app.yml": APP + "limits:\n  services:\n    db: {cpus: 1}\n"},
            ("app.yml", "limits.services.db", 7, "service-unknown"),
        ),
        (
            {"app.yml": APP + "images: {web: {context: web}}\n"},
            ("app.yml", "images.web.context", 5, "build-context"),
        ),
        (
            {"app.yml": APP + "images: {web: {context: web}}\n", "web/x": ""},
            ("app.yml", "images.web.dockerfile", 5, "build-dockerfile"),
        ),
        (
            {"app.yml": APP + "images: {web: {context: .}}\n", "Dockerfile": "",
             "docker-compose.yml": COMPOSE + "    build: .\n"},
            ("docker-compose.yml", "services.web.build", 5, "build-twice"),
        ),
        (
            {"docker-compose.yml": COMPOSE + "    build: {context: ./web}\n"},
            ("docker-compose.yml", "services.web.build.context", 5, "build-context"),
        ),
        (
            {"docker-compose.yml": COMPOSE + "    mem_limit: lots\n"},
            ("docker-compose.yml", "services.web.mem_limit", 5, "limit"),
        ),
        (
            {"docker-compose.yml": COMPOSE + "  db:\n    image: x\n    container_name: APP_IDENTIFIER\n"
             "    expose: ['1']\n", "app.yml": APP + "main: web\n"},
            ("docker-compose.yml", "services.db.container_name", 7, "container-name"),
        ),
        (
            {"app.yml": "name: wiki\ntitle: W\nversion: '1'\n",
             "docker-compose.yml": "services:\n  a: {image: x}\n  b: {image: y}\n"},
            ("app.yml", "main", 1, "main-missing"),
        ),
        (
            {"docker-compose.yml": COMPOSE + "    configs: [c]\n"},
            ("docker-compose.yml", "services.web.configs[0]", 5, "config-unknown"),
        ),
        (
            {"docker-compose.yml": COMPOSE + "configs: {c: {}}\n"},
            ("docker-compose.yml", "configs.c", 5, "config-source"),
        ),
        (
            {"app.yml": APP + "settings: {A: {build: true}}\n"},
            ("app.yml", "settings.A.build", 5, "setting"),
        ),
    ],
)  # fmt: skip
def test_a_broken_definition_is_refused_by_file_key_and_line(
    make_definition: MakeDefinition,
    files: dict[str, str | bytes | None],
    expected: tuple[str, str, int | None, str],
) -> None:
    assert only(make_definition(files)) == expected


def test_what_the_policy_refuses_is_an_error_of_its_own(make_definition: MakeDefinition) -> None:
    folder = make_definition({"docker-compose.yml": COMPOSE + "    use_api_socket: true\n"})

    with pytest.raises(PolicyRefusedError) as caught:
        read_definition(folder)

    (finding,) = caught.value.findings
    assert str(finding).startswith(
        "docker-compose.yml:5: services.web.use_api_socket: `use_api_socket` is not allowed."
    )
    assert caught.value.problem().facts["findings"][0]["line"] == 5


def test_extends_env_files_and_config_files_are_settled(make_definition: MakeDefinition) -> None:
    compose = """\
services:
  web:
    extends: {service: base, file: base.yml}
    image: nginx:1.27
    ports: ["HOST_PORT:80"]
    environment: {B: own}
    env_file: [web.env, {path: absent.env, required: false}]
    configs: [conf]
configs: {conf: {file: ./web.conf}}
"""
    base = "services:\n  base:\n    image: x\n    user: '1000'\n    environment: [A=base, B=base]\n"
    folder = make_definition(
        {
            "docker-compose.yml": compose,
            "base.yml": base,
            "web.env": "C='$5'\nA=file\n",
            "web.conf": "cost $5\n",
        }
    )

    template = read_definition(folder).template

    assert template["services"]["web"] == {
        "image": "nginx:1.27",
        "user": "1000",
        "ports": ["HOST_PORT:80"],
        "environment": {"C": "$$5", "A": "base", "B": "own"},
        "configs": ["conf"],
    }
    assert template["configs"] == {"conf": {"content": "cost $$5\n"}}


def test_what_another_file_brings_in_is_refused_where_it_stands(make_definition: MakeDefinition) -> None:
    compose = COMPOSE + "    extends: {service: base, file: base.yml}\n"
    base = "services:\n  base:\n    image: x\n    pid: host\n"

    with pytest.raises(PolicyRefusedError) as caught:
        read_definition(make_definition({"docker-compose.yml": compose, "base.yml": base}))

    (finding,) = caught.value.findings
    assert (finding.file, finding.key, finding.line) == ("base.yml", "services.base.pid", 4)


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ("    extends: web\n", "extends-circle"),
        ("    extends: other\n", "service-unknown"),
        ("    extends: {service: x, file: absent.yml}\n", "file-missing"),
        ("    extends: {service: x, file: sub/x.yml}\n", "extends-folder"),
        ("    env_file: absent.env\n", "file-missing"),
        ("configs: {c: {file: absent}}\n", "file-missing"),
    ],
)
def test_what_cannot_be_settled_is_refused(make_definition: MakeDefinition, lines: str, rule: str) -> None:
    assert only(make_definition({"docker-compose.yml": COMPOSE + lines}))[3] == rule


def test_settings_give_variables_their_values(make_definition: MakeDefinition) -> None:
    app = APP + "settings: {PUID: {default: '1000'}, COST: {default: '$5'}}\n"
    compose = COMPOSE + "    environment: {PUID: , COST: }\n"
    folder = make_definition({"app.yml": app, "docker-compose.yml": compose})

    environment = read_definition(folder).template["services"]["web"]["environment"]

    assert environment == {"PUID": "1000", "COST": "$$5"}


def test_settings_of_the_build_are_its_arguments_unless_it_has_its_own(
    make_definition: MakeDefinition,
) -> None:
    app = APP + (
        "images: {web: {context: ./web, args: {OWN: '2'}}}\n"
        "settings: {SITE: {default: a, build: true}, OWN: {default: '1', build: true}, RUN: {default: r}}\n"
    )
    compose = "services:\n  web: {}\n"
    folder = make_definition({"app.yml": app, "docker-compose.yml": compose, "web/Dockerfile": "FROM x\n"})

    assert read_definition(folder).built_services["web"].args == {"SITE": "a", "OWN": "2"}


def test_a_leading_zero_stays_text_in_a_variable_and_is_octal_in_a_mode(
    make_definition: MakeDefinition,
) -> None:
    compose = COMPOSE + (
        "    environment: {UMASK: 022, PORT: 0755}\n"
        "    restart: no\n"
        "    volumes: [{type: tmpfs, target: /t, tmpfs: {mode: 0755}}]\n"
        "    configs: [{source: c, target: /c, mode: '0440'}]\n"
        "configs: {c: {content: x}}\n"
    )

    web = read_definition(make_definition({"docker-compose.yml": compose})).template["services"]["web"]

    assert web["environment"] == {"UMASK": "022", "PORT": "0755"}
    assert web["restart"] == "no"
    assert web["volumes"][0]["tmpfs"]["mode"] == 0o755
    assert web["configs"][0]["mode"] == 0o440


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 70000)
    | st.floats(0, 2)
    | st.sampled_from(["a", "web", "./x", "/etc", "1:2:3:4", ":", "", "x=y", "host", "0755", "$"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "type", "source", "target", "file", "service", "context", "args", "path"])
            | st.sampled_from(["condition", "resources", "limits", "driver", "options", "tmpfs", "mode"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(key=st.sampled_from(sorted(ALLOWED["service"] | set(FORBIDDEN_IN_SERVICE))), value=VALUES)
def test_whatever_a_template_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    (folder / "app.yml").write_text(APP)
    service = {"image": "nginx", key: value}
    (folder / "docker-compose.yml").write_text(dump_yaml({"services": {"web": service, "a": {"image": "b"}}}))

    try:
        loaded = read_definition(folder)
    except (DefinitionInvalidError, PolicyRefusedError) as error:
        assert all(finding.what and finding.remedy for finding in error.findings)  # noqa: PT017 - either is right
    else:
        assert loaded.services == ("web", "a")


def test_the_digest_follows_every_file_and_execute_bit(make_definition: MakeDefinition) -> None:
    folder = make_definition({"web/run.sh": "#!/bin/sh\n"})
    first = read_definition(folder).digest

    assert read_definition(folder).digest == first
    (folder / "web" / "run.sh").chmod(0o755)
    second = read_definition(folder).digest
    (folder / "web" / "run.sh").write_text("#!/bin/sh\nexit 1\n")
    third = read_definition(folder).digest
    (folder / "empty").mkdir()

    assert len({first, second, third, read_definition(folder).digest}) == 4


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "nowhere", "loop"])
def test_a_link_that_leaves_the_folder_is_refused(make_definition: MakeDefinition, target: str) -> None:
    folder = make_definition()
    (folder.parent / "outside").write_text("secret")
    (folder / "loop").symlink_to(target)

    assert only(folder) == ("loop", "file", None, "link-outside")


def test_a_link_inside_the_folder_is_taken(make_definition: MakeDefinition) -> None:
    folder = make_definition({"docker-compose.yml": None, "real.yml": COMPOSE})
    (folder / "docker-compose.yml").symlink_to("real.yml")

    assert read_definition(folder).main == "web"


def test_a_pipe_is_refused_without_waiting_for_a_writer(make_definition: MakeDefinition) -> None:
    folder = make_definition({"docker-compose.yml": None})
    os.mkfifo(folder / "docker-compose.yml")

    assert only(folder) == ("docker-compose.yml", "file", None, "file-special")


def test_a_folder_too_large_is_refused(make_definition: MakeDefinition) -> None:
    folder = make_definition()
    with (folder / "big").open("wb") as file:
        file.truncate(65 * 1024**2)

    assert only(folder)[3] == "folder-too-large"


def test_too_many_files_are_refused(make_definition: MakeDefinition) -> None:
    assert only(make_definition({f"many/{number}": "" for number in range(2_001)}))[3] == "folder-too-large"
