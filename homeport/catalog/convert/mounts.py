"""Gives what a draft's services mount its place: folders of the project, paths of the box, files, volumes."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homeport.catalog.convert.draft import Note, assumed, changed, dropped
from homeport.catalog.policy_rules import CLOCK_FILES, MOUNT_MODES, RESERVED_NAMES

SOCKET: Final = "/var/run/docker.sock"

_PIECES: Final = re.compile(r"(?:<[^<>]*>|^[A-Za-z]:(?=[\\/])|[^:])*")
_VOLUME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SHORTEST: Final = 2  # Docker's rule for volumes; one letter would be a drive of Windows
_OF_ITS_OWN: Final = frozenset({"z", "Z", "nocopy"})
"""Options that the policy knows for what is the app's own alone."""
_PLAIN_RELATIVE: Final = re.compile(r"(?:\./)?[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*/?")
_OF_THE_BOX: Final = re.compile(
    r"/(?:(?:media|mnt|proc|sys|run|var/run|var/log|usr|lib|lib64|bin|sbin|boot|etc|dev|var/lib/docker"
    r"|srv/(?:media|movies|tv|shows|series|music|photos|pictures|videos?|books|audiobooks|comics|podcasts)"
    r")(?:/.*)?|(?:home|opt|srv|var|var/lib|root)?/?)",
    re.IGNORECASE,
)
"""Paths that are there for other things than one app."""
_MOST: Final = 100  # as many as app.yml may list
_OF_THE_SYSTEM: Final = re.compile(r"/(?:usr|lib|lib64|boot|proc|sys)(?:/|$)")
_EXAMPLES: Final = re.compile(
    r"<|(?:/?|.*/)(?:path|your|example|absolute)[/_ -]|\.{1,2}/?$|~/?$", re.IGNORECASE
)
"""What people write in place of a path."""
_SETTINGS_FILE: Final = re.compile(
    r".+\.(?:conf|cfg|cnf|ini|ya?ml|toml|json|xml|properties|php|sh|lua|env|txt|html?|pem|crt|cer|key|pub|lst|list|rules)",
    re.IGNORECASE,
)
_WRITTEN_FILE: Final = re.compile(r".+\.(?:db|sqlite3?|log|lock|dat)|acme\.json", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One mount, whatever syntax it was written in; `options` are what only the long one has."""

    kind: str
    source: str
    target: str
    modes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_read_only(self) -> bool:
        """Whether the container only reads it."""
        return "ro" in self.modes

    def shown(self) -> str:
        """The mount in short syntax, as people know it."""
        return ":".join(part for part in (self.source, self.target, ",".join(self.modes)) if part)


def read_mount(item: Any) -> Mount:
    """The mount that an item of a service's `volumes` asks for."""
    if isinstance(item, Mapping):
        rest = {
            key: value for key, value in item.items() if key not in ("type", "source", "target", "read_only")
        }
        kind = str(item.get("type") or "volume")
        modes = ("ro",) if item.get("read_only") in (True, "true") else ()
        source, target = str(item.get("source") or ""), str(item.get("target") or "")
        return Mount(kind=kind, source=source, target=target, modes=modes, options=rest)
    parts = [piece for piece in _PIECES.findall(str(item)) if piece] or [""]
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    modes = tuple(mode for mode in (parts[2].split(",") if len(parts) > 2 else []) if mode)
    kind = "volume" if not source or _VOLUME.fullmatch(source) else "bind"
    return Mount(kind=kind, source=source, target=target, modes=modes)


class MountPlacer:
    """Places the mounts of all services of one definition, so that no two folders meet.

    Afterwards `data` has the owner's folders, `configs` and `files` what is mounted from files of the
    definition, `volumes` the volumes that are used, each with the name that it had ("" for none).
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self.data: list[str] = []
        self.configs: dict[str, dict[str, str]] = {}
        self.files: dict[str, str] = dict(files)
        self.volumes: dict[str, str] = {}
        self.notes: list[Note] = []
        self._folders: dict[tuple[str, str], str] = {}

    def place(self, name: str, service: dict[str, Any]) -> None:
        """Replaces the service's `volumes` by what a definition may say."""
        placed: list[Any] = []
        for item in service.pop("volumes", None) or ():
            mount = read_mount(item)
            if not mount.target.startswith("/") or "<" in mount.target:
                self.notes.append(
                    dropped(mount.shown() or "a mount", "It does not say where in the container.")
                )
                continue
            if len(self.data) + len(self.files) + len(self.volumes) >= _MOST:
                self.notes.append(dropped(mount.shown(), f"{_MOST} folders and files are the most."))
                continue
            placed += self._placed(name, service, mount)
        unique = {str(item): item for item in placed}
        if unique:
            service["volumes"] = list(unique.values())

    def _placed(self, name: str, service: dict[str, Any], mount: Mount) -> Iterator[Any]:
        match mount.kind:
            case "volume":
                yield self._volume(mount)
            case "bind":
                yield from self._bind(name, service, mount)
            case "tmpfs":
                yield {"type": "tmpfs", "target": mount.target, **_known(mount.options, "tmpfs")}
            case _:
                why = "Only folders, volumes and tmpfs are mounted."
                self.notes.append(dropped(f"{mount.kind} on {mount.target}", why))

    def _volume(self, mount: Mount) -> str:
        source = mount.source
        if not source:
            source = self._free_volume(_folder_names(mount.target, ""), "")
            why = f"A volume without a name would be lost with its container; it is named {source}."
            self.notes.append(changed(mount.target, why))
        elif len(source) < _SHORTEST:
            source = self._free_volume([source], source)
            why = f"A name of one letter would be a drive of Windows; the volume is named {source}."
            self.notes.append(changed(mount.shown(), why))
        self.volumes.setdefault(source, source)
        options = mount.options.get("volume")
        modes = ("nocopy",) if isinstance(options, Mapping) and options.get("nocopy") else ()
        return self._short(source, mount, (*mount.modes, *modes))

    def _free_volume(self, names: list[str], stood: str) -> str:
        """The name of the volume that was called so, the same for all who mount it."""
        known = next((name for name, given in self.volumes.items() if stood and given == stood), None)
        if known is None:
            begun = [name.lstrip("_") or "data" for name in names]
            long = [name if len(name) >= _SHORTEST else f"{name}-data" for name in begun]
            known = self._free(long, list(self.volumes))
            self.volumes[known] = stood
        return known

    def _bind(self, name: str, service: dict[str, Any], mount: Mount) -> Iterator[str]:
        source = _normal(mount.source)
        if source.startswith("./") and source[2:] in self.files:
            yield from self._file(name, service, mount, source[2:])
        elif posixpath.basename(source) == "docker.sock":
            yield self._short(SOCKET, mount, self._foreign(mount, mount.modes))
        elif source in CLOCK_FILES:
            yield f"{source}:{mount.target}:ro"
        elif source.startswith("/dev/") and source != "/dev/shm":  # noqa: S108
            why = "What is below /dev is a device; it stands under `devices`."
            self.notes.append(changed(mount.shown(), why))
            service.setdefault("devices", []).append(f"{source}:{mount.target}")
        elif _OF_THE_BOX.fullmatch(source) and not (source.startswith("/etc/") and not mount.is_read_only):
            yield self._of_the_box(source, mount)
        elif _WRITTEN_FILE.fullmatch(posixpath.basename(mount.target)):
            why = "It is a single file that the app writes; mount the folder that it lies in."
            self.notes.append(dropped(mount.shown(), why))
        elif _SETTINGS_FILE.fullmatch(posixpath.basename(mount.target)):
            yield from self._file(name, service, mount, None)
        else:
            yield self._folder(name, mount, source)

    def _of_the_box(self, source: str, mount: Mount) -> str:
        modes = mount.modes
        if _OF_THE_SYSTEM.match(source) and not mount.is_read_only:
            modes = ("ro",)
            self.notes.append(changed(mount.shown(), f"{source} is the system's own: it is only read."))
        short = self._short(source, mount, self._foreign(mount, modes))
        why = f"{source} stays a path of the box: it has to be there, and its owner has to allow it."
        self.notes.append(assumed(short, why))
        return short

    def _foreign(self, mount: Mount, modes: tuple[str, ...]) -> tuple[str, ...]:
        """The options that a mount of what is not the app's own may have."""
        if taken := _OF_ITS_OWN & set(modes):
            why = "What is not the app's own is mounted as it is."
            self.notes.append(dropped(f"{mount.shown()}: {', '.join(sorted(taken))}", why))
        return tuple(mode for mode in modes if mode not in _OF_ITS_OWN)

    def _folder(self, name: str, mount: Mount, source: str) -> str:
        folder = self._folder_of(name, mount, source)
        if folder not in self.data:
            self.data.append(folder)
        if source != f"./{folder}":
            self.notes.append(changed(mount.shown(), f"It is the app's own folder ./{folder}."))
        return self._short(f"./{folder}", mount, mount.modes)

    def _folder_of(self, name: str, mount: Mount, source: str) -> str:
        known = (source, mount.target if _EXAMPLES.match(source) else "")
        if known not in self._folders:
            names = _folder_names(mount.target, name)
            if own := _plain(posixpath.basename(source.rstrip("/")) if not source.endswith(">") else ""):
                names.insert(1, own)
            if source.startswith("./") and _PLAIN_RELATIVE.fullmatch(source):
                names.insert(0, source[2:])
            self._folders[known] = self._free(names, [*self._folders.values(), *self.files])
        return self._folders[known]

    def _free(self, names: list[str], taken: list[str]) -> str:
        """The first name that is neither taken nor above or below one that is."""
        numbered = (f"{names[-1]}-{number}" for number in range(2, 10_000))
        for name in (*names, *numbered):
            is_ours = name.split("/", 1)[0].lower() in RESERVED_NAMES
            if not is_ours and not any(_meet(name.lower(), other.lower()) for other in taken):
                return name
        return names[-1]

    def _file(self, name: str, service: dict[str, Any], mount: Mount, file: str | None) -> Iterator[str]:
        """Mounts a file of the definition: as a config, which is read only."""
        if file is None:
            base = _plain(posixpath.basename(mount.target))
            file = self._free(
                [base, f"{name}-{base}"], [*self.files, "docker-compose.yml", "app.yml", *self.data]
            )
            self.files[file] = "\n"
            why = (
                f"It is the file {file} of the definition, which is empty: write what the app needs into it."
            )
            self.notes.append(assumed(mount.shown(), why))
        key = _plain(file)
        self.configs[key] = {"file": f"./{file}"}
        service.setdefault("configs", []).append({"source": key, "target": mount.target})
        yield from ()

    def _short(self, source: str, mount: Mount, modes: tuple[str, ...]) -> str:
        odd = [mode for mode in modes if mode not in MOUNT_MODES]
        if odd:
            self.notes.append(
                dropped(f"{mount.shown()}: {', '.join(odd)}", "Homeport has no such option of mounts.")
            )
        kept = [mode for mode in modes if mode in MOUNT_MODES and mode != "rw"]
        return ":".join(part for part in (source, mount.target, ",".join(dict.fromkeys(kept))) if part)


def _meet(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _known(options: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {key: options[key]} if options.get(key) else {}


def _normal(source: str) -> str:
    """The path in one way of writing; relative ones begin with `./` where they stay inside."""
    path = source.replace("\\", "/")
    if path.startswith("WEBAPP_PATH"):
        path = "." + path.removeprefix("WEBAPP_PATH")
    if path.startswith("/"):
        return posixpath.normpath("/" + path.lstrip("/"))
    if path.startswith(("~", "<")) or re.match(r"[A-Za-z]:", path):
        return path
    plain = posixpath.normpath(path)
    return plain if plain == "." or plain.startswith("..") else f"./{plain}"


def _folder_names(target: str, service: str) -> list[str]:
    """What a folder for this path in the container may be called, the best first."""
    parts = [plain for part in target.split("/") if (plain := _plain(part))] or ["data"]
    names = [parts[-1]]
    if len(parts) > 1:
        names.append(f"{parts[-2]}-{parts[-1]}")
    if service:
        names.append(f"{_plain(service)}-{parts[-1]}")
    return [name if name not in RESERVED_NAMES else f"{name}-data" for name in names]


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:60]
