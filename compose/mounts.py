"""What a template mounts: folders of the project, named volumes, and what is neither. Pure."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from homeport.catalog.policy_mounts import Mount, read_mount
from homeport.catalog.policy_rules import CLOCK_FILES
from homeport.catalog.scope import Scope


def parse_mount(entry: Any) -> Mount:
    """The mount in an item of a service's `volumes`, short or long form."""
    return read_mount(Scope(entry, (), "the rendered project", lambda _path: None))


def name_anonymous(entry: Any, service: str) -> Any:
    """The item with a name for a volume that has none, so that its content survives the container."""
    mount = parse_mount(entry)
    if mount.kind != "volume" or mount.source:
        return entry
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{service}-{mount.target}").strip("-")
    if isinstance(entry, Mapping):
        return {**entry, "source": name}
    return f"{name}:{mount.target}"


def never_made(entry: Any, project_dir: Path) -> Any:
    """The item so that Docker makes nothing on the host where a bind outside the project does not exist."""
    mount = parse_mount(entry)
    if (
        mount.kind != "bind"
        or mount.source in CLOCK_FILES
        or folder_in_project(mount.source, project_dir) is not None
    ):
        return entry
    bind = {"create_host_path": False}
    if isinstance(entry, Mapping):
        return {**entry, "bind": {**(entry.get("bind") or {}), **bind}}
    long = {"type": "bind", "source": mount.source, "target": mount.target, "bind": bind}
    return long | {"read_only": True} if "ro" in mount.modes else long


def unmounted(service: Mapping[str, Any], folders: Iterable[str]) -> list[dict[str, str]]:
    """Volumes without a name for those of the container's folders on which the service mounts nothing."""
    tmpfs = service.get("tmpfs") or ()
    taken = {str(entry).partition(":")[0] for entry in ([tmpfs] if isinstance(tmpfs, str) else tmpfs)}
    taken |= {parse_mount(entry).target for entry in service.get("volumes", ())}
    normal = {posixpath.normpath(target) for target in taken if target}
    return [
        {"type": "volume", "target": folder}
        for folder in folders
        if folder.startswith("/") and posixpath.normpath(folder) not in normal
    ]


def folder_in_project(source: str, project_dir: Path) -> str | None:
    """A bind's source relative to the project folder, by its text alone; None where it leads out of it.

    "." is the project folder itself.
    """
    place = posixpath.normpath(posixpath.join(str(project_dir), source))
    root = posixpath.normpath(str(project_dir))
    if place == root:
        return "."
    return place[len(root) + 1 :] if place.startswith(root + "/") else None
