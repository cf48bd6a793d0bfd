"""Writes a draft down as a definition that passes the policy, and says what has no place in one."""

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from homeport.catalog.composition import escape_dollars, settle
from homeport.catalog.convert.conversion import Conversion
from homeport.catalog.convert.draft import Draft, Note, assumed, changed, dropped
from homeport.catalog.convert.mounts import MountPlacer
from homeport.catalog.convert.ports import place_ports
from homeport.catalog.convert.prune import prune_template
from homeport.catalog.convert.variables import place_variables
from homeport.catalog.crosscheck import check_definition
from homeport.catalog.definition import APP_FILE, parse_definition
from homeport.catalog.sizes import parse_size
from homeport.catalog.yaml12 import dump_yaml, load_yaml
from homeport.errors import DefinitionInvalidError, NotConvertibleError
from homeport.permissions import Permission

COMPOSE_FILE: Final = "docker-compose.yml"

_FIRST: Final = (
    "image", "build", "container_name", "hostname", "domainname", "entrypoint", "command", "user",
    "group_add", "working_dir", "restart", "depends_on", "links", "network_mode", "networks", "environment",
    "env_file", "ports", "expose", "volumes", "volumes_from", "tmpfs", "configs", "devices", "gpus",
    "privileged", "cap_add", "cap_drop", "security_opt", "sysctls",
)  # fmt: skip
"""The order of a service's keys; others follow as they came."""

_OWN_NAME: Final = "APP_IDENTIFIER"
_VERSION: Final = re.compile(r"v?(?=[0-9])[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SMALLEST_MEMORY: Final = 6 * 1024 * 1024


def write_definition(draft: Draft) -> Conversion:
    """The draft as a definition: app.yml, docker-compose.yml, and the files that they name.

    Host paths become folders of the project where they hold the app's own data, the web page's port becomes
    HOST_PORT, variables that each box has its own value for become settings, permissions are declared as the
    policy needs them, and what the policy refuses is dropped. The same draft gives the same text.

    Raises:
        NotConvertibleError: nothing that could run is left.
    """
    if not draft.services:
        raise NotConvertibleError(
            "There is no service in it.", remedy="Give a line or file that runs an image."
        )
    return _Writer(draft).write()


class _Writer:
    """One draft on its way to files."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._notes: list[Note] = list(draft.notes)
        self._services: dict[str, dict[str, Any]] = copy.deepcopy(
            {name: dict(service) for name, service in draft.services.items()}
        )
        self._mounts = MountPlacer(draft.files)

    def write(self) -> Conversion:
        for name, service in self._services.items():
            _name_version(service, self._notes)
            self._mounts.place(name, service)
            self._place_env_files(name, service)
            _place_restart(service, self._notes)
        self._notes += self._mounts.notes
        settings = place_variables(self._services, self._draft.hints, self._notes)
        limits = _take_limits(self._services, self._notes)
        web = place_ports(self._services, self._notes)
        if web is None:
            why = "No port of it is known as a page's; if there is one, name it under `web` in app.yml."
            self._notes.append(assumed("no web page", why))
        self._name_containers(web)
        template = self._template()
        permissions = prune_template(template, settings, self._notes)
        app = self._app(template, web, limits, settings, permissions)
        files = {APP_FILE: dump_yaml(app), COMPOSE_FILE: dump_yaml(template), **self._mounts.files}
        _check(files)
        return Conversion(
            name=app["name"], files=files, notes=tuple(dict.fromkeys(self._notes)), permissions=permissions
        )

    def _template(self) -> dict[str, Any]:
        services = {name: _ordered(service) for name, service in self._services.items()}
        volumes = {name: self._draft.volumes.get(stood) or {} for name, stood in self._mounts.volumes.items()}
        configs = {**self._draft.configs, **self._mounts.configs}
        sections = {"networks": dict(self._draft.networks), "volumes": volumes, "configs": configs}
        whole = {"services": services, **{name: section for name, section in sections.items() if section}}
        return dict(_escaped(copy.deepcopy(whole)))

    def _app(
        self,
        template: Mapping[str, Any],
        web: tuple[str, int] | None,
        limits: Mapping[str, Any],
        settings: Mapping[str, Any],
        permissions: tuple[Permission, ...],
    ) -> dict[str, Any]:
        name = label(self._draft.name)
        main = self._main(web)
        app = {
            "name": name,
            "title": (self._draft.title or name.replace("-", " ").title())[:100],
            "version": _version(template["services"][main]),
            "web": {"service": web[0], "port": web[1]} if web else None,
            "data": self._mounts.data,
            "limits": limits,
            "permissions": [str(permission) for permission in permissions],
            "settings": settings,
        }
        return {key: value for key, value in app.items() if value}

    def _main(self, web: tuple[str, int] | None) -> str:
        named = [
            name for name, service in self._services.items() if service.get("container_name") == _OWN_NAME
        ]
        if named:
            return named[0]
        if self._draft.main in self._services:
            return str(self._draft.main)
        return web[0] if web else next(iter(self._services))

    def _name_containers(self, web: tuple[str, int] | None) -> None:
        """The main service's container is named as the app; others reach any by the name that it had."""
        main = self._main(web)
        for name, service in self._services.items():
            given = service.pop("container_name", None)
            if name == main:
                service["container_name"] = _OWN_NAME
            elif given and _OWN_NAME in str(given):
                service["container_name"] = given
            if not given or given == name or _OWN_NAME in str(given) or len(self._services) == 1:
                continue
            if not service.get("network_mode"):
                _add_alias(service, str(given))
                why = (
                    f"A container's name is the box's; within the app, {name} is reached by it all the same."
                )
                self._notes.append(changed(f"container_name: {given}", why))

    def _place_env_files(self, name: str, service: dict[str, Any]) -> None:
        """Files of variables are files of the definition; what is not there begins empty."""
        listed = service.pop("env_file", None)
        kept = []
        for item in listed if isinstance(listed, list) else [listed] if listed else []:
            path = str(item.get("path") if isinstance(item, dict) else item)
            inside = path.removeprefix("./")
            if inside not in self._mounts.files:
                base = re.sub(r"[^A-Za-z0-9._-]+", "-", path.rpartition("/")[2]).strip("-.")
                base = "variables" if base in ("", "env") else base
                inside = f"{base}.env" if "." not in base else base
                self._mounts.files.setdefault(inside, "")
                why = f"It is the file {inside} of the definition, which is empty: write NAME=value into it."
                self._notes.append(assumed(f"env_file {path}", why))
            kept.append(f"./{inside}")
        if kept:
            service["env_file"] = list(dict.fromkeys(kept))


def label(text: str) -> str:
    """The text as a definition's name: a-z, 0-9 and inner hyphens, two characters at least."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-")
    return plain if len(plain) > 1 else f"{plain}-app".lstrip("-")


def _ordered(service: Mapping[str, Any]) -> dict[str, Any]:
    keys = [*(key for key in _FIRST if key in service), *(key for key in service if key not in _FIRST)]
    return {key: service[key] for key in keys}


def _escaped(node: Any) -> Any:
    match node:
        case str():
            return escape_dollars(node)
        case dict():
            return {key: _escaped(value) for key, value in node.items()}
        case list() | tuple():
            return [_escaped(item) for item in node]
        case _:
            return node


def _name_version(service: dict[str, Any], notes: list[Note]) -> None:
    """An image without a tag is its registry's `latest`, which is said."""
    image = service.get("image")
    if not isinstance(image, str) or "@" in image:
        return
    name, _, tag = image.rpartition("/")[2].partition(":")
    if not tag and name:
        service["image"] = f"{image}:latest"
    if tag in ("", "latest"):
        why = "It changes without notice; name a version, so that every box runs what was checked."
        notes.append(assumed(f"{image.removesuffix(':latest')}:latest", why))


def _version(service: Mapping[str, Any]) -> str:
    tag = str(service.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[2]
    return tag if _VERSION.fullmatch(tag) else "1.0"


def _place_restart(service: dict[str, Any], notes: list[Note]) -> None:
    if not service.get("restart"):
        service["restart"] = "unless-stopped"
        notes.append(
            assumed(
                "restart: unless-stopped", "Nothing was said, and an app is there after a restart of the box."
            )
        )


def _take_limits(services: Mapping[str, dict[str, Any]], notes: list[Note]) -> dict[str, Any]:
    """What the services limit themselves to, as app.yml says it."""
    found = {name: _limits_of(service, notes) for name, service in services.items()}
    found = {name: limits for name, limits in found.items() if limits}
    if len(services) == 1:
        return next(iter(found.values()), {})
    return {"services": found} if found else {}


def _limits_of(service: dict[str, Any], notes: list[Note]) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for key, name, read in (
        ("cpus", "cpus", _cores),
        ("mem_limit", "memory", _memory),
        ("pids_limit", "pids", _pids),
    ):
        if (given := service.pop(key, None)) is None:
            continue
        try:
            limits[name] = read(str(given))
        except ValueError:
            notes.append(dropped(f"{key}: {given}", f"It is no limit of {name} that Homeport knows."))
    return limits


def _cores(text: str) -> float:
    return _within(float(text), 0, 1024)


def _memory(text: str) -> str:
    size = int(_within(parse_size(text), _SMALLEST_MEMORY - 1, 1 << 50))
    for unit, power in (("G", 3), ("M", 2), ("K", 1)):
        if size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return str(size)


def _pids(text: str) -> int:
    return int(_within(int(text), 0, 4_194_304))


def _within(number: float, above: float, most: float) -> float:
    if not above < number <= most:
        raise ValueError(f"{number} is out of range")
    return number


def _add_alias(service: dict[str, Any], alias: str) -> None:
    given = service.get("networks") or ["default"]
    networks = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given)
    first = next(iter(networks))
    inner = dict(networks[first] or {})
    inner["aliases"] = list(dict.fromkeys([*inner.get("aliases", ()), alias]))
    service["networks"] = {**networks, first: inner}


def _check(files: Mapping[str, str]) -> None:
    """A definition whose parts do not fit each other is none."""
    app = load_yaml(files[APP_FILE].encode(), file=APP_FILE)
    document = load_yaml(files[COMPOSE_FILE].encode(), file=COMPOSE_FILE)

    def read(name: str) -> bytes:
        if name not in files:
            finding = document.finding((), "file-missing", f"{name} was not there.", "Add it.")
            raise DefinitionInvalidError(f"{name} cannot be read.", [finding])
        return files[name].encode()

    settled = settle(
        document,
        template=document.value,
        read_file=read,
        read_template=lambda name: load_yaml(read(name), file=name),
    )
    findings = check_definition(app, document, settled, parse_definition(app))
    if findings:
        why = "\n".join(str(finding) for finding in findings)
        raise NotConvertibleError("What was read does not fit together.", why=why, remedy="Write it anew.")
