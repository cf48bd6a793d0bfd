"""How far permissions reach, in plain words for the owner. Pure."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from homeport.permissions import Permission, PermissionKind


class Risk(StrEnum):
    """How much an app could do to the box if it were hostile, or taken over by somebody who is."""

    NONE = "none"
    """It stays within its containers."""
    LOW = "low"
    """It sees or uses a piece of the box that does little harm."""
    HIGH = "high"
    """It could read or change what is the owner's, or disturb other apps and the network."""
    FULL = "full"
    """It could take over the box."""

    @property
    def rank(self) -> int:
        """0 for NONE to 3 for FULL."""
        return list(Risk).index(self)


@dataclass(frozen=True, kw_only=True)
class Rating:
    """How far a set of permissions reaches; `reasons` are sentences for the owner, the gravest first."""

    risk: Risk
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """`{"risk", "reasons"}`."""
        return {"risk": self.risk.value, "reasons": list(self.reasons)}


def rate(permissions: Collection[Permission]) -> Rating:
    """How far the permissions reach together, and why."""
    judged = [describe(permission) for permission in sorted(permissions)]
    judged += [told for together, told in _TOGETHER if together <= set(permissions)]
    judged.sort(key=lambda told: -told.risk.rank)
    if not judged:
        return Rating(risk=Risk.NONE, reasons=())
    return Rating(risk=judged[0].risk, reasons=tuple(told.words for told in judged))


@dataclass(frozen=True)
class Described:
    """A permission in plain words, and how far it reaches."""

    risk: Risk
    words: str


def describe(permission: Permission) -> Described:
    """What the permission lets an app do, in plain words."""
    described = _WORDS.get(permission.kind)
    return described or _BY_VALUE[permission.kind](permission.value)


def permission_json(permission: Permission) -> dict[str, str]:
    """`{"permission", "risk", "words"}`."""
    told = describe(permission)
    return {"permission": str(permission), "risk": told.risk.value, "words": told.words}


_WORDS: Final[Mapping[PermissionKind, Described]] = {
    PermissionKind.PRIVILEGED: Described(
        Risk.FULL, "It runs privileged: it can do whatever root can do on this box."
    ),
    PermissionKind.DOCKER_SOCKET: Described(
        Risk.FULL, "It commands the Docker Engine, and so every app and every file of this box."
    ),
    PermissionKind.HOST_NETWORK: Described(
        Risk.HIGH,
        "It uses this box's own network: it can listen on any port and reach what only the box may.",
    ),
    PermissionKind.GPUS: Described(Risk.LOW, "It computes on the graphics cards of this box."),
}

_NAMESPACES: Final[Mapping[str, Described]] = {
    "pid": Described(Risk.HIGH, "It sees every process of this box, and can end those of its user."),
    "ipc": Described(Risk.HIGH, "It shares memory with the programs of this box."),
    "uts": Described(Risk.LOW, "It shares this box's host name."),
    "user": Described(Risk.HIGH, "Its root is this box's root, also where the engine keeps the two apart."),
    "cgroup": Described(Risk.LOW, "It sees how all programs of this box are limited."),
}

_SECURITY: Final[Mapping[str, Described]] = {
    "seccomp=unconfined": Described(Risk.HIGH, "It may use system calls that containers are kept from."),
    "apparmor=unconfined": Described(Risk.HIGH, "AppArmor does not watch it."),
    "label=disable": Described(Risk.HIGH, "SELinux does not watch it."),
    "systempaths=unconfined": Described(Risk.FULL, "It may write what the kernel shows of itself."),
    "no-new-privileges=false": Described(
        Risk.LOW, "Its programs may become root within its containers (sudo and the like)."
    ),
}

_CAPABILITIES: Final[Mapping[str, Described]] = {
    "ALL": Described(Risk.FULL, "It has every power that root has over the kernel."),
    "SYS_ADMIN": Described(Risk.FULL, "It may mount file systems and much else: nearly all that root may."),
    "SYS_MODULE": Described(Risk.FULL, "It may load code into the kernel."),
    "SYS_RAWIO": Described(Risk.FULL, "It may read and write memory and disks past the kernel."),
    "SYS_BOOT": Described(Risk.FULL, "It may start this box anew, with another kernel."),
    "DAC_READ_SEARCH": Described(Risk.FULL, "It may read any file, also outside its containers."),
    "BPF": Described(Risk.FULL, "It may run programs within the kernel."),
    "MAC_ADMIN": Described(Risk.FULL, "It may change the rules that guard this box."),
    "MAC_OVERRIDE": Described(Risk.FULL, "It may pass over the rules that guard this box."),
    "SYS_PTRACE": Described(Risk.HIGH, "It may look into and steer the processes that it sees."),
    "NET_ADMIN": Described(
        Risk.HIGH, "It may change addresses, routes and firewall of the network it is in."
    ),
    "SYS_TIME": Described(Risk.HIGH, "It may set this box's clock."),
    "SYSLOG": Described(Risk.HIGH, "It may read the kernel's messages."),
    "IPC_LOCK": Described(Risk.LOW, "It may keep its memory from being swapped out."),
    "SYS_NICE": Described(Risk.LOW, "It may put its processes before those of others."),
    "NET_BROADCAST": Described(Risk.LOW, "It may speak to all of its network at once."),
    "WAKE_ALARM": Described(Risk.LOW, "It may wake this box up."),
    "BLOCK_SUSPEND": Described(Risk.LOW, "It may keep this box awake."),
    "LEASE": Described(Risk.LOW, "It may be told when its files are opened."),
    "LINUX_IMMUTABLE": Described(Risk.LOW, "It may make its files unchangeable."),
}

_DISKS: Final = (
    r"/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|mapper|dm-|md|loop|disk|sg|block|char|nbd|zd|rbd|bcache|pmem|zram|drbd|mtd|ubi"
    r"|ublk|dasd|cciss|etherd|cpu(?:/|$)|ram[0-9]|fd[0-9]|n?st[0-9]|mem$|kmem$|port$|root$).*"
)
_HARMLESS_DEVICES: Final = (
    r"/dev/(?:(?:dri|serial)(?:/[\w./+-]+)?|(?:usb/lp|cec|rtc|apex_)[0-9]*"
    r"|tty(?:USB|ACM|AMA|S)[0-9]+|net/tun|fuse)"
)
_NO_DISKS: Final = r"/dev/(?:accel|bus|dma_heap|dvb|infiniband|net|usb|vfio)/.*"
# To the end of the path: a volume group may be called media, and its disk /dev/media/root.
_DEVICES: Final = tuple(
    (re.compile(pattern), risk, words)
    for pattern, risk, words in (
        (_DISKS, Risk.FULL, "It reads and writes {}, past every file's owner."),
        (
            r"/dev/(?:input(?:/.*)?|uinput|hidraw[0-9]+|usb/hiddev[0-9]*)",
            Risk.HIGH,
            "It reads what is typed and clicked at this box ({}).",
        ),
        (
            r"/dev/(?:(?:video|media|v4l-subdev)[0-9]*|v4l(?:/.*)?)",
            Risk.HIGH,
            "It sees what this box's cameras see ({}).",
        ),
        (
            r"/dev/(?:snd(?:/.*)?|(?:dsp|audio)[0-9]*)",
            Risk.HIGH,
            "It hears what this box's microphones hear ({}).",
        ),
        (
            _HARMLESS_DEVICES,
            Risk.LOW,
            "It uses the device {}.",
        ),
        (
            rf"(?!{_NO_DISKS})/dev/[^/]+/.*",
            Risk.FULL,
            "It reads and writes {}, which may be a disk, past every file's owner.",
        ),
        (r".*", Risk.HIGH, "It uses the device {}, whatever that may be."),
    )
)
"""The first one that fits says what a device is."""


def _device(path: str) -> Described:
    risk, words = next((risk, words) for pattern, risk, words in _DEVICES if pattern.fullmatch(path))
    return Described(risk, words.format(path))


_MESSAGE_BUS: Final = re.compile(r"/run/dbus(?:/|$)")


_ROOTS_SERVICES: Final = re.compile(
    r"/run/(?:lxd|incus|libvirt|snapd|k3s|podman|containerd|crio)[^/]*(?:/|$)"
    r"|/var/(?:snap|lib)/(?:lxd|incus|docker|rancher)(?:/|$)|/run/user/[^/]+/(?:podman|docker)(?:/|$)"
    r"|/.*/\.docker/run(?:/|$)"
)
# Whoever writes there has programs run by root; who reads in the latter has the keys to them.
_OBEYED: Final = re.compile(r"/var/(?:lib/lxc|spool/incron)(?:/|$)|/nix(?:/|$)")
_KEYS: Final = re.compile(r"/(?:var/lib/kubelet|etc/kubernetes)(?:/|$)")
_SOCKETS: Final = re.compile(r"/run/.*|.*[.-]sock(?:et)?")


def _bind(value: str) -> Described:
    path = value.removesuffix(":ro").replace("/var/run/", "/run/", 1)
    if path == "/proc":
        # by /proc/PID/root and environ, which a mount that is read-only does not close
        words = "It reads and changes the files, and reads the passwords, of the other apps of this box."
        return Described(Risk.FULL, words)
    if _MESSAGE_BUS.match(path) or _ROOTS_SERVICES.match(path):
        words = "It speaks to services of this box that act as root for whoever asks, and so commands it."
        return Described(Risk.FULL, words)
    if _KEYS.match(path) or (_OBEYED.match(path) and not value.endswith(":ro")):
        words = f"By {path} it decides what root runs on this box, and so commands it."
        return Described(Risk.FULL, words)
    listens = ", and speaks to whatever program listens there" if _SOCKETS.fullmatch(path) else ""
    path = value.removesuffix(":ro")
    if value.endswith(":ro"):
        return Described(Risk.HIGH, f"It reads {path} of this box{listens}.")
    return Described(Risk.HIGH, f"It reads, changes and deletes what is in {path} of this box{listens}.")


def _capability(name: str) -> Described:
    other = Described(Risk.HIGH, f"It has the kernel's capability {name}.")
    return _CAPABILITIES.get(name, other)


def _port(value: str) -> Described:
    return Described(Risk.LOW, f"It answers on port {value} of this box itself.")


def _group(name: str) -> Described:
    return Described(Risk.HIGH, f"It may read and write what the group {name} of this box may.")


def _sysctl(value: str) -> Described:
    return Described(Risk.LOW, f"It sets the kernel's {value} for its own containers.")


_BY_VALUE: Final[Mapping[PermissionKind, Callable[[str], Described]]] = {
    PermissionKind.BIND: _bind,
    PermissionKind.CAPABILITY: _capability,
    PermissionKind.DEVICE: _device,
    PermissionKind.GROUP: _group,
    PermissionKind.NAMESPACE: _NAMESPACES.__getitem__,
    PermissionKind.PORT: _port,
    PermissionKind.SECURITY_OPT: _SECURITY.__getitem__,
    PermissionKind.SYSCTL: _sysctl,
}

_TOGETHER: Final[tuple[tuple[frozenset[Permission], Described], ...]] = (
    (
        frozenset(
            {Permission(PermissionKind.BIND, "/proc:ro"), Permission(PermissionKind.CAPABILITY, "SYS_PTRACE")}
        ),
        Described(Risk.FULL, "It reaches every file of this box through its processes."),
    ),
    (
        frozenset(
            {Permission(PermissionKind.NAMESPACE, "pid"), Permission(PermissionKind.CAPABILITY, "SYS_PTRACE")}
        ),
        Described(Risk.FULL, "It can steer every process of this box."),
    ),
    (
        frozenset(
            {Permission(PermissionKind.HOST_NETWORK), Permission(PermissionKind.CAPABILITY, "NET_ADMIN")}
        ),
        Described(Risk.FULL, "It can change the network of this box itself."),
    ),
)
"""What permissions allow together that none of them does alone."""
