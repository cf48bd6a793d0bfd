"""What stands in app.yml: its shape, and what is wrong with it in words."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Never

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from homeport.catalog.fields import (
    Beside,
    ContextName,
    Cpus,
    DataFolder,
    FurtherContext,
    InnerFolder,
    InnerPath,
    Label,
    Memory,
    ServiceName,
    Size,
    Title,
    UrlPath,
    VariableName,
    Version,
    Words,
)
from homeport.catalog.yaml12 import KeyPath, YamlDocument
from homeport.errors import DefinitionInvalidError, Finding
from homeport.models import Limits
from homeport.permissions import Permission

APP_FILE: Final = "app.yml"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WebSection(_Section):
    """Where the app answers HTTP inside its network; `health` None: a TCP connection is enough."""

    service: ServiceName = Field(description="which service answers HTTP")
    port: int = Field(ge=1, le=65535, description="on which port inside its container")
    path: UrlPath = Field(default="/", description="where people begin")
    health: UrlPath | None = Field(
        default=None,
        description="asked after a start: below 500 is healthy; none: a TCP connection is enough",
    )


class ImageSection(_Section):
    """How an image is built; `context` is relative to the definition, `dockerfile` to the context.

    `contexts` has a folder or `service:NAME` for each further name.
    """

    context: InnerFolder = Field(description="the build context, in the definition")
    dockerfile: InnerPath = Field(default="Dockerfile", description="in the context")
    args: Mapping[VariableName, str] = Field(default_factory=dict, description="build arguments")
    target: str = Field(default="", max_length=100, description="the stage that is built; else the last one")
    contexts: Mapping[ContextName, FurtherContext] = Field(
        default_factory=dict,
        description="further contexts by name: a folder of the definition, or `service:NAME`, the image that "
        "another service is built as",
    )


class ServiceLimitsSection(_Section):
    """What one service may use."""

    cpus: Cpus | None = Field(default=None, description="cores; 0.5 is half of one")
    memory_bytes: Memory | None = Field(default=None, alias="memory", description="6M at least")
    pids: Annotated[int, Field(ge=1, le=4_194_304)] | None = Field(default=None, description="processes")


class LimitsSection(ServiceLimitsSection):
    """What each service may use; `services` overrides by name; `disk_bytes` counts for the whole app."""

    disk_bytes: Annotated[Size, Field(gt=0)] | None = Field(
        default=None, alias="disk", description="of the whole app; shown to the owner"
    )
    services: Mapping[ServiceName, ServiceLimitsSection] = Field(
        default_factory=dict, description="other limits for single services, in place of those above"
    )

    def of(self, service: str) -> Limits:
        """What app.yml (or the template) says for this service; None where both are silent."""
        own = self.services.get(service, ServiceLimitsSection())
        return Limits(
            cpus=own.cpus if own.cpus is not None else self.cpus,
            memory_bytes=own.memory_bytes if own.memory_bytes is not None else self.memory_bytes,
            pids=own.pids if own.pids is not None else self.pids,
        )


class SettingSection(_Section):
    """What the owner may set: an environment variable, or a build argument where `build` is true."""

    default: str = Field(default="", description="the value where the owner gives none")
    description: Annotated[Words, Field(max_length=1000)] = Field(default="", description="what it is for")
    build: bool = Field(
        default=False, description="an argument of the builds instead of a variable of the environment"
    )
    required: bool = Field(
        default=False, description="the owner must give it at install; it has no default then"
    )


class Definition(_Section):
    """app.yml, validated."""

    name: Label = Field(
        description="the definition's name: a-z, 0-9 and inner hyphens, 63 at most, as the folder's"
    )
    title: Title = Field(description="its name for people, 100 characters at most")
    version: Version = Field(
        description="a text, so in quotes where it looks like a number; any change of it is an update"
    )
    description: Annotated[Words, Field(max_length=4000)] = Field(default="", description="a sentence or two")
    compose: Beside = Field(default="docker-compose.yml", description="the template, beside app.yml")
    web: WebSection | None = Field(
        default=None, description="the app's web page; an app without one is headless, and gets no host port"
    )
    images: Mapping[ServiceName, ImageSection] = Field(
        default_factory=dict,
        description="services whose images are built on the box; the others' are pulled",
    )
    data: tuple[DataFolder, ...] = Field(
        default=(),
        max_length=100,
        strict=False,
        description="folders of the project that are the owner's: kept by uninstall, removed by a purge",
    )
    limits: LimitsSection = Field(
        default_factory=LimitsSection,
        description="what each service may use; where nothing is said, the box's defaults count",
    )
    permissions: tuple[str, ...] = Field(
        default=(),
        max_length=200,
        strict=False,
        description="what goes beyond what every app may: exactly the permissions that the "
        "compose file needs",
    )
    main: ServiceName | None = Field(
        default=None,
        description="whose container is named as the app; none: the one named APP_IDENTIFIER, else the web "
        "service, else the only one",
    )
    settings: Mapping[VariableName, SettingSection] = Field(
        default_factory=dict,
        description="variables by name, which the template's `environment` names without a value",
    )
    logs_may_leave: bool = Field(
        default=True,
        description="false forbids that the app's log lines are ever sent away from the box; nothing sends "
        "any yet",
    )


_SECTIONS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType(
    {
        "": Definition,
        "web": WebSection,
        "images.*": ImageSection,
        "limits": LimitsSection,
        "limits.services.*": ServiceLimitsSection,
        "settings.*": SettingSection,
    }
)


def parse_definition(document: YamlDocument) -> Definition:
    """The definition in a parsed app.yml.

    Raises:
        DefinitionInvalidError: with every key that is wrong.
    """
    if not isinstance(document.value, dict):
        what, remedy = "app.yml is no mapping.", "Write keys: name, title, version, web, …"
        _raise(document, [document.finding((), "type", what, remedy)])
    try:
        definition = Definition.model_validate(document.value)
    except ValidationError as error:
        _raise(document, [_finding(document, item) for item in error.errors(include_url=False)])
    findings = [*_wrong_permissions(document, definition), *_wrong_settings(document, definition)]
    if findings:
        _raise(document, findings)
    return definition


def _wrong_permissions(document: YamlDocument, definition: Definition) -> Iterator[Finding]:
    for index, text in enumerate(definition.permissions):
        try:
            Permission.parse(text)
        except ValueError as error:
            what = f"{text[:60]!r} is no permission."
            yield document.finding(("permissions", index), "permission-unknown", what, f"{error}.")


def _wrong_settings(document: YamlDocument, definition: Definition) -> Iterator[Finding]:
    for name, setting in definition.settings.items():
        if setting.required and "default" in setting.model_fields_set:
            what = f"{name} is required, so its default would never count."
            yield document.finding(("settings", name, "default"), "setting", what, "Keep one of the two.")


def _raise(document: YamlDocument, findings: Sequence[Finding]) -> Never:
    raise DefinitionInvalidError(f"{document.file} is not a valid app.yml.", findings)


def _finding(document: YamlDocument, item: Mapping[str, Any]) -> Finding:
    path = tuple(part for part in item["loc"] if part != "[key]")
    kind, facts, given = item["type"], item.get("ctx", {}), item["input"]
    match kind:
        case "extra_forbidden":
            return document.finding(path, "unknown-key", f"There is no key {path[-1]!r}.", _nearest_key(path))
        case "missing":
            return document.finding(
                path, "missing", f"The key {path[-1]!r} is missing.", f"Add `{path[-1]}: …`."
            )
        case "string_type":
            shown = _shown(given)
            remedy = f'Put it in quotes: {path[-1]}: "{shown}".' if _is_scalar(given) else "Write text."
            return document.finding(path, "type", f"{shown} is not text.", remedy)
        case "value_error":
            return document.finding(
                path, "value", f"{_shown(given)} cannot stand here.", f"{facts['error']}."
            )
        case _:
            remedy = _remedy(path, kind, facts, given) or f"{item['msg']}."
            return document.finding(path, "type", f"{_shown(given)} cannot stand here.", remedy)


def _remedy(path: KeyPath, kind: str, facts: Mapping[str, Any], given: object) -> str | None:
    """What to write where another type or number stands; None: pydantic's own words say it."""
    if kind in ("int_type", "float_type") and isinstance(given, str) and _NUMBER.fullmatch(given):
        return f"Take the quotes off: {path[-1]}: {given}."
    if kind in ("model_type", "dict_type", "mapping_type"):
        return f"Write keys and values below it. {_nearest_key((*path, ''))}"
    return _REMEDIES[kind].format(**facts) if kind in _REMEDIES else None


_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_REMEDIES: Final = MappingProxyType(
    {
        "int_type": "Write a whole number.",
        "int_from_float": "Write a whole number.",
        "float_type": "Write a number.",
        "bool_type": "Write true or false, without quotes.",
        "list_type": "Write a list: each item on a line of its own, after a hyphen.",
        "tuple_type": "Write a list: each item on a line of its own, after a hyphen.",
        "less_than_equal": "Write {le} or less.",
        "greater_than_equal": "Write {ge} or more.",
        "greater_than": "Write more than {gt}.",
    }
)


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else "nothing" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _nearest_key(path: Sequence[str | int]) -> str:
    above = [str(part) for part in path[:-1]]
    patterns = (pattern.split(".") if pattern else [] for pattern in _SECTIONS)
    fitting = next((p for p in patterns if len(p) == len(above) and _fits(p, above)), None)
    if fitting is None:
        return "Leave it out."
    fields = _SECTIONS[".".join(fitting)].model_fields
    known = [field.alias or name for name, field in fields.items()]
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(known)}."


def _fits(pattern: Sequence[str], above: Sequence[str]) -> bool:
    return all(want in ("*", part) for want, part in zip(pattern, above, strict=True))
