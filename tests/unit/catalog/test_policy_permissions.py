"""Every key that reaches out of a container: the permission that opens it, or the rule that never does.

Each text is added to a sound service; the second column is what it needs, where it needs something.
"""

import pytest

from homeport.catalog.judgement import Judgement
from homeport.catalog.policy import judge_compose
from homeport.catalog.schema import check_schema
from homeport.catalog.yaml12 import load_yaml
from homeport.permissions import Permission, parse_permissions

SOUND = """\
services:
  web:
    image: nginx:1.27
"""


def judge(text: str) -> Judgement:
    document = load_yaml(text.encode(), file="docker-compose.yml")
    assert check_schema(document) == []
    return judge_compose(document.value, lines=document.line_of, file="docker-compose.yml")


def judge_service(text: str) -> Judgement:
    return judge(SOUND + "".join(f"    {line}\n" for line in text.splitlines()))


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("privileged: true", "privileged"),
        ('privileged: "true"', "privileged"),
        ('privileged: "yes"', "privileged"),
        ("cap_add: [SYS_ADMIN]", "capability:SYS_ADMIN"),
        ("cap_add: [cap_net_admin]", "capability:NET_ADMIN"),
        ("cap_add: [CAP_SYS_TIME, CHOWN]", "capability:SYS_TIME"),
        ("cap_add: [all]", "capability:ALL"),
        ("cap_add: [CAP_ALL]", "capability:ALL"),
        ("devices: ['/dev/ttyUSB0']", "device:/dev/ttyUSB0"),
        ("devices: ['/dev/ttyUSB0:/dev/tty0']", "device:/dev/ttyUSB0"),
        ("devices: ['/dev/sda:/dev/sda:r']", "device:/dev/sda"),
        ("devices: [{source: /dev/dri}]", "device:/dev/dri"),
        ("devices: [{source: /dev/net/tun, target: /dev/net/tun, permissions: rwm}]", "device:/dev/net/tun"),
        ("gpus: all", "gpus"),
        ("gpus: [{driver: nvidia, count: 1, capabilities: [gpu, utility]}]", "gpus"),
        ("deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: all}]}}}", "gpus"),
        ("group_add: [video]", "group:video"),
        ("group_add: [44]", "group:44"),
        ("group_add: ['0']", "group:0"),
        ("network_mode: host", "host_network"),
        ("pid: host", "namespace:pid"),
        ("ipc: host", "namespace:ipc"),
        ("uts: host", "namespace:uts"),
        ("userns_mode: host", "namespace:user"),
        ("cgroup: host", "namespace:cgroup"),
        ("security_opt: ['seccomp=unconfined']", "security_opt:seccomp=unconfined"),
        ("security_opt: ['seccomp:unconfined']", "security_opt:seccomp=unconfined"),
        ("security_opt: [no-new-privileges, 'apparmor:unconfined']", "security_opt:apparmor=unconfined"),
        ("security_opt: ['label:disable']", "security_opt:label=disable"),
        ("security_opt: ['systempaths=unconfined']", "security_opt:systempaths=unconfined"),
        ("security_opt: ['no-new-privileges:false']", "security_opt:no-new-privileges=false"),
        ("security_opt: ['no-new-privileges=false']", "security_opt:no-new-privileges=false"),
        ("sysctls: {net.core.somaxconn: 1024}", "sysctl:net.core.somaxconn=1024"),
        ("sysctls: ['net.ipv4.ip_forward=1']", "sysctl:net.ipv4.ip_forward=1"),
        ("sysctls: {kernel.sem: '250 32000 100 128'}", "sysctl:kernel.sem=250 32000 100 128"),
        ("sysctls: {fs.mqueue.msg_max: '20'}", "sysctl:fs.mqueue.msg_max=20"),
        ("network_mode: none\nsysctls: {net.core.somaxconn: 1}", "sysctl:net.core.somaxconn=1"),
        ("network_mode: host\nsysctls: {kernel.shmmax: 1}", "host_network sysctl:kernel.shmmax=1"),
        ("volumes: ['/srv/media:/media']", "bind:/srv/media"),
        ("volumes: ['/srv/media/:/media:rw']", "bind:/srv/media"),
        ("volumes: ['/srv/media:/media:ro,rw']", "bind:/srv/media"),
        ("volumes: ['/srv/media:/media:ro']", "bind:/srv/media:ro"),
        ("volumes: [{type: bind, source: /srv/media, target: /m}]", "bind:/srv/media"),
        ("volumes: [{type: bind, source: /srv/media, target: /m, read_only: true}]", "bind:/srv/media:ro"),
        ("volumes: [{type: bind, source: /srv/media, target: /m, read_only: 'yes'}]", "bind:/srv/media"),
        ("volumes: ['/etc/ssl/certs:/c:ro']", "bind:/etc/ssl/certs:ro"),
        ("volumes: ['/proc:/host/proc:ro', '/sys:/host/sys:ro']", "bind:/proc:ro bind:/sys:ro"),
        ("volumes: ['/run/dbus:/run/dbus:ro']", "bind:/run/dbus:ro"),
        ("volumes: ['/var/lib/music:/music']", "bind:/var/lib/music"),
        ("volumes: ['/library:/library']", "bind:/library"),
        ("volumes: ['/home/u/.docker/config.json:/c:ro']", "bind:/home/u/.docker/config.json:ro"),
        ("volumes: ['/home/u/.local/share/music:/m']", "bind:/home/u/.local/share/music"),
        ("volumes: ['/var/run/docker.sock:/var/run/docker.sock']", "docker_socket"),
        ("volumes: ['/run/docker.sock:/s:ro']", "docker_socket"),
        ("volumes: [{type: bind, source: /var/run/docker.sock, target: /s}]", "docker_socket"),
        ("ports: ['80:80']", "port:80/tcp"),
        ("ports: ['53:53/udp', '53:53/tcp']", "port:53/tcp port:53/udp"),
        ("ports: ['1022-1025:2022-2025']", "port:1022/tcp port:1023/tcp"),
        ("ports: [{target: 53, published: 53, protocol: udp}]", "port:53/udp"),
        ("ports: [{target: 53, published: '53'}]", "port:53/tcp"),
    ],
)  # fmt: skip
def test_what_reaches_out_needs_its_permission(text: str, needed: str) -> None:
    judgement = judge_service(text)

    assert judgement.findings == ()
    expected = [Permission.parse(part) for part in _split(needed)]
    assert judgement.permissions == tuple(sorted(expected))
    assert judgement.refused(expected) == []
    assert [finding.rule for finding in judgement.refused([])] == ["permission-undeclared"] * len(
        judgement.needs
    )


def _split(needed: str) -> list[str]:
    return [needed] if needed.startswith("sysctl:kernel.sem") else needed.split()


@pytest.mark.parametrize(
    ("text", "rule", "key"),
    [
        ("cap_add: [EVERYTHING]", "capability-unknown", "cap_add[0]"),
        ("cap_add: [' SYS_ADMIN']", "capability-unknown", "cap_add[0]"),
        ("devices: ['/dev']", "devices", "devices[0]"),
        ("devices: ['/dev/']", "devices", "devices[0]"),
        ("devices: ['/dev/../etc:/etc']", "devices", "devices[0]"),
        ("devices: ['/dev/./sda']", "devices", "devices[0]"),
        ("devices: ['//dev/sda']", "devices", "devices[0]"),
        ("devices: ['/etc/shadow:/dev/x']", "devices", "devices[0]"),
        ("devices: ['dev/sda']", "devices", "devices[0]"),
        ("devices: ['vendor.example/device=gpu']", "devices", "devices[0]"),
        ("devices: ['/dev/sda:rwm']", "devices", "devices[0]"),
        ("devices: ['/dev/sda:/dev/../etc/x']", "devices", "devices[0]"),
        ("devices: ['/dev/sda:/x:rwmx']", "devices", "devices[0]"),
        ("devices: ['/dev/sda:/x:r:w']", "devices", "devices[0]"),
        ("devices: ['/dev/APP_IDENTIFIER']", "devices", "devices[0]"),
        ("devices: [{source: /dev/../etc}]", "devices", "devices[0]"),
        ("devices: [{source: /dev/sda, permissions: all}]", "devices", "devices[0]"),
        ("gpus: [{driver: cdi, device_ids: [x]}]", "devices", "gpus[0].driver"),
        ("gpus: [{capabilities: [tpu]}]", "devices", "gpus[0].capabilities[0]"),
        ("gpus: [{device_ids: ['a.b/c=d']}]", "devices", "gpus[0].device_ids[0]"),
        ("gpus: [{capabilities: [gpu], options: {a: b}}]", "devices", "gpus[0].options"),
        (
            "deploy: {resources: {reservations: {devices: [{capabilities: [x]}]}}}",
            "devices",
            "deploy.resources.reservations.devices[0].capabilities[0]",
        ),
        (
            "deploy: {resources: {reservations: {cpus: 1}}}",
            "ours",
            "deploy.resources.reservations.cpus",
        ),
        ("deploy: {placement: {constraints: [a]}}", "not-supported", "deploy.placement"),
        ("group_add: [-1]", "privileges", "group_add[0]"),
        ("group_add: ['a b']", "privileges", "group_add[0]"),
        ("pid: 'container:x'", "foreign-object", "pid"),
        ("pid: HOST", "host-namespace", "pid"),
        ("ipc: 'container:x'", "foreign-object", "ipc"),
        ("ipc: 'service:web'", "host-namespace", "ipc"),
        ("userns_mode: keep-id", "host-namespace", "userns_mode"),
        ("network_mode: ' host'", "network", "network_mode"),
        ("network_mode: host\nports: ['8080:80']", "network-mode-ports", "ports"),
        ("network_mode: none\nports: ['8080:80']", "network-mode-ports", "ports"),
        ("network_mode: 'service:web'\nports: ['8080:80']", "network-mode-ports", "ports"),
        ("network_mode: host\nnetworks: [a]", "network-mode-networks", "networks"),
        ("security_opt: ['seccomp=/etc/shadow']", "privileges", "security_opt[0]"),
        ("security_opt: ['seccomp:./profile.json']", "privileges", "security_opt[0]"),
        ("security_opt: ['apparmor=other']", "privileges", "security_opt[0]"),
        ("security_opt: ['label=type:spc_t']", "privileges", "security_opt[0]"),
        ("security_opt: ['no-new-privileges=0']", "privileges", "security_opt[0]"),
        ("security_opt: ['writable-cgroups=true']", "privileges", "security_opt[0]"),
        ("sysctls: {kernel.core_pattern: '|/x'}", "sysctl", "sysctls.kernel.core_pattern"),
        ("sysctls: {kernel.hostname: x}", "sysctl", "sysctls.kernel.hostname"),
        ("devices: ['/dev/shm/disk']", "devices", "devices[0]"),
        ("devices: [{source: /dev/fd/7}]", "devices", "devices[0]"),
        ("sysctls: {vm.swappiness: 1}", "sysctl", "sysctls.vm.swappiness"),
        ("sysctls: {net/ipv4/ip_forward: 1}", "sysctl", "sysctls.net/ipv4/ip_forward"),
        ("sysctls: {net.: 1}", "sysctl", "sysctls.net."),
        ("sysctls: {net..x: 1}", "sysctl", "sysctls.net..x"),
        ("sysctls: {net.core.somaxconn: }", "sysctl", "sysctls.net.core.somaxconn"),
        ("sysctls: {net.core.somaxconn: HOST_PORT}", "sysctl", "sysctls.net.core.somaxconn"),
        ("sysctls: [net.core.somaxconn]", "sysctl", "sysctls[0]"),
        ("sysctls: [net.core.somaxconn=]", "sysctl", "sysctls[0]"),
        ("network_mode: host\nsysctls: {net.core.somaxconn: 1}", "sysctl", "sysctls.net.core.somaxconn"),
        ("network_mode: 'service:web'\nsysctls: [net.a.b=1]", "sysctl", "sysctls[0]"),
        ("ipc: host\nsysctls: {kernel.shmmax: 1}", "sysctl", "sysctls.kernel.shmmax"),
    ],
)
def test_what_no_permission_opens_is_refused(text: str, rule: str, key: str) -> None:
    findings = [finding for finding in judge_service(text).findings if finding.rule == rule]

    assert [finding.key for finding in findings] == [f"services.web.{key}"]
    assert findings[0].what
    assert findings[0].remedy


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("/", "docker-socket"),
        ("/run", "docker-socket"),
        ("/var/run", "docker-socket"),
        ("/var/run/", "docker-socket"),
        ("/var", "docker-socket"),
        ("/var/lib/docker", "docker-socket"),
        ("/var/lib/docker/volumes/x/_data", "docker-socket"),
        ("/run/containerd/containerd.sock", "docker-socket"),
        ("/var/run/docker/metrics.sock", "docker-socket"),
        ("/var/run/./docker.sock", "docker-socket"),
        ("/var/run/DOCKER.sock", "docker-socket"),
        ("/var/run/docker.sock.raw", "docker-socket"),
        ("/srv/docker.sock", "docker-socket"),
        ("/run/user/1000/docker.sock", "docker-socket"),
        ("/run/podman/podman.sock", "docker-socket"),
        ("/run/k3s", "docker-socket"),
        ("/var/run/K3s/containerd", "docker-socket"),
        ("/run/user/1000/podman", "docker-socket"),
        ("/run/user/1000/docker-proxy", "docker-socket"),
        ("/home/u/.docker", "docker-socket"),
        ("/home/u/.docker/run", "docker-socket"),
        ("/home/u/.docker/desktop/x", "docker-socket"),
        ("/home/u/.local/share/containers", "docker-socket"),
        ("/var/snap/docker/common", "docker-socket"),
        ("/var/lib/rancher", "docker-socket"),
        ("/run/initctl", "bind-forbidden"),
        ("/dev/initctl", "bind-forbidden"),
        ("/etc/docker/daemon.json", "docker-socket"),
        ("/dev", "bind-forbidden"),
        ("/DEV", "bind-forbidden"),
        ("/etc", "bind-forbidden"),
        ("/Etc/", "bind-forbidden"),
        ("//etc", "bind-forbidden"),
        ("/srv/../etc", "bind-forbidden"),
        ("/etc/.", "bind-forbidden"),
        ("/boot", "bind-forbidden"),
        ("/usr", "bind-forbidden"),
        ("/bin", "bind-forbidden"),
        ("/sbin", "bind-forbidden"),
        ("/lib", "bind-forbidden"),
        ("/lib64", "bind-forbidden"),
        ("/root", "bind-forbidden"),
        ("/var/lib", "bind-forbidden"),
        ("/var/lib/homeport/db", "bind-forbidden"),
        ("/var/run/homeport", "bind-forbidden"),
        ("/run/systemd/private", "bind-forbidden"),
        ("/run/user", "bind-forbidden"),
        ("/run/user/1000", "bind-forbidden"),
        ("/var/spool/cron", "bind-forbidden"),
        ("/var/spool", "bind-forbidden"),
        ("/dev/pts", "bind-forbidden"),
        ("/dev/pts/0", "bind-forbidden"),
        ("/proc/1/root", "bind-forbidden"),
        ("/proc/self/root", "bind-forbidden"),
        ("/srv/a/../b", "bind-path"),
        ("/srv/APP_IDENTIFIER", "bind-path"),
        ("/WEBAPP_PATH/../../etc", "bind-forbidden"),
        ("/srv//media", "bind-path"),
        ("/srv/WEBAPP_PATH", "bind-path"),
        ("/srv/a ", "bind-path"),
        ("/srv/a\\b", "bind-path"),
        ("/srv/*", "bind-path"),
        ("/srv/~", "bind-path"),
        ("/srv/\u202ea", "bind-path"),
    ],
)
@pytest.mark.parametrize("form", ["'{}:/x:ro'", "{{type: bind, source: '{}', target: /x, read_only: true}}"])
def test_paths_that_lead_to_the_whole_host_are_never_mounted(source: str, rule: str, form: str) -> None:
    written = form.format(source.replace("'", "''"))

    (finding,) = judge_service(f"volumes: [{written}]").refused([])

    assert (finding.rule, finding.key) == (rule, "services.web.volumes[0]")


@pytest.mark.parametrize(
    "source",
    [
        "/etc/ssl",
        "/usr/local/bin",
        "/boot/grub",
        "/root/.ssh",
        "/proc",
        "/proc/sys",
        "/sys",
        "/sys/fs/cgroup",
        "/var/cache",
        "/var/cache/apt",
    ],
)
def test_the_system_is_mounted_for_reading_alone(source: str) -> None:
    (refused,) = judge_service(f"volumes: ['{source}:/x']").findings
    reading = judge_service(f"volumes: ['{source}:/x:ro']")

    assert refused.rule == "bind-forbidden"
    assert reading.findings == ()
    assert reading.permissions == parse_permissions([f"bind:{source}:ro"])


@pytest.mark.parametrize(
    "text",
    [
        "volumes: ['/srv/media:/m:z']",
        "volumes: ['/srv/media:/m:Z']",
        "volumes: [{type: bind, source: /srv/media, target: /m, bind: {selinux: Z}}]",
    ],
)
def test_folders_of_the_host_are_not_labelled_anew(text: str) -> None:
    assert [finding.rule for finding in judge_service(text).findings] == ["mount-option"]


def test_a_folder_below_one_that_is_written_is_not_mounted() -> None:
    judgement = judge_service("volumes: ['/srv/media:/m', '/srv/media/film:/f:ro']")

    assert [finding.rule for finding in judgement.findings] == ["bind-nested"]


@pytest.mark.parametrize(("above", "below"), [("/run", "/var/run"), ("/var/run", "/run")])
def test_a_folder_below_one_that_is_written_is_not_mounted_by_another_name_either(
    above: str, below: str
) -> None:
    judgement = judge_service(f"volumes: ['{above}/samba:/m', '{below}/samba/share:/f']")

    assert [finding.rule for finding in judgement.findings] == ["bind-nested"]


@pytest.mark.parametrize(
    "text",
    [
        "privileged: false",
        'privileged: "false"',
        "cap_add: [NET_BIND_SERVICE, cap_chown]",
        "cap_drop: [ALL]\ncap_add: [CHOWN, SETUID]",
        "cap_add: []",
        "devices: []",
        "ipc: private",
        "ipc: shareable",
        "cgroup: private",
        "pid: null",
        "network_mode: none",
        "security_opt: [no-new-privileges]",
        "security_opt: ['no-new-privileges:true', 'no-new-privileges=true']",
        "volumes: ['/etc/localtime:/etc/localtime:ro', './etc:/etc', 'WEBAPP_PATH/etc:/x']",
        "volumes: [{type: volume, target: /x}, {type: tmpfs, target: /etc}]",
        "tmpfs: [/run, '/tmp:exec,size=64m']",
        "ports: ['HOST_PORT:80', '1024:80']",
        "x-more: {privileged: true, network_mode: host}",
    ],
)
def test_what_stays_inside_needs_nothing(text: str) -> None:
    judgement = judge_service(text)

    assert judgement.findings == ()
    assert judgement.needs == ()


def test_the_network_of_another_service_needs_nothing() -> None:
    judgement = judge(f"{SOUND}  db: {{image: mariadb:11, network_mode: 'service:web'}}\n")

    assert judgement.findings == ()
    assert judgement.needs == ()


def test_a_need_says_where_it_stands_and_what_to_declare() -> None:
    (finding,) = judge_service("cap_add:\n  - CHOWN\n  - NET_ADMIN").refused([])

    assert (finding.rule, finding.key, finding.line) == (
        "permission-undeclared",
        "services.web.cap_add[1]",
        6,
    )
    assert "`- capability:NET_ADMIN`" in finding.remedy


def test_a_folder_that_may_be_written_may_be_read() -> None:
    judgement = judge_service("volumes: ['/srv/media:/m:ro']")

    assert judgement.refused(parse_permissions(["bind:/srv/media"])) == []
    assert judgement.refused(parse_permissions(["bind:/srv"])) != []


def test_values_that_an_anchor_or_a_merge_brings_in_are_judged() -> None:
    text = (
        "x-base: &base {privileged: true, cap_add: &caps [SYS_ADMIN]}\n"
        "services:\n  a: {image: x, <<: *base}\n  b: {image: y, cap_add: *caps}\n"
    )

    judgement = judge(text)

    assert judgement.permissions == parse_permissions(["privileged", "capability:SYS_ADMIN"])
    assert [need.finding.key for need in judgement.needs] == [
        "services.a.privileged", "services.a.cap_add[0]", "services.b.cap_add[0]",
    ]  # fmt: skip
