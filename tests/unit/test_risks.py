import pytest

from homeport.catalog.policy_powers import CAPABILITIES
from homeport.permissions import NAMESPACES, SECURITY_OPTIONS, Permission, PermissionKind, parse_permissions
from homeport.risks import Risk, describe, permission_json, rate

OF_EACH_KIND = {
    PermissionKind.PRIVILEGED: ["privileged"],
    PermissionKind.DOCKER_SOCKET: ["docker_socket"],
    PermissionKind.HOST_NETWORK: ["host_network"],
    PermissionKind.GPUS: ["gpus"],
    PermissionKind.NAMESPACE: [f"namespace:{name}" for name in NAMESPACES],
    PermissionKind.CAPABILITY: [f"capability:{name}" for name in CAPABILITIES],
    PermissionKind.DEVICE: ["device:/dev/dri", "device:/dev/sda", "device:/dev/odd"],
    PermissionKind.GROUP: ["group:video"],
    PermissionKind.BIND: ["bind:/srv", "bind:/srv:ro"],
    PermissionKind.PORT: ["port:53/udp"],
    PermissionKind.SECURITY_OPT: [f"security_opt:{option}" for option in SECURITY_OPTIONS],
    PermissionKind.SYSCTL: ["sysctl:net.core.somaxconn=1"],
}


@pytest.mark.parametrize("kind", PermissionKind)
def test_every_permission_is_told_in_a_sentence_and_is_no_trifle(kind: PermissionKind) -> None:
    for text in OF_EACH_KIND[kind]:
        told = describe(Permission.parse(text))

        assert told.risk is not Risk.NONE
        assert told.words.endswith(".")
        assert told.words[0].isupper()


@pytest.mark.parametrize(
    ("texts", "risk"),
    [
        ([], Risk.NONE),
        (["port:53"], Risk.LOW),
        (["gpus", "device:/dev/dri"], Risk.LOW),
        (["port:53", "host_network"], Risk.HIGH),
        (["bind:/srv:ro"], Risk.HIGH),
        (["privileged"], Risk.FULL),
        (["docker_socket"], Risk.FULL),
        (["capability:SYS_ADMIN"], Risk.FULL),
        (["device:/dev/sda"], Risk.FULL),
        (["device:/dev/nvme0n1"], Risk.FULL),
        (["device:/dev/block"], Risk.FULL),
        (["device:/dev/mem"], Risk.FULL),
        (["namespace:pid"], Risk.HIGH),
        (["namespace:pid", "capability:SYS_PTRACE"], Risk.FULL),
        (["host_network", "capability:NET_ADMIN"], Risk.FULL),
        (["capability:NET_ADMIN"], Risk.HIGH),
        (["bind:/proc:ro"], Risk.FULL),
        (["bind:/proc:ro", "capability:SYS_PTRACE"], Risk.FULL),
        (["bind:/run/dbus:ro"], Risk.FULL),
        (["bind:/var/run/dbus/system_bus_socket"], Risk.FULL),
        (["bind:/run/dbusy"], Risk.HIGH),
        (["bind:/run/libvirt/libvirt-sock:ro"], Risk.FULL),
        (["bind:/var/run/lxd.socket:ro"], Risk.FULL),
        (["bind:/var/lib/incus/unix.socket"], Risk.FULL),
        (["bind:/run/k3s/containerd:ro"], Risk.FULL),
        (["bind:/run/user/1000/podman:ro"], Risk.FULL),
        (["bind:/home/u/.docker/run"], Risk.FULL),
        (["bind:/var/lib/kubelet:ro"], Risk.FULL),
        (["bind:/etc/kubernetes:ro"], Risk.FULL),
        (["bind:/var/lib/lxc"], Risk.FULL),
        (["bind:/var/lib/lxc:ro"], Risk.HIGH),
        (["bind:/var/spool/incron"], Risk.FULL),
        (["bind:/nix"], Risk.FULL),
        (["bind:/nix:ro"], Risk.HIGH),
        (["bind:/nixie"], Risk.HIGH),
        (["device:/dev/media0"], Risk.HIGH),
        (["device:/dev/video0"], Risk.HIGH),
        (["device:/dev/v4l/by-id/usb-camera"], Risk.HIGH),
        (["device:/dev/snd"], Risk.HIGH),
        (["device:/dev/snd/pcmC0D0c"], Risk.HIGH),
        (["device:/dev/media/root"], Risk.FULL),
        (["device:/dev/ubuntu-vg/ubuntu-lv"], Risk.FULL),
        (["device:/dev/vg0/root"], Risk.FULL),
        (["device:/dev/cciss/c0d0"], Risk.FULL),
        (["device:/dev/zram0"], Risk.FULL),
        (["device:/dev/drbd0"], Risk.FULL),
        (["device:/dev/mtd0"], Risk.FULL),
        (["device:/dev/cpu/0/msr"], Risk.FULL),
        (["device:/dev/bus/usb"], Risk.HIGH),
        (["device:/dev/bus/usb/001/002"], Risk.HIGH),
        (["device:/dev/kvm"], Risk.HIGH),
        (["device:/dev/random"], Risk.HIGH),
        (["device:/dev/net/tun"], Risk.LOW),
        (["device:/dev/usb/lp0"], Risk.LOW),
        (["device:/dev/usb/hiddev0"], Risk.HIGH),
        (["device:/dev/dri/renderD128"], Risk.LOW),
        (["device:/dev/ttyUSB0"], Risk.LOW),
        (["device:/dev/serial/by-id/usb-Zigbee_0x00-if00"], Risk.LOW),
        (["device:/dev/input/event0"], Risk.HIGH),
        (["device:/dev/input"], Risk.HIGH),
    ],
)
def test_the_rating_is_that_of_the_gravest_alone_or_together(texts: list[str], risk: Risk) -> None:
    rating = rate(parse_permissions(texts))

    assert rating.risk is risk
    assert len(rating.reasons) >= len(texts)


def test_a_socket_that_is_mounted_read_only_is_spoken_to_all_the_same() -> None:
    for path in ("/run/acpid.socket", "/var/run/ups", "/srv/mail/lmtp.sock"):
        assert "speaks to whatever" in describe(Permission.parse(f"bind:{path}:ro")).words

    assert "speaks" not in describe(Permission.parse("bind:/srv/media:ro")).words


def test_the_gravest_reason_comes_first() -> None:
    rating = rate(parse_permissions(["port:53", "docker_socket", "bind:/srv"]))

    assert rating.reasons[0] == describe(Permission.parse("docker_socket")).words
    assert rating.reasons[-1] == describe(Permission.parse("port:53")).words
    assert rating.as_json() == {"risk": "full", "reasons": list(rating.reasons)}


def test_ranks_grow_with_the_risk() -> None:
    assert [risk.rank for risk in (Risk.NONE, Risk.LOW, Risk.HIGH, Risk.FULL)] == [0, 1, 2, 3]


def test_a_permission_is_sent_with_its_risk_and_words() -> None:
    sent = permission_json(Permission.parse("gpus"))

    assert sent == {"permission": "gpus", "risk": "low", "words": describe(Permission.parse("gpus")).words}
