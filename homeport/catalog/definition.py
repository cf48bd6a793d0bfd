"""What stands in app.yml: its shape, and what is wrong with it in words."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Never

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from homeport.catalog.policy_rules import RESERVED_NAMES
from homeport.catalog.sizes import LARGEST_SIZE, parse_size
from homeport.catalog.yaml12 import YamlDocument
from homeport.errors import DefinitionInvalidError, Finding
from homeport.models import Limits
from homeport.names import is_label
from homeport.permissions import Permission

APP_FILE: Final = "app.yml"

CONTEXT_NAME: Final = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]{0,254}")
"""What a further build context may be called: a word, or an image as the Dockerfile names it."""

SERVICE_CONTEXT: Final = "service:"
"""Before a service's name, where a further build context is the image that the service is built as."""

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SMALLEST_MEMORY = 6 * 1024 * 1024  # Docker refuses to run a container with less


def _claim(text: str, holds: bool, otherwise: str) -> str:
    if not holds:
        raise ValueError(otherwise)
    return text


def _one_line(text: str) -> str:
    return _claim(text, text.isprintable(), "write one line, of what can be seen on a screen")


def _seen(text: str) -> str:
    """Lines of what can be seen: nothing that would steer a terminal or turn the writing around."""
    lines = text.replace("\t", " ").split("\n")
    return _claim(text, all(line.isprintable() for line in lines), "write what can be seen on a screen")


def _owners(path: str) -> str:
    taken = path.split("/", 1)[0].casefold() in RESERVED_NAMES
    return _claim(path, not taken, "Homeport keeps its own files by this name: choose another folder")


def _bounded(value: int) -> int:
    if value > LARGEST_SIZE:
        raise ValueError("more than 1024T is no limit")
    return value


def _label(text: str) -> str:
    return _claim(text, is_label(text), "a name has a-z, 0-9 and inner hyphens, 63 characters at most")


def _version(text: str) -> str:
    return _claim(
        text, bool(_VERSION.fullmatch(text)), "a version has letters, digits, '.', '_' and '-', 64 at most"
    )


def _service(text: str) -> str:
    return _claim(
        text, bool(_SERVICE.fullmatch(text)), "a service's name has letters, digits, '.', '_' and '-'"
    )


def _variable(text: str) -> str:
    return _claim(text, bool(_VARIABLE.fullmatch(text)), "a variable's name has letters, digits and '_'")


def _context_name(text: str) -> str:
    otherwise = "a context's name is a word, or an image as the Dockerfile names it"
    return _claim(text, bool(CONTEXT_NAME.fullmatch(text)), otherwise)


def _further_context(text: str) -> str:
    if text.startswith(SERVICE_CONTEXT):
        return SERVICE_CONTEXT + _service(text.removeprefix(SERVICE_CONTEXT))
    return _normal(_folder_inside(text))


def _url_path(text: str) -> str:
    plain = text.isascii() and text.isprintable() and " " not in text
    return _claim(text, text.startswith("/") and plain, "a path begins with / and has no blanks: /status")


def _inside(text: str) -> str:
    parts = text.removeprefix("./").rstrip("/").split("/")
    inside = all(part not in ("", ".", "..") for part in parts) and text.isprintable() and "\\" not in text
    return _claim(text, inside, "a path is relative and stays in the folder: config or srv/data")


def _beside(text: str) -> str:
    return _claim(text, "/" not in text, "the compose file stands beside app.yml, not in a folder")


def _folder_inside(text: str) -> str:
    return text if text in (".", "./") else _inside(text)


def _normal(text: str) -> str:
    return text.removeprefix("./").rstrip("/") or "."


def _size(value: Any) -> Any:
    return parse_size(value) if isinstance(value, str) else value


def _memory(value: int) -> int:
    if value < _SMALLEST_MEMORY:
        raise ValueError("Docker runs no container with less than 6M")
    return value


def _to_float(value: Any) -> Any:
    return float(value) if type(value) is int else value


ServiceName = Annotated[str, AfterValidator(_service)]
_ContextName = Annotated[str, AfterValidator(_context_name)]
InnerPath = Annotated[str, AfterValidator(_inside), AfterValidator(_normal)]
DataFolder = Annotated[InnerPath, AfterValidator(_owners)]
InnerFolder = Annotated[str, AfterValidator(_folder_inside), AfterValidator(_normal)]
_Size = Annotated[int, BeforeValidator(_size), AfterValidator(_bounded)]
UrlPath = Annotated[str, Field(max_length=1024), AfterValidator(_url_path)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WebSection(_Section):
    """Where the app answers HTTP inside its network; `health` None: a TCP connection is enough."""

    service: ServiceName
    port: int = Field(ge=1, le=65535)
    path: UrlPath = "/"
    health: UrlPath | None = None


class ImageSection(_Section):
    """How an image is built; `context` is relative to the definition, `dockerfile` to the context.

    `contexts` has a folder or `service:NAME` for each further name.
    """

    context: InnerFolder
    dockerfile: InnerPath = "Dockerfile"
    args: Mapping[Annotated[str, AfterValidator(_variable)], str] = Field(default_factory=dict)
    target: str = Field(default="", max_length=100)
    contexts: Mapping[_ContextName, Annotated[str, AfterValidator(_further_context)]] = Field(
        default_factory=dict
    )


class ServiceLimitsSection(_Section):
    """What one service may use."""

    cpus: Annotated[float, BeforeValidator(_to_float), Field(gt=0, le=1024)] | None = None
    memory_bytes: (
        Annotated[int, BeforeValidator(_size), AfterValidator(_memory), AfterValidator(_bounded)] | None
    ) = Field(default=None, alias="memory")
    pids: Annotated[int, Field(ge=1, le=4_194_304)] | None = None


class LimitsSection(ServiceLimitsSection):
    """What each service may use; `services` overrides by name; `disk_bytes` counts for the whole app."""

    disk_bytes: Annotated[int, BeforeValidator(_size), Field(gt=0), AfterValidator(_bounded)] | None = Field(
        default=None, alias="disk"
    )
    services: Mapping[ServiceName, ServiceLimitsSection] = Field(default_factory=dict)

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

    default: str = ""
    description: Annotated[str, Field(max_length=1000), AfterValidator(_seen)] = ""
    build: bool = False
    required: bool = False


class Definition(_Section):
    """app.yml, validated."""

    name: Annotated[str, AfterValidator(_label)]
    title: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)]
    version: Annotated[str, AfterValidator(_version)]
    description: Annotated[str, Field(max_length=4000), AfterValidator(_seen)] = ""
    compose: Annotated[InnerPath, AfterValidator(_beside)] = "docker-compose.yml"
    web: WebSection | None = None
    images: Mapping[ServiceName, ImageSection] = Field(default_factory=dict)
    data: tuple[Annotated[InnerPath, AfterValidator(_owners)], ...] = Field(
        default=(), max_length=100, strict=False
    )
    limits: LimitsSection = Field(default_factory=LimitsSection)
    permissions: tuple[str, ...] = Field(default=(), max_length=200, strict=False)
    main: ServiceName | None = None
    settings: Mapping[Annotated[str, AfterValidator(_variable)], SettingSection] = Field(default_factory=dict)
    logs_may_leave: bool = True


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
            return document.finding(path, "type", f"{_shown(given)} cannot stand here.", f"{item['msg']}.")


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
