"""Whether what an owner granted of the host is there, and is what it is called."""

import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from homeport.errors import Finding, PolicyRefusedError

_RUN: Final = ("/var/run/", "/run/")
"""The one is a link to the other on every host of these years."""
_LINKED_TO_USR: Final = frozenset({"bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin"})
_PROGRAM: Final = Path(__file__).resolve().parents[1]
_SOCKET: Final = "/run/docker.sock"


def program_folders() -> list[Path]:
    """Where this program itself lies, with its Python environment: who writes there is root."""
    return [_PROGRAM, Path(sys.prefix)] if sys.prefix != sys.base_prefix else [_PROGRAM]


def engine_sockets(docker_host: str) -> list[Path]:
    """Where the engine listens on this machine, whatever its socket is called; none for one elsewhere."""
    path = docker_host.removeprefix("unix://")
    return [Path(path)] if path.startswith("/") else []


def check_host_paths(paths: Iterable[str], kept: Iterable[Path]) -> None:
    """Returns if every path is there, is no other by a link, and is none that is kept from apps.

    Args:
        paths: what a project mounts from outside its folder.
        kept: folders that no container may see: Homeport's own, and the engine's.

    Raises:
        PolicyRefusedError: one is missing, leads elsewhere, or leads into or around a folder that is kept.
    """
    folders = [folder.resolve() for folder in kept]
    findings = [
        Finding(file="this machine", key=path, line=None, rule=rule, what=what, remedy=remedy)
        for path in paths
        for rule, what, remedy in _wrong(path, folders)
    ]
    if findings:
        raise PolicyRefusedError("What is to be mounted of this machine is not as it was granted.", findings)


def _wrong(source: str, kept: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    asked = Path(source.replace(*_RUN, 1) if source.startswith(_RUN[0]) else source)
    try:
        real = asked.resolve(strict=True)
    except (OSError, RuntimeError):
        yield (
            "bind-missing",
            f"{source} is not there.",
            "Make it, or mount what belongs there; then try again.",
        )
        return
    if real != asked and not _is_system_s_own(asked, real):
        yield (
            "bind-elsewhere",
            f"{source} leads to {real} by a link, which was not granted.",
            f"Have the definition name {real}, or put a real folder there.",
        )
    elif str(asked) == _SOCKET and not stat.S_ISSOCK(real.stat().st_mode):
        yield "bind-elsewhere", f"{source} is no socket.", "See what became of the Docker Engine's."
    for folder in kept:
        if real != Path(_SOCKET) and (real.is_relative_to(folder) or folder.is_relative_to(real)):
            what = f"{source} holds what Homeport or the Docker Engine keeps, or lies within it ({folder})."
            yield "bind-kept", what, "Mount another folder."


def _is_system_s_own(asked: Path, real: Path) -> bool:
    """Whether a distribution made the link: /lib is /usr/lib, and some of /etc lies in /usr as well.

    The policy lets both sides be mounted for reading only.
    """
    return asked.parts[1] in _LINKED_TO_USR and real.is_relative_to("/usr")
