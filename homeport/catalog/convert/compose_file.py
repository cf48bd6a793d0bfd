"""Reads compose files of any age: version 1 (services at the top), 2, 3, and those without a version.

Written by Compose's former references of the three versions and by today's compose-spec. Nothing but the
given texts is read: variables come from the given ones, or become the owner's settings.
"""

import copy
import posixpath
import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Never

from homeport.catalog.composition import as_variables
from homeport.catalog.convert.compose_old import LEFT_OUT, modernize_service
from homeport.catalog.convert.compose_variables import Filled, WrongVariableError, fill_variables
from homeport.catalog.convert.draft import Draft, Note, NoteKind
from homeport.catalog.convert.places import is_in_app, resolve, seen_from
from homeport.catalog.env_files import parse_env_file
from homeport.catalog.yaml12 import KeyPath, YamlDocument, key_text, load_yaml
from homeport.errors import DefinitionInvalidError, NotConvertibleError

MAX_BYTES: Final = 256 * 1024
_MOST_SETTINGS: Final = 300
"""An owner would have to give as many values."""
_MOST_NAMED: Final = 20  # variables, in one sentence
_LONGEST: Final = 400

_IDENTIFIER: Final = "APP_IDENTIFIER"
_KNOWN_TOP: Final = frozenset({"services", "volumes", "networks", "configs"})
_SILENT_TOP: Final = frozenset({"version", "name"})
_SAY_NOTHING: Final = frozenset({"app", "main", "server", "service", "site", "web", "www"})
_OPEN_LINE: Final = re.compile(
    r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*(?:=(\s*[^'\s].*\$[A-Za-z_{].*|\s*\$[A-Za-z_{].*))?"
)
"""A line of an env file that is made of other variables, or has no value."""
_PLACES: Final = {"PWD": ".", "HOME": "~"}
"""What is known where a path of the box is named; anywhere else it is another on each box."""
_WITHOUT_ENVIRONMENT: Final = "A definition takes nothing from the environment of the box."


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What stood beside a compose file."""

    file: str = "docker-compose.yml"
    folder: str = "."
    """Where it stood, as seen from the app's folder, or absolute."""
    first_line: int = 1
    """Where it begins, if it stood within another text."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Texts by path, relative to the compose file."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the environment would hold; those of a file `.env` are added."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What stands behind variables that are not known."""


def read_compose(text: str, *, name: str | None = None, around: Surroundings | None = None) -> Draft:
    """The app that a compose file describes.

    Raises:
        NotConvertibleError: it is no YAML, too large, or has no services.
    """
    return _Reading(text, around or Surroundings()).draft(name)


class _Reading:
    """One compose file on its way to a draft."""

    def __init__(self, text: str, around: Surroundings) -> None:
        self._around = around
        self._notes: list[Note] = []
        self._hints: dict[str, str] = {}
        self._wants: dict[str, list[str]] = {}
        self._variables = dict(around.variables)
        self._document = self._load(text)
        env = around.files.get(".env")
        if env is not None:
            self._variables = self._own_environment(env) | self._variables

    def draft(self, name: str | None) -> Draft:
        """The file's services and what belongs to them."""
        top = self._modern_top()
        services: dict[str, dict[str, Any]] = {}
        for service, given in top["services"].items():
            if not isinstance(given, dict):
                self._refuse(
                    ("services", service), f"The service {service!r} is no mapping.", "Give it an image."
                )
            services[service] = self._service(service, given)
        volumes = self._declared(top, "volumes")
        for service in services.values():
            volumes |= {volume: {} for volume in _named_volumes(service) if volume not in volumes}
        self._tell_shared()
        main = _main(services)
        return Draft(
            name=name or _text_or(top.get("name")) or _app_name(main or next(iter(services)), services),
            services=services,
            volumes=volumes,
            networks=self._declared(top, "networks"),
            configs=self._configs(top),
            main=main,
            hints=self._hints,
            notes=tuple(self._notes),
        )

    def _load(self, text: str) -> YamlDocument:
        raw = text.encode("utf-8", "surrogatepass")
        if len(raw) > MAX_BYTES:
            self._refuse((), f"The file has {len(raw):,} bytes.", "256 KiB is the most.", line=1)
        try:
            return load_yaml(raw, file=self._around.file)
        except DefinitionInvalidError as error:
            finding = error.findings[0]
            line = (finding.line or 1) + self._around.first_line - 1
            self._refuse((), finding.what, finding.remedy, line=line)

    def _modern_top(self) -> dict[str, Any]:
        """The document with `services`, also of version 1, in which they stand at the top."""
        top = copy.deepcopy(self._document.value)
        if not isinstance(top, dict) or not top:
            self._refuse((), "The file has no services.", "Give a compose file: services with an image each.")
        self._prefix: KeyPath = ("services",)
        if "services" not in top:
            top = {key: one for key, one in top.items() if key not in _SILENT_TOP or isinstance(one, dict)}
            if not top:
                self._refuse((), "The file has no services.", "Give each an image, under `services`.")
            for key, one in top.items():
                if not isinstance(one, dict) or not {"image", "build", "extends"} & one.keys():
                    what = f"There is no key `services`, and {key!r} is no service of the old kind."
                    self._refuse((key,), what, "Give each service an image, or put them under `services`.")
            self._prefix = ()
            return {"services": top}
        if not isinstance(top["services"], dict) or not top["services"]:
            self._refuse(("services",), "The file has no services.", "Give it at least one, with an image.")
        for key in top:
            if key not in _KNOWN_TOP | _SILENT_TOP and not key.startswith("x-"):
                self._drop((key,), LEFT_OUT.get(key, "Homeport knows no such key at the top of a file."))
        return top

    def _service(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The service by today's rules, its variables filled in."""
        path = (*self._prefix, name)
        service: dict[str, Any] = {}
        given = {key: value for key, value in given.items() if not key.startswith("x-")}
        environment = as_variables(
            self._checked_variables(given.pop("environment", None), (*path, "environment"))
        )
        for key, value in given.items():
            service[key] = self._filled(value, (*path, key))
        filled = {
            key: self._environment(value, (*path, "environment", key)) for key, value in environment.items()
        }
        extends = service.get("extends")
        if isinstance(extends, dict) and extends.get("file"):
            del service["extends"]
            why = f"The file {str(extends['file'])[:80]} is not here: write what it says into the service."
            self._drop((*path, "extends"), why)
        from_files = self._env_files(service.pop("env_file", None), (*path, "env_file"))
        if environment or from_files:
            service["environment"] = from_files | filled
        old = self._prefix == ()
        service, notes = modernize_service(
            service, self._document.value if old else self._document.value["services"]
        )
        for key, why in notes:
            self._drop((*path, *key.split(".")), why)
        if "volumes" in service:
            service["volumes"] = [self._mount(mount) for mount in _as_list(service["volumes"])]
        match service.get("build"):
            case str() as context:
                service["build"] = self._beside(context)
            case {"context": str() as context, **others}:
                service["build"] = {"context": self._beside(context), **others}
        return service

    def _checked_variables(self, given: Any, path: KeyPath) -> Any:
        is_list = isinstance(given, list) and all(isinstance(item, str) for item in given)
        if not is_list and given is not None and not isinstance(given, dict):
            self._refuse(path, "It is no list of NAME=value.", "Write NAME: value, or - NAME=value.")
        return given

    def _environment(self, value: Any, path: KeyPath) -> str | None:
        """A variable's value; None where the owner has to give it."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str):
            return None if value is None else str(value)
        filled = self._fill(value, path)
        if not filled.missing:
            self._tell_defaults(value, filled.defaults, path)
            return filled.text
        if len(self._hints) >= _MOST_SETTINGS:
            what = f"More than {_MOST_SETTINGS} variables are left open."
            self._refuse(path, what, "Write values in their places.")
        variable = str(path[-1])
        self._hints[variable] = self._named(filled.missing)
        for one in filled.missing:
            self._wants.setdefault(one, []).append(variable)
        shown = value[:_LONGEST]
        for one in filled.missing[:_MOST_NAMED]:
            shown = shown.replace(f"${{{one}}}", self._around.unknown.get(one, f"${{{one}}}"))
        self._note(NoteKind.CHANGED, path, f"{shown[:80]!r} became a setting: {_WITHOUT_ENVIRONMENT}")
        return None

    def _named(self, variables: tuple[str, ...]) -> str:
        """The variables as they stood there, or what they were made of."""
        shown = [self._around.unknown.get(one, f"${{{one}}}") for one in variables[:_MOST_NAMED]]
        return " and ".join([*shown, *(["others"] if len(variables) > _MOST_NAMED else [])])

    def _tell_shared(self) -> None:
        """Says where the same variable stood behind several settings."""
        for name, variables in self._wants.items():
            several = list(dict.fromkeys(variables))
            if len(several) > 1:
                what = ", ".join(several)
                why = f"All of them were made of ${{{name}}}: give them what fits together."
                self._notes.append(Note(kind=NoteKind.ASSUMED, what=what, why=why))

    def _filled(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, str) and "$" in value:
            filled = self._fill(value, path)
            self._tell_defaults(value, filled.defaults, path)
            if filled.missing:
                return self._without_value(value, filled.text, filled.missing, path)
            return filled.text
        if isinstance(value, dict):
            return {key: self._filled(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner, (*path, at)) for at, inner in enumerate(value)]
        return value

    def _without_value(self, text: str, filled: str, missing: tuple[str, ...], path: KeyPath) -> str:
        """What is made of a text with variables that nobody gives, outside the environment."""
        named = self._named(missing)
        if "volumes" in path:
            folders = {one: "./" + one.lower() for one in missing}
            folder = fill_variables(text, ChainMap(self._variables, folders, _PLACES)).text
            self._note(NoteKind.ASSUMED, path, f"Nobody says what {named} is; the folder is {folder!r}.")
            return folder
        if path[-1] == "image":
            filled = filled.rstrip(":")
        if "ports" in path:
            filled = filled.removeprefix(":")
        if path[-1] == "image" and (not filled or filled.startswith(("/", ":"))):
            what = f"Nobody says which image {text[:80]!r} is."
            self._refuse(path, what, "Write the image's name in its place.")
        self._note(
            NoteKind.ASSUMED, path, f"Nobody says what {named} is; {filled[:80]!r} stands in its place."
        )
        return filled

    def _fill(self, text: str, path: KeyPath) -> Filled:
        try:
            places = _PLACES if self._names_place(path) else {}
            return fill_variables(text, ChainMap(self._variables, places))
        except WrongVariableError:
            what = f"{text[:60]!r} has a $ that no variable follows."
            self._refuse(path, what, "A dollar sign is written $$, a variable ${NAME}.")

    def _names_place(self, path: KeyPath) -> bool:
        """Whether it is a path of the box: where a mount comes from, a build's folder, a file beside."""
        match path[len(self._prefix) + 1 :]:
            case ("volumes", int()) | ("volumes", int(), "source") | ("build",) | ("build", "context"):
                return True
            case ("env_file",) | ("env_file", int()) | ("env_file", int(), "path"):
                return True
            case rest:
                return bool(self._prefix) and path[0] == "configs" and rest == ("file",)

    def _tell_defaults(self, text: str, defaults: Mapping[str, str], path: KeyPath) -> None:
        if defaults:
            taken = ", ".join(f"{name} is {value[:80]!r}" for name, value in defaults.items())
            why = f"{_WITHOUT_ENVIRONMENT} The default of {text[:80]!r} counts: {taken}."
            self._note(NoteKind.ASSUMED, path, why)

    def _env_files(self, given: Any, path: KeyPath) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for item in _as_list(given):
            name = item.get("path") if isinstance(item, dict) else item
            if not isinstance(name, str):
                self._refuse(path, "It names no file.", "Write env_file: NAME.")
            text = self._around.files.get(posixpath.normpath(self._beside(name)))
            if text is None:
                self._drop(
                    path, f"The file {name[:80]} is not here; write its variables under `environment`."
                )
                continue
            plain, open_ones = self._env_file(name, text)
            found |= plain
            found |= {key: self._environment(value, (*path, key)) for key, value in open_ones.items()}
        return found

    def _own_environment(self, text: str) -> dict[str, str]:
        """What `.env` says, as far as it is known."""
        found, open_ones = self._env_file(".env", text)
        for key, value in open_ones.items():
            try:
                filled = fill_variables(value or "", ChainMap(found, self._variables))
            except WrongVariableError:
                continue
            if value and not filled.missing:
                found[key] = filled.text
        return found

    @staticmethod
    def _env_file(name: str, text: str) -> tuple[dict[str, str], dict[str, str | None]]:
        """The variables that the file gives, and those that are made of others or left to the environment."""
        lines, open_ones = text.splitlines(), dict[str, str | None]()
        for at, line in enumerate(lines):
            if (found := _OPEN_LINE.fullmatch(line.strip())) is not None:
                value = found[2]
                open_ones[found[1]] = value.strip().strip('"') if value is not None else None
                lines[at] = ""
        try:
            plain = parse_env_file("\n".join(lines).encode("utf-8", "replace"), file=name)
        except DefinitionInvalidError as error:
            finding = error.findings[0]
            what = f"{name} cannot be read: {finding.what}"
            raise NotConvertibleError(what, remedy=finding.remedy, line=finding.line, file=name) from error
        return plain, open_ones

    def _declared(self, top: Mapping[str, Any], key: str) -> dict[str, Any]:
        declared = self._filled(top.get(key) or {}, (key,))
        if not isinstance(declared, dict):
            self._refuse((key,), f"{key} is no mapping.", "Write a name and a colon for each.")
        return {name: value or {} for name, value in declared.items() if not name.startswith("x-")}

    def _configs(self, top: Mapping[str, Any]) -> dict[str, Any]:
        """Configs with their text; where it was not given, it is empty."""
        configs = self._declared(top, "configs")
        for name, config in configs.items():
            if isinstance(config, dict) and isinstance(config.get("content"), str):
                continue
            file = config.get("file") if isinstance(config, dict) else None
            path = posixpath.normpath(self._beside(file)) if isinstance(file, str) else ""
            text = self._around.files.get(path)
            if text is None:
                why = "Its text is not here: write it under `content`, which is empty."
                self._note(NoteKind.ASSUMED, ("configs", name), why)
            configs[name] = {"content": text or ""}
        return configs

    def _mount(self, mount: Any) -> Any:
        """The mount with a source in the app's folder written relative to the file's."""
        if isinstance(mount, dict):
            source = mount.get("source")
            return mount | {"source": self._beside(source)} if isinstance(source, str) else mount
        return self._beside(mount) if isinstance(mount, str) else mount

    def _beside(self, text: str) -> str:
        """A path with whatever follows a colon, as seen from the file's folder."""
        path, colon, rest = text.partition(":")
        folder = self._around.folder
        if is_in_app(path) or (path.startswith("/") and folder.startswith("/")):
            path = seen_from(resolve(path, "."), folder)
        return f"{path}{colon}{rest}"

    def _line(self, path: KeyPath) -> int:
        return self._document.line_of(path) + self._around.first_line - 1

    def _drop(self, path: KeyPath, why: str) -> None:
        self._note(NoteKind.DROPPED, path, why)

    def _note(self, kind: NoteKind, path: KeyPath, why: str) -> None:
        self._notes.append(Note(kind=kind, what=f"line {self._line(path)}: {key_text(path)}", why=why))

    def _refuse(self, path: KeyPath, what: str, remedy: str, *, line: int | None = None) -> Never:
        place = line or self._line(path)
        raise NotConvertibleError(
            f"{self._around.file} cannot be converted.",
            why=f"Line {place}: {what}",
            remedy=remedy,
            line=place,
            key=key_text(path),
        )


def _main(services: Mapping[str, Mapping[str, Any]]) -> str | None:
    for name, service in services.items():
        if service.get("container_name") == _IDENTIFIER:
            return name
    return None


def _app_name(main: str, services: Mapping[str, Mapping[str, Any]]) -> str:
    """The service's name, or its image's where the name says nothing."""
    image = services[main].get("image")
    if main not in _SAY_NOTHING and _IDENTIFIER not in main:
        return main
    return (_text_or(image) or main).partition("@")[0].rpartition("/")[2].partition(":")[0] or main


def _named_volumes(service: Mapping[str, Any]) -> Iterator[str]:
    for mount in _as_list(service.get("volumes")):
        if isinstance(mount, dict):
            source = mount.get("source") if mount.get("type") == "volume" else None
        else:
            source = mount.split(":")[0] if isinstance(mount, str) and ":" in mount else None
        if isinstance(source, str) and source and source[0] not in "./~\\$<" and source[1:2] != ":":
            yield source


def _as_list(given: Any) -> list[Any]:
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def _text_or(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
