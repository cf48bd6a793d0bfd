"""Which paths of the host a template may mount with a permission, and which never."""

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from homeport.catalog.judgement import Outcome
from homeport.catalog.policy_powers import has_tricks
from homeport.catalog.scope import Scope
from homeport.permissions import PermissionKind

DOCKER_SOCKETS: Final = frozenset({"/var/run/docker.sock", "/run/docker.sock"})
"""The one way to the engine: these paths themselves, by the permission `docker_socket`."""

_SOCKET_NAMES: Final = re.compile(
    r"(?:docker|containerd|podman|crio|cri-dockerd|buildkitd)[^/]*\.(?:sock|pid)(?:\.\w+)?"
)
_SOCKET_FOLDERS: Final = frozenset({"/", "/run", "/var", "/var/run"})
_ENGINES: Final = (
    "/etc/containerd", "/etc/docker", "/etc/rancher", "/run/buildkit", "/run/containerd", "/run/crio",
    "/run/docker", "/run/k0s", "/run/k3s", "/run/podman", "/var/lib/buildkit", "/var/lib/containerd",
    "/var/lib/containers", "/var/lib/crio", "/var/lib/docker", "/var/lib/docker-engine", "/var/lib/k0s",
    "/var/lib/rancher", "/var/snap/docker", "/var/snap/microk8s",
)  # fmt: skip
# Docker's own folder there has settings, too, which an app may be given one by one.
_ENGINES_OF_USERS: Final = re.compile(
    r"/run/user/[^/]+/(?:buildkit|containerd|crio|docker|libpod|nerdctl|podman)[^/]*(?:/.*)?"
    r"|/(?:home/[^/]+|root)/(?:\.docker(?:/(?:run|desktop)(?:/.*)?)?|\.local/share/(?:containers|docker)(?:/.*)?)"
)
_OURS: Final = ("/etc/homeport", "/opt/homeport", "/run/homeport", "/srv/homeport", "/var/lib/homeport")
"""Where Homeport's folders usually are; where they really are is looked at before a project is created."""

# Whoever may write there, or talk to what listens there, commands the host's own programs or terminals.
_SYSTEM: Final = re.compile(
    r"/(?:etc|boot|usr|bin|sbin|lib(?:32|64|x32)?|root|proc|sys|run/(?:sudo|udev)|var/cache(?:/apt|$)"
    r"|var/lib/(?:apt|cloud|dpkg|pam|polkit-1|sudo|systemd))(?:/|$)"
)
_COMMANDING: Final = (
    "/dev/console", "/dev/initctl", "/dev/pts", "/run/initctl", "/run/systemd", "/var/spool/at",
    "/var/spool/cron",
)  # fmt: skip
_WHOLE: Final = re.compile(
    r"/(?:dev|etc|boot|usr|bin|sbin|lib(?:32|64|x32)?|root)|/var/(?:lib|spool)|/run/user(?:/[^/]+)?"
)
_PROCESS: Final = re.compile(r"/proc/(?:[0-9]+|self|thread-self)(?:/|$)")
_PLAIN_MODES: Final = frozenset({"ro", "rw", "cached", "delegated", "consistent"})


def check_outside(scope: Scope, source: str, modes: frozenset[str], *, read_only: bool) -> Iterator[Outcome]:
    """A mount of what lies outside the project: by its permission, or not at all.

    Args:
        scope: the mount.
        source: as it is written.
        modes: the options of the short syntax.
        read_only: whether the container may only read.
    """
    path = normal_path(source)
    real = _without_links(path)
    if path in DOCKER_SOCKETS and not has_tricks(source):
        yield scope.need(PermissionKind.DOCKER_SOCKET, rule="docker-socket")
    elif _holds_engine(real):
        what = f"{source[:80]} is a container engine's, or holds its socket: whoever has it owns the host."
        yield scope.finding(
            "docker-socket", what, "Leave it out; the permission docker_socket is for /var/run/docker.sock."
        )
    elif _is_under(real, _OURS):
        what = f"{source[:80]} is where Homeport keeps itself."
        yield scope.finding("bind-forbidden", what, "Leave it out.")
    elif _WHOLE.fullmatch(real) or _PROCESS.match(real) or _is_under(real, _COMMANDING):
        what = f"{source[:80]} is never mounted: it leads to the whole host."
        yield scope.finding("bind-forbidden", what, "Mount the one folder below that the app needs.")
    elif _SYSTEM.match(real) and not read_only:
        what = f"{source[:80]} belongs to the host's system, and is never mounted for writing."
        yield scope.finding("bind-forbidden", what, "Mount it read-only: `:ro`.")
    elif not source.startswith("/"):
        what = f"{source[:80]} is outside the project."
        remedy = "Mount a folder of the project, `./data:/data`, or name the host's by its whole path."
        yield scope.finding("bind-outside-project", what, remedy)
    elif has_tricks(source.removesuffix("/")):
        what = f"{source[:80]!r} is not the plain path of a folder or file."
        yield scope.finding("bind-path", what, f"Write it as it is: `{path[:80]}`, without placeholders.")
    elif odd := modes - _PLAIN_MODES:
        what = f"The mount option {min(odd)!r} would change a folder that is not the app's."
        yield scope.finding("mount-option", what, "Leave it out.")
    else:
        yield scope.need(PermissionKind.BIND, f"{path}:ro" if read_only else path, rule="bind-path")


def normal_path(source: str) -> str:
    """The path without what resolves to nothing, by its text alone; a relative one stays as it is."""
    return posixpath.normpath("/" + source.lstrip("/")) if source.startswith("/") else source


def _without_links(path: str) -> str:
    """The path as lists have it: in small letters, without blanks around, and by its usual links' ends."""
    return usual_path(path.strip().casefold())


def usual_path(path: str) -> str:
    """The plain path by the end of the links that every host of these years has."""
    for link, end in (("/var/run", "/run"), ("/var/lock", "/run/lock")):
        if path.startswith(f"{link}/"):
            return end + path.removeprefix(link)
    return path


def _holds_engine(real: str) -> bool:
    return (
        real in _SOCKET_FOLDERS
        or _is_under(real, _ENGINES)
        or _ENGINES_OF_USERS.fullmatch(real) is not None
        or any(_SOCKET_NAMES.fullmatch(part) for part in real.split("/"))
    )


def _is_under(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
