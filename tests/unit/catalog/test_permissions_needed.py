"""Permissions from app.yml to the owner: declared as needed, and granted as declared."""

import pytest

from homeport.catalog.granting import require_granted
from homeport.catalog.loaded import LoadedDefinition
from homeport.catalog.reader import read_definition
from homeport.errors import DefinitionInvalidError, Finding, PermissionsNotGrantedError, PolicyRefusedError
from homeport.permissions import parse_permissions

from .conftest import APP, COMPOSE, MakeDefinition

HOST_NETWORK = """\
services:
  web:
    image: nginx:1.27
    network_mode: host
"""


def place(finding: Finding) -> tuple[str, str, int | None, str]:
    return finding.file, finding.key, finding.line, finding.rule


def declaring(*texts: str) -> str:
    return APP + "permissions:\n" + "".join(f"  - {text}\n" for text in texts)


def test_what_is_declared_and_needed_is_what_the_definition_has(make_definition: MakeDefinition) -> None:
    compose = COMPOSE + (
        "    cap_add: [NET_ADMIN, CAP_NET_ADMIN, CHOWN]\n"
        "    volumes: ['/srv/media:/m:ro', '/srv/film:/f', '/srv/film:/g:ro']\n"
    )
    app = declaring("bind:/srv/media:ro", "bind:/srv/film", "bind:/srv/film:ro", "capability:cap_net_admin")

    loaded = read_definition(make_definition({"docker-compose.yml": compose, "app.yml": app}))

    assert loaded.permissions == parse_permissions(
        ["capability:NET_ADMIN", "bind:/srv/media:ro", "bind:/srv/film", "bind:/srv/film:ro"]
    )


def test_a_folder_declared_for_writing_is_enough_for_reading_too(make_definition: MakeDefinition) -> None:
    compose = COMPOSE + "    volumes: ['/srv/a:/a', '/srv/a:/b:ro']\n"
    files = {"docker-compose.yml": compose, "app.yml": declaring("bind:/srv/a")}

    assert read_definition(make_definition(files)).permissions == parse_permissions(["bind:/srv/a"])


def test_an_app_that_needs_nothing_has_no_permissions(make_definition: MakeDefinition) -> None:
    assert read_definition(make_definition()).permissions == ()


def test_what_is_not_declared_is_refused_where_it_stands(make_definition: MakeDefinition) -> None:
    compose = COMPOSE + "    privileged: true\n    cap_add: [SYS_TIME]\n"
    folder = make_definition({"docker-compose.yml": compose, "app.yml": declaring("privileged")})

    with pytest.raises(PolicyRefusedError) as caught:
        read_definition(folder)

    (finding,) = caught.value.findings
    assert place(finding) == (
        "docker-compose.yml", "services.web.cap_add[0]", 6, "permission-undeclared",
    )  # fmt: skip
    assert finding.remedy == (
        "Add `- capability:SYS_TIME` under `permissions` in app.yml, or leave it out here."
    )


def test_what_is_forbidden_stays_forbidden_when_it_is_declared(make_definition: MakeDefinition) -> None:
    compose = COMPOSE + "    volumes: ['/etc:/e:ro', '/:/h']\n"
    app = declaring("bind:/etc:ro", "bind:/", "privileged")
    folder = make_definition({"docker-compose.yml": compose, "app.yml": app})

    with pytest.raises(PolicyRefusedError) as caught:
        read_definition(folder)

    assert [finding.rule for finding in caught.value.findings] == ["bind-forbidden", "docker-socket"]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("host_network", "Leave it out."),
        ("capability:CHOWN", "Leave it out."),
        ("bind:/srv/media", "It is only read: write `bind:/srv/media:ro`."),
    ],
)
def test_what_nothing_needs_is_not_declared(make_definition: MakeDefinition, text: str, remedy: str) -> None:
    compose = COMPOSE + "    volumes: ['/srv/media:/m:ro']\n    cap_add: [CHOWN]\n"
    declared = ["bind:/srv/media:ro", text] if text != "bind:/srv/media" else [text]
    folder = make_definition({"docker-compose.yml": compose, "app.yml": declaring(*declared)})

    with pytest.raises(DefinitionInvalidError) as caught:
        read_definition(folder)

    (finding,) = caught.value.findings
    index = len(declared) - 1
    assert place(finding) == ("app.yml", f"permissions[{index}]", 6 + index, "permission-unused")
    assert finding.remedy == remedy


@pytest.mark.parametrize(
    "text",
    [
        "everything",
        "privileged:true",
        "bind:srv",
        "bind:/srv/../etc",
        "port:8080",
        "sysctl:net",
        "capability:",
    ],
)
def test_a_text_that_is_no_permission_is_refused_by_its_line(
    make_definition: MakeDefinition, text: str
) -> None:
    with pytest.raises(DefinitionInvalidError) as caught:
        read_definition(make_definition({"app.yml": declaring("host_network", f"'{text}'")}))

    (finding,) = caught.value.findings
    assert place(finding) == ("app.yml", "permissions[1]", 7, "permission-unknown")
    assert finding.remedy


def test_what_an_extended_service_needs_is_declared_too(make_definition: MakeDefinition) -> None:
    compose = COMPOSE + "    extends: {service: base, file: base.yml}\n"
    base = "services:\n  base:\n    image: x\n    cap_add: [SYS_TIME]\n"
    files = {"docker-compose.yml": compose, "base.yml": base}

    with pytest.raises(PolicyRefusedError) as caught:
        read_definition(make_definition(files))
    loaded = read_definition(
        make_definition({**files, "app.yml": declaring("capability:SYS_TIME")}, name="declared")
    )

    (finding,) = caught.value.findings
    assert place(finding) == ("base.yml", "services.base.cap_add[0]", 4, "permission-undeclared")
    assert loaded.template["services"]["web"]["cap_add"] == ["SYS_TIME"]


def test_a_service_that_nothing_extends_needs_nothing(make_definition: MakeDefinition) -> None:
    compose = COMPOSE + "    extends: {service: base, file: base.yml}\n    privileged: false\n"
    base = "services:\n  base: {image: x, privileged: true}\n  other: {image: y, pid: host}\n"

    loaded = read_definition(make_definition({"docker-compose.yml": compose, "base.yml": base}))

    assert loaded.permissions == ()
    assert loaded.template["services"]["web"]["privileged"] is False


def test_two_halves_that_only_together_reach_out_are_refused(make_definition: MakeDefinition) -> None:
    compose = HOST_NETWORK + "    extends: {service: base, file: base.yml}\n"
    base = "services:\n  base:\n    image: x\n    sysctls: {net.core.somaxconn: 1}\n"
    files = {"docker-compose.yml": compose, "base.yml": base}
    files["app.yml"] = declaring("host_network", "sysctl:net.core.somaxconn=1")

    with pytest.raises(PolicyRefusedError) as caught:
        read_definition(make_definition(files))

    assert [finding.rule for finding in caught.value.findings] == ["sysctl"]


def test_sysctls_of_an_extended_service_are_joined_in_either_form(make_definition: MakeDefinition) -> None:
    compose = COMPOSE + (
        "    extends: {service: base, file: base.yml}\n    sysctls: ['net.core.somaxconn=2']\n"
    )
    base = "services:\n  base: {image: x, sysctls: {net.core.somaxconn: 1, kernel.shmmax: 3}}\n"
    app = declaring("sysctl:net.core.somaxconn=2", "sysctl:kernel.shmmax=3")

    loaded = read_definition(
        make_definition({"docker-compose.yml": compose, "base.yml": base, "app.yml": app})
    )

    assert loaded.template["services"]["web"]["sysctls"] == {"net.core.somaxconn": "2", "kernel.shmmax": 3}


def test_cards_and_security_options_are_rendered_in_one_form(make_definition: MakeDefinition) -> None:
    compose = COMPOSE + (
        "    gpus: all\n"
        "    deploy: {resources: {reservations: {devices: [{capabilities: [gpu], device_ids: ['0']}]}}}\n"
        "    security_opt: ['seccomp:unconfined', 'no-new-privileges:true']\n"
    )
    app = declaring("gpus", "security_opt:seccomp=unconfined")

    loaded = read_definition(make_definition({"docker-compose.yml": compose, "app.yml": app}))

    web = loaded.template["services"]["web"]
    assert web["gpus"] == [{"count": "all"}, {"capabilities": ["gpu"], "device_ids": ["0"]}]
    assert web["security_opt"] == ["seccomp=unconfined", "no-new-privileges=true"]
    assert "deploy" not in web


def test_a_web_page_may_be_on_the_network_of_the_box(make_definition: MakeDefinition) -> None:
    files = {"docker-compose.yml": HOST_NETWORK, "app.yml": declaring("host_network")}

    loaded = read_definition(make_definition(files))

    assert loaded.web_on_host
    assert not read_definition(make_definition(name="other")).web_on_host


def test_host_port_is_not_published_from_the_network_of_the_box(make_definition: MakeDefinition) -> None:
    files = {
        "docker-compose.yml": HOST_NETWORK + "    ports: ['HOST_PORT:80']\n",
        "app.yml": declaring("host_network"),
    }

    with pytest.raises(PolicyRefusedError) as caught:
        read_definition(make_definition(files))

    (finding,) = caught.value.findings
    assert place(finding) == ("docker-compose.yml", "services.web.ports", 5, "network-mode-ports")
    assert "web.port" in finding.remedy


@pytest.mark.parametrize(("mode", "word"), [("none", "Leave"), ("service:db", "service: db")])
def test_a_web_page_needs_a_service_that_can_publish_it(
    make_definition: MakeDefinition, mode: str, word: str
) -> None:
    compose = f"services:\n  web: {{image: x, network_mode: '{mode}'}}\n  db: {{image: y}}\n"

    with pytest.raises(DefinitionInvalidError) as caught:
        read_definition(make_definition({"docker-compose.yml": compose}))

    (finding,) = caught.value.findings
    assert place(finding) == ("docker-compose.yml", "services.web.network_mode", 2, "web-port")
    assert word in finding.remedy


@pytest.fixture
def loaded(make_definition: MakeDefinition) -> LoadedDefinition:
    compose = COMPOSE + "    cap_add: [NET_ADMIN]\n    volumes: ['/srv/media:/m:ro']\n"
    app = declaring("capability:NET_ADMIN", "bind:/srv/media:ro")
    return read_definition(make_definition({"docker-compose.yml": compose, "app.yml": app}))


def test_what_was_granted_is_kept_as_it_is_declared(loaded: LoadedDefinition) -> None:
    granted = parse_permissions(["capability:NET_ADMIN", "bind:/srv/media", "privileged"])

    assert require_granted(loaded, granted) == loaded.permissions


def test_what_was_not_granted_is_named_with_its_words_and_the_rating(loaded: LoadedDefinition) -> None:
    with pytest.raises(PermissionsNotGrantedError) as caught:
        require_granted(loaded, parse_permissions(["bind:/srv/media:ro"]))

    facts = caught.value.facts
    assert [one["permission"] for one in facts["missing"]] == ["capability:NET_ADMIN"]
    assert facts["missing"][0]["words"]
    assert facts["rating"]["risk"] == "high"
    assert len(facts["rating"]["reasons"]) == 2
    assert "capability:NET_ADMIN" in str(caught.value)
