"""What an app may do beyond what every app may: parsing and comparing permissions. Pure.

A permission is a word, or a word and a value: `privileged`, `capability:NET_ADMIN`, `bind:/srv/media:ro`.
Definitions declare them, owners grant them, and the policy finds out which ones a compose file needs.
"""

import contextlib
import difflib
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self


class PermissionKind(StrEnum):
    """The kinds of permissions; all but the three without a value are written `kind:value`."""

    PRIVILEGED = "privileged"
    """Compose's `privileged`: no wall between container and host."""
    DOCKER_SOCKET = "docker_socket"
    """The socket of the Docker Engine, mounted."""
    HOST_NETWORK = "host_network"
    """`network_mode: host`."""
    NAMESPACE = "namespace"
    """Another namespace of the host: pid, ipc, uts, user or cgroup."""
    CAPABILITY = "capability"
    """One of `cap_add` that Docker does not give by itself, without `CAP_`."""
    DEVICE = "device"
    """A device of the host, by its path below /dev."""
    GPUS = "gpus"
    """Graphics cards: `gpus`, or reservations of devices."""
    GROUP = "group"
    """A group of the host that the container's processes join."""
    BIND = "bind"
    """A path of the host outside the app's own folder; `:ro` at its end: to be read only."""
    PORT = "port"
    """A host port below 1024: `port:53/udp`."""
    SECURITY_OPT = "security_opt"
    """A protection that is switched off: `security_opt:seccomp=unconfined`."""
    SYSCTL = "sysctl"
    """A kernel setting within the container's namespaces: `sysctl:net.core.somaxconn=1024`."""


NAMESPACES: Final = frozenset({"pid", "ipc", "uts", "user", "cgroup"})
SECURITY_OPTIONS: Final = frozenset(
    {
        "seccomp=unconfined",
        "apparmor=unconfined",
        "label=disable",
        "systempaths=unconfined",
        "no-new-privileges=false",
    }
)
"""Protections that can be switched off by permission, as `security_opt` writes them."""

DEFAULT_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
        "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
"""What Docker gives every container (its manual, "Runtime privilege and Linux capabilities")."""

_WITHOUT_VALUE: Final = frozenset(
    {
        PermissionKind.PRIVILEGED,
        PermissionKind.DOCKER_SOCKET,
        PermissionKind.HOST_NETWORK,
        PermissionKind.GPUS,
    }
)
_READ_ONLY: Final = ":ro"
_LONGEST_PATH: Final = 255  # what somebody who grants it can still read


@dataclass(frozen=True, order=True)
class Permission:
    """One permission; its text is what app.yml, requests and the database hold."""

    kind: PermissionKind
    value: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.value}" if self.value else self.kind.value

    @classmethod
    def parse(cls, text: str) -> Self:
        """The permission that the text names.

        Raises:
            ValueError: it names none; the message says what would be right.
        """
        word, _, value = text.partition(":")
        try:
            kind = PermissionKind(word)
        except ValueError as error:
            raise ValueError(f"there is no permission {word[:60]!r}; {_meant(text)}") from error
        if kind in _WITHOUT_VALUE:
            if value or text.endswith(":"):
                raise ValueError(f"{kind.value} has no value: write `{kind.value}`")
            return cls(kind)
        return cls(kind, _VALUES[kind](value))

    @property
    def path(self) -> str:
        """Of a `bind`: the path on the host, without its mode."""
        return self.value.removesuffix(_READ_ONLY)

    @property
    def is_read_only(self) -> bool:
        """Whether it is a `bind` that only reads."""
        return self.kind is PermissionKind.BIND and self.value.endswith(_READ_ONLY)

    def covers(self, other: Self) -> bool:
        """Whether whoever was granted this has the other one, too."""
        if self == other:
            return True
        return self.kind is other.kind is PermissionKind.BIND and self.value == other.path


@dataclass(frozen=True, kw_only=True)
class PermissionChange:
    """What differs between the permissions of two versions of a definition."""

    added: tuple[Permission, ...]
    """What the owner has to grant anew."""
    removed: tuple[Permission, ...]


def _meant(text: str) -> str:
    """What somebody who wrote something else than a permission may have had in mind."""
    known = [kind.value for kind in PermissionKind]
    if near := difflib.get_close_matches(text.partition(":")[0].lower(), known, n=1, cutoff=0.7):
        return f"the nearest is {near[0]}"
    kinds = [PermissionKind.BIND, PermissionKind.SECURITY_OPT]
    if text == text.upper():
        kinds.append(PermissionKind.CAPABILITY)
    for kind in kinds:
        with contextlib.suppress(ValueError):
            return f"write `{kind.value}:{_VALUES[kind](text)}`"
    return f"known are {', '.join(known)}"


def parse_permissions(texts: Iterable[str]) -> tuple[Permission, ...]:
    """The permissions that the texts name, each once, sorted.

    Raises:
        ValueError: one names none.
    """
    return tuple(sorted({Permission.parse(text) for text in texts}))


def missing_permissions(
    needed: Iterable[Permission], granted: Collection[Permission]
) -> tuple[Permission, ...]:
    """What is needed and not granted, sorted."""
    return tuple(sorted({one for one in needed if not any(other.covers(one) for other in granted)}))


def compare_permissions(before: Collection[Permission], after: Collection[Permission]) -> PermissionChange:
    """What the one set has that the other lacks."""
    return PermissionChange(
        added=missing_permissions(after, before),
        removed=missing_permissions(before, after),
    )


def is_plain_path(path: str) -> bool:
    """Whether it is written in the one way in which paths are compared: nothing to resolve or hidden."""
    plain = posixpath.normpath(path) == path and not path.startswith("//") and path == path.strip()
    return plain and path.isprintable() and len(path) <= _LONGEST_PATH and not set(path) & set(":,$~\\*?")


def _namespace(value: str) -> str:
    return _claimed(value in NAMESPACES, value, f"namespace: is followed by {', '.join(sorted(NAMESPACES))}")


def _capability(value: str) -> str:
    name = value.upper().removeprefix("CAP_")
    return _claimed(bool(re.fullmatch(r"[A-Z_]{3,30}", name)), name, "write it as capability:NET_ADMIN")


def _device_path(value: str) -> str:
    plain = value.startswith("/dev/") and is_plain_path(value)
    return _claimed(plain, value, "write the path of a device: device:/dev/ttyUSB0")


def _group(value: str) -> str:
    return _claimed(
        bool(re.fullmatch(r"[a-z0-9_][a-z0-9_.-]{0,31}", value)), value, "write it as group:video"
    )


def _bind_path(value: str) -> str:
    path = value.removesuffix(_READ_ONLY)
    return _claimed(
        path.startswith("/") and is_plain_path(path), value, "write a whole path: bind:/srv/media:ro"
    )


def _port(value: str) -> str:
    match = re.fullmatch(r"([0-9]{1,4})(?:/(tcp|udp))?", value)
    number = int(match[1]) if match else 0
    protocol = match[2] or "tcp" if match else ""
    return _claimed(0 < number < 1024, f"{number}/{protocol}", "write a port below 1024: port:53/udp")


def _security_option(value: str) -> str:
    return _claimed(
        value in SECURITY_OPTIONS,
        value,
        f"security_opt: is followed by {', '.join(sorted(SECURITY_OPTIONS))}",
    )


def _sysctl(value: str) -> str:
    plain = bool(re.fullmatch(r"[a-z0-9_.-]{3,100}=[A-Za-z0-9_. -]{1,100}", value))
    return _claimed(plain, value, "write name and value: sysctl:net.core.somaxconn=1024")


def _claimed(holds: bool, value: str, otherwise: str) -> str:
    if not holds:
        raise ValueError(otherwise)
    return value


_VALUES: Final[Mapping[PermissionKind, Callable[[str], str]]] = {
    PermissionKind.NAMESPACE: _namespace,
    PermissionKind.CAPABILITY: _capability,
    PermissionKind.DEVICE: _device_path,
    PermissionKind.GROUP: _group,
    PermissionKind.BIND: _bind_path,
    PermissionKind.PORT: _port,
    PermissionKind.SECURITY_OPT: _security_option,
    PermissionKind.SYSCTL: _sysctl,
}
