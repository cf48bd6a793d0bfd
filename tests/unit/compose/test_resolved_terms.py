"""Which answers of Compose are refused, and that the right one is not."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compose.resolved_terms import resolved_terms
from compose.terms import require_covered
from homeport.errors import PolicyRefusedError
from homeport.permissions import parse_permissions
from tests.unit.compose.projects import FOLDER, rendered, resolved

Change = Callable[[dict[str, Any]], Any]


def web(**keys: Any) -> Change:
    """The service `web` with these keys."""
    return lambda document: document["services"]["web"].update(keys)


def declared(kind: str, name: str, /, **keys: Any) -> Change:
    """A network, volume or config with these keys."""
    return lambda document: document.setdefault(kind, {}).setdefault(name, {}).update(keys)


def bound(source: str, /, **keys: Any) -> Change:
    """The service `web` with one bind."""
    return web(volumes=[{"type": "bind", "source": source, "target": "/x", **keys}])


def without(service: str, key: str) -> Change:
    """A service without a key."""
    return lambda document: document["services"][service].pop(key)


def port(**keys: Any) -> Change:
    """The first port of `web` with these keys."""
    return lambda document: document["services"]["web"]["ports"][0].update(keys)


def refused(tmp_path: Path, change: Change, granted: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    """Rules and keys of what is refused after the change."""
    project = rendered(tmp_path)
    document = resolved(project)
    change(document)
    try:
        require_covered(resolved_terms(document, project, FOLDER), parse_permissions(granted))
    except PolicyRefusedError as error:
        return {
            (finding.rule, finding.key)
            for finding in error.findings
            if finding.file == "the resolved project"
        }
    return set()


def test_what_compose_makes_of_a_rendered_file_passes(tmp_path: Path) -> None:
    assert refused(tmp_path, lambda _document: None) == set()


ADDED: list[tuple[Change, str, str]] = [
    (web(privileged=True), "services.web.privileged", "privileged"),
    (web(cap_add=["NET_ADMIN"]), "services.web.cap_add[0]", "capability:NET_ADMIN"),
    (
        web(devices=[{"source": "/dev/fuse", "target": "/dev/fuse"}]),
        "services.web.devices[0]",
        "device:/dev/fuse",
    ),
    (web(gpus=[{"count": -1}]), "services.web.gpus", "gpus"),
    (web(group_add=["video"]), "services.web.group_add[0]", "group:video"),
    (web(pid="host"), "services.web.pid", "namespace:pid"),
    (web(ipc="host"), "services.web.ipc", "namespace:ipc"),
    (web(uts="host"), "services.web.uts", "namespace:uts"),
    (web(userns_mode="host"), "services.web.userns_mode", "namespace:user"),
    (web(cgroup="host"), "services.web.cgroup", "namespace:cgroup"),
    (
        web(security_opt=["no-new-privileges:true", "seccomp=unconfined"]),
        "services.web.security_opt[0]",
        "security_opt:seccomp=unconfined",
    ),
    (
        web(sysctls={"net.core.somaxconn": "1024"}),
        "services.web.sysctls.net.core.somaxconn",
        "sysctl:net.core.somaxconn=1024",
    ),
    (bound("/srv/media", bind={"create_host_path": False}), "services.web.volumes[0]", "bind:/srv/media"),
    (bound("/srv/media", read_only=True), "services.web.volumes[0]", "bind:/srv/media:ro"),
    (bound("/var/run/docker.sock"), "services.web.volumes[0]", "docker_socket"),
]


@pytest.mark.parametrize(("change", "key", "permission"), ADDED)
def test_what_a_permission_opens_is_refused_without_it_and_passes_with_it(
    tmp_path: Path, change: Change, key: str, permission: str
) -> None:
    assert key.replace("sysctls.net", "sysctls") in {
        found.replace("sysctls.net", "sysctls") for _, found in refused(tmp_path / "1", change)
    }
    assert refused(tmp_path / "2", change, (permission,)) == set()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda document: document.update(name="another"), "name"),
        (lambda document: document["services"].update(more={"image": "x"}), "services"),
        (lambda document: document["services"].pop("db"), "services"),
        (web(image="example/other:1"), "services.web.image"),
        (web(pull_policy="always"), "services.web.pull_policy"),
        (web(container_name="another"), "services.web.container_name"),
        (without("db", "restart"), "services.db.restart"),
        (web(logging={"driver": "syslog"}), "services.web.logging"),
        (web(labels={"homeport.app": "another"}), "services.web.labels.homeport.app"),
        (without("web", "labels"), "services.web.labels.homeport.service"),
        (without("web", "security_opt"), "services.web.security_opt"),
        (web(security_opt=["no-new-privileges:false"]), "services.web.security_opt"),
        (web(mem_limit="1g000"), "services.web.mem_limit"),
        (without("web", "memswap_limit"), "services.web.memswap_limit"),
        (web(cpus=64), "services.web.cpus"),
        (web(pids_limit=-1), "services.web.pids_limit"),
        (port(host_ip=""), "services.web.ports"),
        (port(host_ip="192.0.2.1"), "services.web.ports"),
        (port(published="22"), "services.web.ports"),
        (port(target=23), "services.web.ports"),
        (without("web", "ports"), "services.web.ports"),
        (web(build={"context": "."}), "services.web.build"),
        (web(env_file=["./passwords"]), "services.web.env_file"),
        (web(extends={"service": "db"}), "services.web.extends"),
        (web(profiles=["later"]), "services.web.profiles"),
        (declared("networks", "default", name="bridge"), "networks.default.name"),
        (declared("networks", "default", labels={}), "networks.default.labels.homeport.app"),
        (declared("networks", "more"), "networks.more"),
        (declared("volumes", "store", name="another_store"), "volumes.store.name"),
    ],
)
def test_what_homeport_adds_must_be_there_as_it_was_added(tmp_path: Path, change: Change, key: str) -> None:
    assert ("not-as-rendered", key) in refused(tmp_path, change)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (web(provider={"type": "./evil"}), "runs-on-host"),
        (web(use_api_socket=True), "docker-socket"),
        (web(runtime="evil"), "host-access"),
        (web(cgroup_parent="/"), "host-access"),
        (web(device_cgroup_rules=["a *:* rwm"]), "devices"),
        (web(post_start=[{"command": "x", "privileged": True}]), "host-access"),
        (web(network_mode="container:other"), "foreign-object"),
        (web(volumes_from=["container:other"]), "foreign-object"),
        (web(external_links=["other"]), "foreign-object"),
        (web(labels={"com.docker.compose.project": "other"}), "label-reserved"),
        (web(environment={"TOKEN": None}), "environment-from-host"),
        (web(environment={"HOME": "${HOME}"}), "interpolation"),
        (web(volumes=[{"type": "npipe", "source": "x", "target": "/x"}]), "mount-type"),
        (bound(str(FOLDER)), "bind-project-files"),
        (bound(f"{FOLDER}/docker-compose.yml"), "bind-project-files"),
        (lambda document: document.update(include=["./other.yml"]), "include"),
        (lambda document: document.update(secrets={"key": {"file": "/etc/shadow"}}), "not-supported"),
        (declared("volumes", "store", driver_opts={"o": "bind", "device": "/etc"}), "volume-driver-opts"),
        (declared("volumes", "store", external=True), "foreign-object"),
        (declared("networks", "default", external=True), "foreign-object"),
        (declared("networks", "default", driver="macvlan"), "network-driver"),
        (declared("networks", "default", driver_opts={"parent": "eth0"}), "network"),
        (declared("networks", "default", ipam={"config": [{"subnet": "192.0.2.0/24"}]}), "network"),
        (declared("configs", "words", environment="TOKEN"), "config-source"),
    ],
)
def test_what_nobody_may_have_is_refused_whatever_was_granted(
    tmp_path: Path, change: Change, rule: str
) -> None:
    granted = tuple(permission for *_, permission in ADDED)

    assert rule in {found for found, _ in refused(tmp_path, change, granted)}


@pytest.mark.parametrize("source", ["/etc", "/", f"{FOLDER}/../other", "/srv/projects/wikipedia"])
def test_a_bind_of_another_folder_is_refused(tmp_path: Path, source: str) -> None:
    assert "services.web.volumes[0]" in {key for _, key in refused(tmp_path, bound(source))}


def test_the_answer_is_not_changed_by_looking_at_it(tmp_path: Path) -> None:
    project = rendered(tmp_path)
    document = resolved(project)
    before = copy.deepcopy(document)

    resolved_terms(document, project, FOLDER)

    assert document == before
