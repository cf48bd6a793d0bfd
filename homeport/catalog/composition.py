"""Settles `extends`, `env_file` and files of `configs`, so that the template stands alone.

Compose gets only what we rendered, so what other files of the definition add is read here, by Compose's rules
(compose-spec, "Extend" and "env_file").
"""

import copy
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Never

from homeport.catalog.env_files import parse_env_file
from homeport.catalog.yaml12 import MAX_BYTES, MAX_NODES, YamlDocument
from homeport.errors import DefinitionInvalidError, Finding

Template = dict[str, Any]
ReadFile = Callable[[str], bytes]
ReadTemplate = Callable[[str], YamlDocument]

_REPLACED: Final = frozenset({"command", "entrypoint", "gpus", "test"})
"""Lists that the extending service replaces as a whole."""
_VARIABLES: Final = frozenset({"environment", "labels", "args", "sysctls"})
_BY_NAME: Final = frozenset({"depends_on", "networks"})
_MAX_CHAIN: Final = 16
_MAX_FILES: Final = 16
_MAX_READ_BYTES: Final = 4 * MAX_BYTES
_OCTAL_MODE: Final = re.compile(r"[0-7]{1,5}")


def escape_dollars(text: str) -> str:
    """The text as Compose reads it back unchanged: a dollar sign is written twice."""
    return text.replace("$", "$$")


def settle(
    document: YamlDocument, *, template: Template, read_file: ReadFile, read_template: ReadTemplate
) -> Template:
    """A copy of the template without `extends`, `env_file` and `configs` from files.

    Args:
        document: what the template came from, for findings.
        template: the parsed file.
        read_file: gives a file of the definition by its name.
        read_template: gives another compose file of the definition, checked.

    Raises:
        DefinitionInvalidError: a file or service is missing or wrong, or services extend in a circle.
    """
    settled = copy.deepcopy(template)
    services = settled["services"]
    bounds = _Bounds(document, read_file, read_template)
    read_file = bounds.read_file
    for name in services:
        extended = _extended(document, template, name, bounds.read_template, ())
        if "env_file" in extended:
            extended = _with_env_files(extended, read_file)
        bounds.count(extended, name)
        _number_modes(extended)
        services[name] = extended
    for config in (settled.get("configs") or {}).values():
        if config and "file" in config:
            config["content"] = escape_dollars(_text(read_file, config.pop("file")))
    return settled


class _Bounds:
    """What one compose file may take from others: a few lines can ask for one file a thousand times."""

    def __init__(self, document: YamlDocument, read_file: ReadFile, read_template: ReadTemplate) -> None:
        self._document = document
        self._read_file = read_file
        self._read_template = read_template
        self._templates: dict[str, YamlDocument] = {}
        self._bytes = self._nodes = 0

    def read_file(self, name: str) -> bytes:
        """A file of the definition; each time that it is asked for counts."""
        raw = self._read_file(name)
        self._bytes += len(raw)
        if self._bytes > _MAX_READ_BYTES:
            self._refuse((), f"Its files have more than {_MAX_READ_BYTES:,} bytes, counted each time.")
        return raw

    def read_template(self, name: str) -> YamlDocument:
        """Another compose file; each is read once."""
        if name not in self._templates:
            if len(self._templates) >= _MAX_FILES:
                self._refuse((), f"It extends services of more than {_MAX_FILES} files.")
            self._templates[name] = self._read_template(name)
        return self._templates[name]

    def count(self, service: Mapping[str, Any], name: str) -> None:
        """Counts the service's values, those that came from elsewhere included."""
        self._nodes += _size(service)
        if self._nodes > MAX_NODES:
            what = f"With what they extend and their files the services have more than {MAX_NODES:,} values."
            self._refuse(("services", name), what)

    def _refuse(self, path: tuple[str, ...], what: str) -> Never:
        _refuse(self._document, path, "file-too-large", what, "Write less, or put it into an image.")


def _size(node: Any) -> int:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return 1 + sum(_size(item) for item in inner)


def fill_settings(template: Template, settings: Mapping[str, str]) -> Template:
    """A copy in which variables of services without a value have the setting's of their name.

    `settings` maps names to defaults; names that it lacks stay without a value.
    """
    filled = copy.deepcopy(template)
    services = filled.get("services")
    for service in services.values() if isinstance(services, dict) else ():
        environment = service.get("environment") if isinstance(service, dict) else None
        if isinstance(environment, dict):
            for name, value in environment.items():
                if value is None and name in settings:
                    environment[name] = escape_dollars(settings[name])
        elif isinstance(environment, list):
            service["environment"] = [
                f"{item}={escape_dollars(settings[item])}" if item in settings else item
                for item in environment
            ]
    return filled


def _extended(
    document: YamlDocument, template: Template, name: str, read_template: ReadTemplate, chain: tuple[str, ...]
) -> dict[str, Any]:
    service = copy.deepcopy(template["services"][name])
    extends = service.pop("extends", None)
    if extends is None:
        return dict(service)
    path = ("services", name, "extends")
    base, file = (extends, None) if isinstance(extends, str) else (extends["service"], extends.get("file"))
    source, source_template = document, template
    if file is not None and posixpath.normpath(file) != document.file:
        if "/" in posixpath.normpath(file):
            what = f"{file} is in a folder of its own."
            _refuse(document, path, "extends-folder", what, "Put it beside the compose file.")
        source = read_template(posixpath.normpath(file))
        source_template = source.value
    here = f"{source.file}:{base}"
    if here in chain or len(chain) >= _MAX_CHAIN:
        _refuse(
            document, path, "extends-circle", f"{name} and {base} extend each other.", "Break the circle."
        )
    if base not in source_template["services"]:
        what = f"There is no service {base!r} in {source.file}."
        _refuse(document, path, "service-unknown", what, "Name one that is there.")
    below = _extended(source, source_template, base, read_template, (*chain, here))
    return merge_service(below, service)


def _refuse(document: YamlDocument, path: tuple[str, ...], rule: str, what: str, remedy: str) -> Never:
    raise DefinitionInvalidError(
        f"{document.file} is not valid.", [document.finding(path, rule, what, remedy)]
    )


def merge_service(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The service `below` with what `above` says: mappings and lists joined, all else replaced."""
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _merged(key, merged[key], value) if merged.get(key) is not None else value
    return merged


def _merged(key: str, below: Any, above: Any) -> Any:
    if above is None or key in _REPLACED:
        return above
    if key in _VARIABLES:
        return as_variables(below) | as_variables(above)
    if key in _BY_NAME:
        below, above = _as_named(key, below), _as_named(key, above)
    if key == "volumes":
        taken = {_target(item) for item in above}
        return [item for item in below if _target(item) not in taken] + above
    if isinstance(below, dict) and isinstance(above, dict):
        return merge_service(below, above)
    if isinstance(below, list) or isinstance(above, list):
        below, above = ([part] if isinstance(part, str) else part for part in (below, above))
        return [*below, *(item for item in above if item not in below)]
    return above


def as_variables(given: Any) -> dict[str, Any]:
    """A mapping of variables, also of a list of NAME=value; None where a name has no value."""
    if isinstance(given, dict):
        return given
    pairs = (item.partition("=") for item in given or ())
    return {name: value if sign else None for name, sign, value in pairs}


def _as_named(key: str, given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return given
    return {name: {"condition": "service_started"} if key == "depends_on" else None for name in given}


def _target(mount: Any) -> str:
    if isinstance(mount, dict):
        return str(mount.get("target"))
    parts = str(mount).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _with_env_files(service: dict[str, Any], read_file: ReadFile) -> dict[str, Any]:
    listed = service.pop("env_file")
    variables: dict[str, Any] = {}
    for item in listed if isinstance(listed, list) else [listed]:
        entry = item if isinstance(item, dict) else {"path": item}
        name = posixpath.normpath(entry["path"])
        try:
            raw = read_file(name)
        except DefinitionInvalidError as error:
            if entry.get("required") in (False, "false") and error.findings[0].rule == "file-missing":
                continue
            raise
        found = parse_env_file(raw, file=name, literal=entry.get("format") == "raw")
        variables |= {key: escape_dollars(value) for key, value in found.items()}
    service["environment"] = variables | as_variables(service.get("environment"))
    return service


def _number_modes(service: dict[str, Any]) -> None:
    """File modes with a leading zero, which were read as text, become the numbers that Compose wants."""
    places = [item for item in service.get("configs") or () if isinstance(item, dict)]
    mounts = (item.get("tmpfs") for item in service.get("volumes") or () if isinstance(item, dict))
    for place in [*places, *(tmpfs for tmpfs in mounts if isinstance(tmpfs, dict))]:
        mode = place.get("mode")
        if isinstance(mode, str) and _OCTAL_MODE.fullmatch(mode):
            place["mode"] = int(mode, 8)


def _text(read_file: ReadFile, name: str) -> str:
    normal = posixpath.normpath(name)
    try:
        return read_file(normal).decode("utf-8")
    except UnicodeDecodeError as error:
        what, remedy = "A config's file is not UTF-8 text.", "Save it as UTF-8, or copy it in a Dockerfile."
        finding = Finding(file=normal, key="file", line=None, rule="config-text", what=what, remedy=remedy)
        raise DefinitionInvalidError(f"{normal} cannot be read.", [finding]) from error
