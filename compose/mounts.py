"""What a template mounts: folders of the project, named volumes, and what is neither. Pure."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WITH_SOURCE = re.compile(r"(?P<source>[^:]+):(?P<target>/[^:]*)(?::(?P<mode>[^:]*))?")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One mount. `kind` is `bind`, `volume` or `tmpfs`; `source` is "" for an anonymous volume and a tmpfs."""

    kind: str
    source: str
    target: str
    read_only: bool


def parse_mount(entry: Any) -> Mount:
    """The mount in an item of a service's `volumes`, short or long form.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(entry, Mapping):
        return Mount(
            kind=str(entry.get("type", "volume")),
            source=str(entry.get("source") or ""),
            target=str(entry.get("target", "")),
            read_only=bool(entry.get("read_only", False)),
        )
    text = str(entry)
    if text.startswith("/") and ":" not in text:
        return Mount(kind="volume", source="", target=text, read_only=False)
    if not (parts := _WITH_SOURCE.fullmatch(text)):
        raise ValueError(f"{text!r} is no mount")
    kind = "bind" if parts["source"].startswith((".", "/", "~")) else "volume"
    read_only = "ro" in (parts["mode"] or "").split(",")
    return Mount(kind=kind, source=parts["source"], target=parts["target"], read_only=read_only)


def name_anonymous(entry: Any, service: str) -> Any:
    """The item with a name for a volume that has none, so that its content survives the container."""
    mount = parse_mount(entry)
    if mount.kind != "volume" or mount.source:
        return entry
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{service}-{mount.target}").strip("-")
    if isinstance(entry, Mapping):
        return {**entry, "source": name}
    return f"{name}:{mount.target}"


def folder_in_project(source: str, project_dir: Path) -> str | None:
    """A bind's source relative to the project folder, by its text alone; None where it leads out of it.

    "." is the project folder itself.
    """
    place = posixpath.normpath(posixpath.join(str(project_dir), source))
    root = posixpath.normpath(str(project_dir))
    if place == root:
        return "."
    return place[len(root) + 1 :] if place.startswith(root + "/") else None
