"""Which containers, networks and volumes are refused, and that the right ones are not."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compose.created_terms import created_terms
from compose.terms import require_covered
from homeport.errors import PolicyRefusedError
from homeport.host.engine_values import EngineMakeup, ProjectInspection
from homeport.permissions import parse_permissions
from tests.unit.compose.projects import FOLDER, inspected, rendered

Change = Callable[[ProjectInspection], Any]

HOST_NETWORK = "services: {web: {image: example/web:1, network_mode: host}}"
OTHER = "f" * 64
NETWORK = "the network homeport-wiki_default"
VOLUME = "the volume homeport-wiki_store"


def host(**keys: Any) -> Change:
    """The HostConfig of `web` with these keys."""
    return lambda found: dict(found.containers[0])["HostConfig"].update(keys)


def part(name: str, /, **keys: Any) -> Change:
    """Another part of `web` with these keys."""
    return lambda found: dict(found.containers[0])[name].update(keys)


def labelled(**labels: str) -> Change:
    """The container `web` with these labels."""
    return lambda found: dict(found.containers[0])["Config"]["Labels"].update(labels)


def mounted(**keys: Any) -> Change:
    """The container `web` with one more mount."""
    mount = {
        "Type": "bind",
        "Source": "/srv/media",
        "Destination": "/x",
        "RW": True,
        "Propagation": "rprivate",
    }
    return lambda found: dict(found.containers[0])["Mounts"].append({**mount, **keys})


def asked(**keys: Any) -> Change:
    """The container `web` with one more mount as it was asked for."""
    return host(Mounts=[{"Type": "bind", "Source": f"{FOLDER}/files", "Target": "/x", **keys}])


def joined(name: str, /, **keys: Any) -> Change:
    """The container `web` in one more network, or in another way."""
    return lambda found: (
        dict(found.containers[0])["NetworkSettings"]["Networks"].setdefault(name, {}).update(keys)
    )


def network(**keys: Any) -> Change:
    """The network with these keys."""
    return lambda found: dict.update(found.networks[0], keys)


def volume(**keys: Any) -> Change:
    """The volume with these keys."""
    return lambda found: dict.update(found.volumes[0], keys)


def another(**labels: str) -> Change:
    """One more container of the project."""

    def change(found: ProjectInspection) -> None:
        more = copy.deepcopy(dict(found.containers[0])) | {"Name": "/more", "Id": OTHER}
        more["Config"]["Labels"].update(labels)
        list.append(found.containers, more)  # type: ignore[arg-type]

    return change


def refused(
    tmp_path: Path, change: Change, granted: tuple[str, ...] = (), **makeup: Any
) -> set[tuple[str, str, str]]:
    """Thing, key and rule of what is refused after the change."""
    project = rendered(tmp_path)
    found = inspected(project)
    change(found)
    try:
        terms = created_terms(found, project, FOLDER, EngineMakeup(root_dir=Path("/docker"), **makeup))
        require_covered(terms, parse_permissions(granted))
    except PolicyRefusedError as error:
        return {(finding.file, finding.key, finding.rule) for finding in error.findings}
    return set()


def test_what_docker_makes_of_a_rendered_file_passes(tmp_path: Path) -> None:
    assert refused(tmp_path, lambda _found: None) == set()


OPENED: list[tuple[Change, str, tuple[str, ...]]] = [
    (
        host(Privileged=True, SecurityOpt=["no-new-privileges:true", "label=disable"], MaskedPaths=None),
        "privileged",
        ("privileged",),
    ),
    (host(CapAdd=["CAP_NET_ADMIN"]), "cap_add[0]", ("capability:NET_ADMIN",)),
    (host(CapAdd=["ALL"]), "cap_add[0]", ("capability:ALL",)),
    (
        host(Devices=[{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"}]),
        "devices[0]",
        ("device:/dev/fuse",),
    ),
    (host(DeviceRequests=[{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]), "gpus", ("gpus",)),
    (host(GroupAdd=["video"]), "group_add[0]", ("group:video",)),
    (host(PidMode="host"), "pid", ("namespace:pid",)),
    (
        host(IpcMode="host", SecurityOpt=["no-new-privileges:true", "label=disable"]),
        "ipc",
        ("namespace:ipc",),
    ),
    (host(UTSMode="host"), "uts", ("namespace:uts",)),
    (host(UsernsMode="host"), "userns_mode", ("namespace:user",)),
    (host(CgroupnsMode="host"), "cgroup", ("namespace:cgroup",)),
    (
        host(SecurityOpt=["no-new-privileges:true", "seccomp:unconfined"]),
        "security_opt[0]",
        ("security_opt:seccomp=unconfined",),
    ),
    (host(MaskedPaths=[], ReadonlyPaths=[]), "security_opt[0]", ("security_opt:systempaths=unconfined",)),
    (host(ReadonlyPaths=["/proc/bus"]), "security_opt[0]", ("security_opt:systempaths=unconfined",)),
    (host(Sysctls={"net.core.somaxconn": "9"}), "sysctls.net", ("sysctl:net.core.somaxconn=9",)),
    (mounted(), "volumes[3]", ("bind:/srv/media",)),
    (mounted(RW=False), "volumes[3]", ("bind:/srv/media:ro",)),
    (mounted(Source="/var/run/docker.sock"), "volumes[3]", ("docker_socket",)),
]


@pytest.mark.parametrize(("change", "key", "permissions"), OPENED)
def test_what_a_permission_opens_is_refused_without_it_and_passes_with_it(
    tmp_path: Path, change: Change, key: str, permissions: tuple[str, ...]
) -> None:
    without = refused(tmp_path / "1", change)

    assert len(without) == 1
    ((thing, found, _),) = without
    assert thing == "the container wiki"
    assert found.startswith(key)
    assert refused(tmp_path / "2", change, permissions) == set()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda found: dict.update(found.containers[0], Name="/other"), "container_name"),
        (part("Config", Image="example/other:1"), "image"),
        (labelled(**{"homeport.app": "other"}), "labels.homeport.app"),
        (labelled(**{"homeport.service": "db"}), "labels.homeport.service"),
        (labelled(**{"com.docker.compose.project": "other"}), "project"),
        (host(LogConfig={"Type": "syslog", "Config": {"syslog-address": "tcp://192.0.2.1"}}), "logging"),
        (host(RestartPolicy={"Name": "always", "MaximumRetryCount": 0}), "restart"),
        (host(Memory=0), "mem_limit"),
        (host(MemorySwap=-1), "memswap_limit"),
        (host(NanoCpus=0), "cpus"),
        (host(PidsLimit=None), "pids_limit"),
        (host(PidsLimit=-1), "pids_limit"),
        (host(ReadonlyRootfs=False), "read_only"),
        (host(CapDrop=None), "cap_drop"),
        (part("Config", User="0"), "user"),
        (host(SecurityOpt=None), "security_opt"),
        (host(PortBindings={}), "ports"),
        (host(PortBindings={"80/tcp": [{"HostIp": "", "HostPort": "35012"}]}), "ports"),
        (host(PublishAllPorts=True), "PublishAllPorts"),
        (host(AutoRemove=True), "AutoRemove"),
        (host(VolumeDriver="evil"), "VolumeDriver"),
        (host(ContainerIDFile="/etc/cron.d/x"), "ContainerIDFile"),
        (host(CpusetCpus="0"), "CpusetCpus"),
        (host(BlkioDeviceReadBps=[{"Path": "/dev/sda", "Rate": 1}]), "BlkioDeviceReadBps"),
        (host(SomethingNew={"Opens": "the host"}), "SomethingNew"),
        (host(DeviceRequests=[{"Driver": "cdi", "DeviceIDs": ["vendor.com/any=all"]}]), "devices"),
        (host(DeviceRequests=[{"Driver": "evil", "Capabilities": [["gpu"]]}]), "devices"),
        (asked(BindOptions={"Propagation": "rshared"}), "volumes"),
        (asked(BindOptions={"NonRecursive": True}), "volumes"),
        (asked(VolumeOptions={"DriverConfig": {"Name": "local"}}), "volumes"),
        (mounted(Source=f"{FOLDER}/more", Propagation="shared"), "volumes"),
        (mounted(Type="volume", Name="a" * 64, Driver="evil"), "volumes"),
        (joined("bridge"), "networks"),
        (joined("other_default"), "networks"),
        (joined("homeport-wiki_default", IPAMConfig={"IPv4Address": "192.0.2.1"}), "networks"),
        (joined("homeport-wiki_default", DriverOpts={"parent": "eth0"}), "networks"),
        (joined("homeport-wiki_default", Links=["other:db"]), "links"),
    ],
)
def test_what_homeport_set_must_be_there_as_it_was_set(tmp_path: Path, change: Change, key: str) -> None:
    found = refused(tmp_path, change, tuple(text for *_, texts in OPENED for text in texts))

    assert {rule for _, _, rule in found} >= {"not-as-rendered"}
    assert any(at.split(".homeport-wiki")[0] == key for _, at, rule in found if rule == "not-as-rendered")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (host(Runtime="evil"), "host-access"),
        (host(CgroupParent="/"), "host-access"),
        (host(DeviceCgroupRules=["a *:* rwm"]), "devices"),
        (host(OomKillDisable=True), "resources"),
        (host(OomScoreAdj=-1000), "resources"),
        (host(Annotations={"x": "y"}), "host-access"),
        (host(Links=["/other:/wiki/db"]), "foreign-object"),
        (host(VolumesFrom=["other"]), "service-unknown"),
        (host(VolumesFrom=["container:" + OTHER]), "foreign-object"),
        (host(NetworkMode="container:" + OTHER), "foreign-object"),
        (host(NetworkMode="bridge"), "network"),
        (host(PidMode="container:" + OTHER), "foreign-object"),
        (host(IpcMode="container:" + OTHER), "foreign-object"),
        (host(SecurityOpt=["no-new-privileges:true", 'seccomp={"x":1}']), "privileges"),
        (host(SecurityOpt=["no-new-privileges:true", "label:type:evil_t"]), "privileges"),
        (host(Sysctls={"kernel.panic": "1"}), "sysctl"),
        (part("Config", MacAddress="02:42:ac:11:00:02"), "network"),
        (mounted(Source="/etc"), "bind-forbidden"),
        (mounted(Source="/"), "docker-socket"),
        (mounted(Source=str(FOLDER)), "bind-project-files"),
        (mounted(Source=f"{FOLDER}/docker-compose.yml"), "bind-project-files"),
        (mounted(Source=f"{FOLDER}/files/below"), "bind-nested"),
        (mounted(Type="volume", Name="other_store", Driver="local"), "volume-undeclared"),
        (mounted(Type="image", Source="example/other:1"), "mount-type"),
    ],
)
def test_what_nobody_may_have_is_refused_whatever_was_granted(
    tmp_path: Path, change: Change, rule: str
) -> None:
    found = refused(tmp_path, change, tuple(text for *_, texts in OPENED for text in texts))

    assert ("the container wiki", rule) in {(thing, rule) for thing, _, rule in found}


@pytest.mark.parametrize(
    ("change", "thing", "rule"),
    [
        (network(Driver="macvlan"), NETWORK, "network-driver"),
        (network(Options={"com.docker.network.bridge.host_binding_ipv4": "0.0.0.0"}), NETWORK, "network"),
        (network(Attachable=True), NETWORK, "network"),
        (network(Labels={}), NETWORK, "not-as-rendered"),
        (network(Internal=True), NETWORK, "not-as-rendered"),
        (volume(Driver="evil"), VOLUME, "volume-driver"),
        (volume(Options={"o": "bind", "device": "/etc"}), VOLUME, "volume-driver-opts"),
        (volume(Labels={"homeport.app": "other"}), VOLUME, "not-as-rendered"),
    ],
)
def test_a_network_or_volume_that_is_not_the_app_s_own_is_refused(
    tmp_path: Path, change: Change, thing: str, rule: str
) -> None:
    found = refused(tmp_path, change)

    assert (thing, rule) in {(thing, rule) for thing, _, rule in found}


def test_a_container_that_was_not_rendered_is_refused(tmp_path: Path) -> None:
    for labels in ({"com.docker.compose.service": "more"}, {}):
        found = refused(tmp_path / str(len(labels)), another(**labels))

        assert "not-as-rendered" in {rule for *_, rule in found}


def test_a_container_that_is_missing_is_refused(tmp_path: Path) -> None:
    found = refused(tmp_path, lambda found: list.pop(found.containers))  # type: ignore[arg-type]

    assert {key for _, key, _ in found} == {"services"}


def test_an_engine_s_own_runtime_and_network_options_are_no_choice_of_the_app(tmp_path: Path) -> None:
    assert refused(tmp_path / "1", host(Runtime="crun"), runtime="crun") == set()
    assert refused(tmp_path / "2", network(Options={"com.docker.network.driver.mtu": "1400"})) == set()


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        (host(Memory=0, MemorySwap=-1), "limits_memory"),
        (host(MemorySwap=-1), "limits_swap"),
        (host(PidsLimit=None), "limits_pids"),
    ],
)
def test_limits_that_the_kernel_does_not_know_are_not_missed(
    tmp_path: Path, change: Change, unknown: str
) -> None:
    assert refused(tmp_path / "1", change) != set()
    assert refused(tmp_path / "2", change, (), **{unknown: False}) == set()


def looked_at(**keys: Any) -> Change:
    """The container `web` with a health check, perhaps its image's."""
    return part("Config", Healthcheck={"Test": ["CMD-SHELL", "true"], **keys})


@pytest.mark.parametrize(
    ("change", "key", "rule"),
    [
        (looked_at(Interval=1_000_000), "healthcheck.interval", "health-interval"),
        (looked_at(Interval=1), "healthcheck.interval", "health-interval"),
        (looked_at(Interval=999_999_999), "healthcheck.interval", "health-interval"),
        (looked_at(Interval=-1), "healthcheck.interval", "duration"),
        (
            looked_at(Interval=30 * 10**9, StartPeriod=3600 * 10**9, StartInterval=1_000_000),
            "healthcheck.start_interval",
            "health-interval",
        ),
    ],
)
def test_a_check_that_an_image_brings_may_not_keep_the_box_busy_either(
    tmp_path: Path, change: Change, key: str, rule: str
) -> None:
    assert refused(tmp_path, change) == {("the container wiki", key, rule)}


@pytest.mark.parametrize(
    "change",
    [
        looked_at(),
        looked_at(Interval=0, StartInterval=0, Timeout=1_000_000, Retries=1),
        looked_at(Interval=30 * 10**9, Timeout=30 * 10**9, StartPeriod=5 * 10**9, Retries=3),
        looked_at(Interval=10**9, StartInterval=10**9, StartPeriod=900 * 10**9),
        looked_at(Interval=2**63 - 1),
        part("Config", Healthcheck=None),
        part("Config", Healthcheck={"Test": None, "Interval": 1_000_000}),
        part("Config", Healthcheck={"Test": ["NONE"], "Interval": 1_000_000}),
    ],
)
def test_an_ordinary_check_passes_as_does_one_that_is_switched_off(tmp_path: Path, change: Change) -> None:
    assert refused(tmp_path, change) == set()


def test_a_volume_of_an_earlier_version_of_the_app_is_the_app_s_own(tmp_path: Path) -> None:
    labels = {"homeport.app": "wiki", "homeport.version": "0.9"}

    assert refused(tmp_path, volume(Labels=labels)) == set()


def test_another_app_s_anonymous_volume_is_refused(tmp_path: Path) -> None:
    def change(found: ProjectInspection) -> None:
        mounted(Type="volume", Name=OTHER, Driver="local")(found)
        host(Binds=[f"{OTHER}:/x:rw"])(found)

    assert {rule for *_, rule in refused(tmp_path, change)} == {"volume-undeclared"}


def test_an_anonymous_volume_of_the_image_passes(tmp_path: Path) -> None:
    assert refused(tmp_path, mounted(Type="volume", Name="a" * 64, Driver="local")) == set()


def test_privileges_may_be_gained_only_where_the_definition_says_so(tmp_path: Path) -> None:
    compose = "services: {web: {image: example/web:1, security_opt: ['no-new-privileges:false']}}"
    app = "permissions: ['security_opt:no-new-privileges=false']\n"

    project = rendered(tmp_path, compose, app)

    assert project.document["services"]["web"]["security_opt"] == ["no-new-privileges:false"]


def test_the_host_s_network_takes_no_ports(tmp_path: Path) -> None:
    app = "web: {service: web, port: 8123}\npermissions: [host_network]\n"

    project = rendered(tmp_path, HOST_NETWORK, app)

    assert "ports" not in project.document["services"]["web"]
    assert project.networks == ()
