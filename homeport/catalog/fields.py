"""What the values in app.yml may be: names, paths, sizes and words, each with the words for a wrong one."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from homeport.catalog.policy_rules import RESERVED_NAMES
from homeport.catalog.sizes import LARGEST_SIZE, parse_size
from homeport.names import is_label

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
    fits = is_label(text) and len(text) > 1  # as the identifier of an app, which it is by default
    return _claim(text, fits, "a name has a-z, 0-9 and inner hyphens, 2 to 63 characters")


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


def _called(word: str) -> WithJsonSchema:
    """What the page of app.yml's keys calls values of the type."""
    return WithJsonSchema({"type": "string", "format": word})


ServiceName = Annotated[str, AfterValidator(_service), _called("service")]
ContextName = Annotated[str, AfterValidator(_context_name)]
InnerPath = Annotated[str, AfterValidator(_inside), AfterValidator(_normal), _called("file")]
DataFolder = Annotated[InnerPath, AfterValidator(_owners), _called("folder")]
InnerFolder = Annotated[str, AfterValidator(_folder_inside), AfterValidator(_normal), _called("folder")]
Size = Annotated[int, BeforeValidator(_size), AfterValidator(_bounded), _called("size")]
UrlPath = Annotated[str, Field(max_length=1024), AfterValidator(_url_path), _called("URL path")]
Label = Annotated[str, AfterValidator(_label), _called("label")]
Version = Annotated[str, AfterValidator(_version)]
VariableName = Annotated[str, AfterValidator(_variable)]
FurtherContext = Annotated[str, AfterValidator(_further_context)]
Beside = Annotated[InnerPath, AfterValidator(_beside), _called("file")]
Cpus = Annotated[float, BeforeValidator(_to_float), Field(gt=0, le=1024)]
Memory = Annotated[Size, AfterValidator(_memory), _called("size")]
Title = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)]
Words = Annotated[str, AfterValidator(_seen)]
