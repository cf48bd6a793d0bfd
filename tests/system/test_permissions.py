"""Every kind of permission is in force in a real container, and without it nothing is made at all."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from compose.values import NEVER_GAIN
from homeport.errors import PolicyRefusedError
from tests.harness.engine import EngineBox
from tests.system.projects import IMAGE, Scratch, scratch

STAYS = ["sleep", "1000"]
SOCKET = Path("/run/docker.sock")

Look = Callable[[Container, EngineBox], bool]


def app(*permissions: str) -> str:
    """What app.yml declares."""
    return f"permissions: {json.dumps(list(permissions))}\n"


def one(keys: Mapping[str, Any]) -> str:
    """A compose file with one service that has these keys."""
    return json.dumps({"services": {"web": {"image": IMAGE, "command": STAYS, "init": True, **keys}}})


def says(command: str, expected: str) -> Look:
    """A command within the container prints this."""

    def look(container: Container, _box: EngineBox) -> bool:
        code, output = container.exec_run(["sh", "-c", command])
        return bool(code == 0 and output == f"{expected}\n".encode())

    return look


def shares(namespace: str) -> Look:
    """The container is in the engine's own namespace of this kind."""

    def look(container: Container, box: EngineBox) -> bool:
        theirs = Path(f"/proc/{_outer_pid(container)}/ns/{namespace}").readlink()
        return theirs == Path(f"/proc/{box.pid}/ns/{namespace}").readlink()

    return look


def inspected(key: str, expected: Any) -> Look:
    """Docker says this of the container."""
    return lambda container, _box: bool(container.attrs["HostConfig"][key] == expected)


def has_capability(number: int) -> Look:
    """The container's first process has the capability of this number (linux/capability.h)."""

    def look(container: Container, _box: EngineBox) -> bool:
        _, output = container.exec_run(["grep", "CapEff", "/proc/1/status"])
        assert isinstance(output, bytes)
        return bool(int(output.split()[1], 16) >> number & 1)

    return look


def _outer_pid(container: Container) -> int:
    """A process of the container by the machine's count; the engine has a count of its own."""
    for groups in Path("/proc").glob("[0-9]*/cgroup"):
        with contextlib.suppress(OSError):  # it has ended
            if str(container.id) in groups.read_text():
                return int(groups.parent.name)
    raise AssertionError(f"no process of {container.name} was found")


IN_FORCE: list[tuple[str, Mapping[str, Any], Look]] = [
    ("privileged", {"privileged": True}, has_capability(21)),
    ("capability:SYS_ADMIN", {"cap_add": ["SYS_ADMIN"]}, has_capability(21)),
    ("capability:NET_ADMIN", {"cap_drop": ["ALL"], "cap_add": ["cap_net_admin"]}, has_capability(12)),
    ("device:/dev/zero", {"devices": ["/dev/zero:/dev/mine:r"]}, says("head -c1 /dev/mine | wc -c", "1")),
    ("host_network", {"network_mode": "host"}, shares("net")),
    ("namespace:pid", {"pid": "host"}, shares("pid")),
    ("namespace:ipc", {"ipc": "host"}, shares("ipc")),
    ("namespace:uts", {"uts": "host"}, shares("uts")),
    ("namespace:cgroup", {"cgroup": "host"}, shares("cgroup")),
    ("namespace:user", {"userns_mode": "host"}, inspected("UsernsMode", "host")),
    ("group:video", {"group_add": ["video"]}, says("grep -c '^Groups:.* 44' /proc/1/status", "1")),
    (
        "port:81/tcp",
        {"ports": ["81:80"]},
        inspected("PortBindings", {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "81"}]}),
    ),
    ("docker_socket", {"volumes": ["/var/run/docker.sock:/s"]}, says("test -S /s && echo it", "it")),
    (
        "security_opt:seccomp=unconfined",
        {"security_opt": ["seccomp:unconfined"]},
        says("grep -c '^Seccomp:.0' /proc/1/status", "1"),
    ),
    (
        "security_opt:apparmor=unconfined",
        {"security_opt": ["apparmor=unconfined"]},
        inspected("SecurityOpt", [NEVER_GAIN, "apparmor=unconfined"]),
    ),
    (
        "security_opt:label=disable",
        {"security_opt": ["label=disable"]},
        inspected("SecurityOpt", [NEVER_GAIN, "label=disable"]),
    ),
    (
        "security_opt:systempaths=unconfined",
        {"security_opt": ["systempaths=unconfined"]},
        says("grep -c ' /proc/sys ' /proc/mounts || true", "0"),
    ),
    (
        "security_opt:no-new-privileges=false",
        {"security_opt": ["no-new-privileges:false"]},
        says("grep -c '^NoNewPrivs:.0' /proc/1/status", "1"),
    ),
    (
        "sysctl:net.core.somaxconn=1234",
        {"sysctls": {"net.core.somaxconn": 1234}},
        says("cat /proc/sys/net/core/somaxconn", "1234"),
    ),
    (
        "bind:/var/tmp:ro",
        {"volumes": ["/var/tmp:/seen:ro"]},
        says("touch /seen/x 2>/dev/null || ls -d /seen", "/seen"),
    ),
]


@pytest.fixture(autouse=True)
def docker_socket() -> Iterator[None]:
    """A socket where the machine's engine has one, if it has none."""
    if SOCKET.exists():
        yield
        return
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(SOCKET))
        yield
    SOCKET.unlink()


def has_nothing(project: Scratch) -> bool:
    """Whether Docker has nothing of the project."""
    return project.left() == [] and project.runner.volumes(project.project) == ()


@pytest.mark.parametrize(("permission", "keys", "look"), IN_FORCE, ids=[name for name, *_ in IN_FORCE])
def test_it_is_in_force_when_granted_and_nothing_is_made_when_not(
    engine_box: EngineBox, tmp_path: Path, permission: str, keys: Mapping[str, Any], look: Look
) -> None:
    with scratch(engine_box.docker_host, tmp_path, one(keys), app(permission)) as project:
        with pytest.raises(PolicyRefusedError) as raised:
            project.create(granted=[])
        assert {finding.file for finding in raised.value.findings} == {"the resolved project"}
        assert has_nothing(project)

        project.create()
        project.up()

        assert look(engine_box.client.containers.get(project.facts.identifier), engine_box)


def test_without_a_permission_none_of_these_is_in_force(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, one({})) as project:
        project.create()
        project.up()

        container = engine_box.client.containers.get(project.facts.identifier)
        seen = [name for name, _, look in IN_FORCE if look(container, engine_box)]

    assert seen == []


def test_graphics_cards_are_asked_for(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, one({"gpus": "all"}), app("gpus")) as project:
        project.create()

        found = engine_box.client.containers.get(project.facts.identifier).attrs

    (request,) = found["HostConfig"]["DeviceRequests"]
    assert (request["Count"], request["Capabilities"]) == (-1, [["gpu"]])


def test_a_folder_of_the_host_is_written_only_where_that_was_granted(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    keys = {"volumes": [f"{media}:/media"], "command": ["sh", "-c", "echo hers > /media/a; sleep 1000"]}
    with scratch(engine_box.docker_host, tmp_path, one(keys), app(f"bind:{media}")) as project:
        with pytest.raises(PolicyRefusedError):
            project.create(granted=[f"bind:{media}:ro"])
        project.create()
        assert not list(media.iterdir()), "it was not started"
        project.up()
        container = engine_box.client.containers.get(project.facts.identifier)

        assert says("cat /media/a", "hers")(container, engine_box)

    assert (media / "a").read_text() == "hers\n"


def test_a_folder_that_is_not_there_is_not_made(engine_box: EngineBox, tmp_path: Path) -> None:
    media = tmp_path / "media"
    keys = {"volumes": [f"{media}:/media"]}
    with scratch(engine_box.docker_host, tmp_path, one(keys), app(f"bind:{media}")) as project:
        with pytest.raises(PolicyRefusedError) as raised:
            project.create()

        assert {finding.rule for finding in raised.value.findings} == {"bind-missing"}
        assert has_nothing(project)
    assert not media.exists()


def test_a_link_to_another_folder_is_not_what_was_granted(engine_box: EngineBox, tmp_path: Path) -> None:
    (tmp_path / "media").symlink_to("/etc")
    media = tmp_path / "media"
    for path in (media, media / "ssl"):
        keys = {"volumes": [f"{path}:/media:ro"]}
        with scratch(engine_box.docker_host, tmp_path, one(keys), app(f"bind:{path}:ro")) as project:
            with pytest.raises(PolicyRefusedError) as raised:
                project.create()

            assert {finding.rule for finding in raised.value.findings} == {"bind-elsewhere"}
            assert has_nothing(project)


def test_links_that_the_system_itself_made_are_followed(engine_box: EngineBox, tmp_path: Path) -> None:
    keys = {"volumes": ["/etc/os-release:/system:ro"]}
    with scratch(engine_box.docker_host, tmp_path, one(keys), app("bind:/etc/os-release:ro")) as project:
        project.create()
        project.up()
        container = engine_box.client.containers.get(project.facts.identifier)

        assert says("grep -c ^ID= /system", "1")(container, engine_box)


def test_folders_of_homeport_and_of_the_engine_are_mounted_by_nobody(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    kept = tmp_path / "state" / "db"
    kept.mkdir(parents=True)
    for path in (kept, tmp_path / "state", tmp_path, Path(engine_box.client.info()["DockerRootDir"])):
        keys = {"volumes": [f"{path}:/kept:ro"]}
        with scratch(engine_box.docker_host, tmp_path, one(keys), app(f"bind:{path}:ro")) as project:
            with pytest.raises(PolicyRefusedError) as raised:
                project.create()

            assert {finding.rule for finding in raised.value.findings} == {"bind-kept"}
            assert has_nothing(project)
