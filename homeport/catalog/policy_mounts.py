"""Which folders and volumes a template mounts, and which of them it may."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from homeport.catalog.judgement import Outcome
from homeport.catalog.policy_binds import check_outside, normal_path, usual_path
from homeport.catalog.policy_rules import CLOCK_FILES, MOUNT_MODES, RESERVED_NAMES
from homeport.catalog.scope import Scope, check_keys
from homeport.errors import Finding
from homeport.placeholders import ORDER, replace_placeholders

_PROJECT: Final = "WEBAPP_PATH"
_ROOT: Final = "/project"
_LONGEST_PATH: Final = 4096  # Linux's own limit (PATH_MAX)
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")  # one letter would be a drive of Windows
_INSIDE: Final = "Mount a folder of the project, `./data:/data`, or a named volume, `data:/data`."


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One mount of a service. `source` is as written, "" for an anonymous volume."""

    kind: str
    """bind, volume, tmpfs, or another that is refused."""
    source: str
    target: str
    modes: frozenset[str]
    scope: Scope

    @property
    def is_read_only(self) -> bool:
        """Whether the container may only read; of `ro` and `rw` together Compose takes the last."""
        return "ro" in self.modes and "rw" not in self.modes

    @property
    def place(self) -> str | None:
        """Where a bind's source is, comparable: of the project (`./data`) or of the host (`/srv/media`)."""
        if self.kind != "bind":
            return None
        if (inside := self.inside) is not None:
            return f"./{inside}"
        return usual_path(normal_path(self.source)) if self.source.startswith("/") else None

    @property
    def inside(self) -> str | None:
        """A bind's source relative to the project folder ("." for itself); None where it is outside."""
        return _inside(self.source) if self.kind == "bind" else None


def read_mount(scope: Scope) -> Mount:
    """The mount that an item of `volumes` asks for, in short or long syntax."""
    if isinstance(scope.value, dict):
        bind = scope.value.get("bind") or {}
        said = (scope.value.get("read_only") in (True, "true") and "ro", bind.get("selinux"))
        modes = frozenset(str(mode) for mode in said if mode)
        source, target = str(scope.value.get("source", "")), str(scope.value.get("target", ""))
        kind = str(scope.value["type"])
        if kind == "bind" and not source.startswith(("/", ".", "~", "$", _PROJECT)):
            source = f"./{source}"
        return Mount(kind=kind, source=source, target=target, modes=modes, scope=scope)
    parts = str(scope.value).split(":", 2)
    modes = frozenset(parts[2].split(",")) if len(parts) == 3 else frozenset()
    source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    is_path = source.startswith(("/", ".", "~", "$", _PROJECT)) or "/" in source or "\\" in source
    return Mount(kind="bind" if is_path else "volume", source=source, target=target, modes=modes, scope=scope)


def check_mounts(services: Scope, volumes: Scope | None) -> Iterator[Outcome]:
    """What is wrong with the mounts of all services, and what needs a permission."""
    declared = set(volumes.value) if volumes and isinstance(volumes.value, dict) else set()
    writable: set[str] = set()
    binds: list[tuple[str, Mount]] = []
    for _, service in services.entries():
        listed = service.get("volumes")
        for item in listed.items() if listed else ():
            mount = read_mount(item)
            yield from _check_mount(mount, declared)
            if (place := mount.place) is not None and len(place) <= _LONGEST_PATH:
                binds.append((place, mount))
                if not mount.is_read_only:
                    writable.add(place)
    for place, mount in binds:
        yield from _check_nesting(place, mount, writable)


def _check_nesting(place: str, mount: Mount, writable: set[str]) -> Iterator[Finding]:
    """Whoever may write a folder may put a link in it, which Docker follows when it mounts what is below."""
    above = place
    while (above := posixpath.dirname(above)) not in ("", ".", "/"):
        if above in writable:
            what = f"{place} lies in {above}, which a container may write, so it could become a link."
            remedy = f"Mount folders beside each other, or {above} read-only."
            yield mount.scope.finding("bind-nested", what, remedy)
            return


def _check_mount(mount: Mount, declared: set[str]) -> Iterator[Outcome]:
    if isinstance(mount.scope.value, dict):
        yield from check_keys(mount.scope, "mount")
        for part in ("bind", "volume", "tmpfs"):
            if inner := mount.scope.get(part):
                yield from check_keys(inner, f"mount.{part}")
    if unknown := mount.modes - MOUNT_MODES:
        what = f"The mount option {min(unknown)!r} is not allowed."
        yield mount.scope.finding("mount-option", what, f"Allowed: {', '.join(sorted(MOUNT_MODES))}.")
    if not mount.target.startswith("/") or ".." in mount.target.split("/") or ":" in mount.target:
        what = f"{mount.target[:80]!r} is no absolute path in the container."
        yield mount.scope.finding("mount-target", what, "Write source:target, such as `./data:/data`.")
    match mount.kind:
        case "bind":
            yield from _check_bind(mount)
        case "volume":
            yield from _check_subpath(mount)
            yield from _check_volume(mount, declared)
        case "tmpfs":
            pass
        case _:
            what = f"Mounts of type {mount.kind} are not allowed."
            yield mount.scope.finding("mount-type", what, _INSIDE)


def _check_subpath(mount: Mount) -> Iterator[Finding]:
    volume = mount.scope.get("volume") if isinstance(mount.scope.value, dict) else None
    subpath = volume.get("subpath") if volume else None
    if subpath and (str(subpath.value).startswith("/") or ".." in str(subpath.value).split("/")):
        what = f"{str(subpath.value)[:60]!r} leads out of the volume."
        yield subpath.finding("mount-option", what, "Name a folder in the volume: `data/uploads`.")


def _check_volume(mount: Mount, declared: set[str]) -> Iterator[Finding]:
    if not mount.source and not str(mount.scope.value).startswith(":"):
        return
    if not _VOLUME.fullmatch(mount.source):
        what = f"{mount.source[:60]!r} is no volume's name."
        yield mount.scope.finding("volume-name", what, _INSIDE)
    elif mount.source not in declared:
        what = f"The volume {mount.source!r} is not declared."
        yield mount.scope.finding("volume-undeclared", what, f"Add `{mount.source}:` under `volumes`.")


def _check_bind(mount: Mount) -> Iterator[Outcome]:
    source, inside = mount.source, mount.inside
    if len(source) > _LONGEST_PATH:
        what = f"{source[:80]} … is longer than a path may be ({_LONGEST_PATH:,} characters)."
        yield mount.scope.finding("bind-path", what, "Give the folders shorter names.")
    elif (clock := normal_path(source)) in CLOCK_FILES:
        if mount.modes != {"ro"}:
            what = f"{clock} may be mounted read-only alone."
            yield mount.scope.finding("bind-clock-writable", what, f"Write `{clock}:{clock}:ro`.")
    elif inside is None:
        yield from check_outside(mount.scope, source, mount.modes, read_only=mount.is_read_only)
    elif inside == "." or inside.split("/", 1)[0].casefold() in RESERVED_NAMES:
        what = f"{source[:80]} holds the files that Homeport runs the app from."
        yield mount.scope.finding("bind-project-files", what, "Mount a folder below: `./data:/data`.")
    elif ":" in inside:
        what = f"{source[:80]!r} has a colon, at which Docker would part it."
        yield mount.scope.finding("bind-path", what, "Give the folder another name.")
    elif any(name in inside for name in ORDER):
        what = f"With its placeholder filled, {source[:80]} could be another folder than the one seen here."
        remedy = "Leave it out: the project's folder is the app's own already."
        yield mount.scope.finding("bind-placeholder", what, remedy)


def _inside(source: str) -> str | None:
    if source.startswith(_PROJECT):
        filled = replace_placeholders(source, {_PROJECT: _ROOT})
    elif source == "." or source.startswith(("./", "../")):
        filled = f"{_ROOT}/{source}"
    else:
        return None
    # A placeholder further inside, a variable or a blank end would make another path of it than the one seen.
    if (
        _PROJECT in source.removeprefix(_PROJECT)
        or any(char in filled for char in "$~\\")
        or not filled.isprintable()
        or filled != filled.strip()
    ):
        return None
    path = posixpath.normpath(filled)
    if path == _ROOT:
        return "."
    return path.removeprefix(_ROOT + "/") if path.startswith(_ROOT + "/") else None
