"""What definitions may say, as tables made from the code: app.yml's keys, permissions, compose keys. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from homeport.catalog.definition import Definition
from homeport.catalog.policy import judge_compose
from homeport.catalog.policy_rules import ALLOWED, FORBIDDEN, FORBIDDEN_IN_SERVICE, REFUSED_LIMITS
from homeport.permissions import Permission
from homeport.risks import describe

PERMISSION_EXAMPLES: Final[Sequence[tuple[str, Any]]] = (
    ("privileged", True),
    ("volumes", ["/var/run/docker.sock:/var/run/docker.sock"]),
    ("network_mode", "host"),
    ("pid", "host"),
    ("ipc", "host"),
    ("uts", "host"),
    ("userns_mode", "host"),
    ("cgroup", "host"),
    ("cap_add", ["SYS_ADMIN"]),
    ("cap_add", ["NET_ADMIN"]),
    ("cap_add", ["IPC_LOCK"]),
    ("devices", ["/dev/sda:/dev/sda"]),
    ("devices", ["/dev/ttyUSB0:/dev/ttyUSB0"]),
    ("gpus", "all"),
    ("deploy", {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}),
    ("group_add", ["video"]),
    ("volumes", ["/srv/media:/media"]),
    ("volumes", ["/srv/media:/media:ro"]),
    ("ports", ["53:53/udp"]),
    ("security_opt", ["systempaths=unconfined"]),
    ("security_opt", ["seccomp=unconfined"]),
    ("security_opt", ["apparmor=unconfined"]),
    ("security_opt", ["label=disable"]),
    ("security_opt", ["no-new-privileges=false"]),
    ("sysctls", {"net.core.somaxconn": 1024}),
)
"""Keys of a service with a value that needs a permission; which one, the policy itself says."""

_PLACES: Final[Mapping[str, str]] = {
    "file": "The file",
    "service": "A service",
    "build": "`build`",
    "configs item": "An item of a service's `configs`",
    "depends_on item": "An item of `depends_on`",
    "deploy": "`deploy`",
    "deploy.resources": "`deploy.resources`",
    "deploy.resources.limits": "`deploy.resources.limits`",
    "deploy.resources.reservations": "`deploy.resources.reservations`",
    "device": "An item of `devices`",
    "env_file item": "An item of `env_file`",
    "extends": "`extends`",
    "gpu": "An item of `gpus`",
    "healthcheck": "`healthcheck`",
    "logging": "`logging`",
    "logging.options": "`logging.options`",
    "service network": "An item of a service's `networks`",
    "port": "An item of `ports`",
    "mount": "An item of a service's `volumes`",
    "mount.bind": "`bind` of such an item",
    "mount.volume": "`volume` of such an item",
    "mount.tmpfs": "`tmpfs` of such an item",
    "ulimit": "An item of `ulimits`",
    "ulimits": "`ulimits`",
    "network": "A network of the file",
    "volume": "A volume of the file",
    "config": "A config of the file",
}
"""What the kinds of mappings of `ALLOWED` are for people."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text below heads, if any; `title` and `words` stand before it, "" where nothing does."""

    title: str = ""
    words: str = ""
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_markdown(self) -> str:
        """A part of a page."""
        parts = [f"### {self.title}\n"] if self.title else []
        parts += [f"{self.words}\n"] if self.words else []
        if self.rows:
            lines = [self.heads, ["---"] * len(self.heads), *self.rows]
            parts.append(
                "".join(f"|{'|'.join(map(_cell, line))}|\n" for line in lines).replace("| --- ", "|---")
            )
        return "\n".join(parts)


def _cell(text: str) -> str:
    return f" {text.replace('|', chr(92) + '|')} "


def definition_tables() -> list[Table]:
    """Every key of app.yml."""
    schema = Definition.model_json_schema(by_alias=True)
    rows = list(_keys(schema, schema["$defs"], prefix=""))
    return [Table(heads=["key", "type", "default", "what it says"], rows=rows)]


def _keys(section: Mapping[str, Any], known: Mapping[str, Any], *, prefix: str) -> Iterator[list[str]]:
    for name, field in section["properties"].items():
        key = prefix + name
        shape = next((one for one in field.get("anyOf", ()) if one.get("type") != "null"), field)
        default = "required" if name in section.get("required", ()) else _default(field)
        yield [f"`{key}`", _type(shape), default, field["description"]]
        for between, inner in (("", shape), (".*", shape.get("additionalProperties"))):
            if isinstance(inner, dict) and "$ref" in inner:
                yield from _keys(known[inner["$ref"].rpartition("/")[2]], known, prefix=f"{key}{between}.")


def _type(shape: Mapping[str, Any]) -> str:
    match shape.get("format", shape.get("type")):
        case "boolean":
            return "true, false"
        case "integer" | "number":
            return "number"
        case "array":
            word = shape["items"].get("format", "text")
            return f"list of {word}s"
        case "object" | None:
            return "mapping"
        case "string":
            return "text"
        case word:
            return str(word)


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f"`{value}`" if value else '`""`'
        case _:
            return "none"


def permission_tables() -> list[Table]:
    """What a service may write, which permission it needs for it, and what the owner is told."""
    rows: dict[Permission, list[str]] = {}
    for key, value in PERMISSION_EXAMPLES:
        (permission,) = _needs(key, value)
        if permission not in rows:
            told = describe(permission)
            rows[permission] = [f"`{permission}`", f"`{_written(key, value)}`", told.risk.value, told.words]
    heads = ["permission", "in the compose file", "risk", "what the owner is told"]
    return [Table(heads=heads, rows=list(rows.values()))]


def _needs(key: str, value: Any) -> list[Permission]:
    """The permissions that a service with this value needs.

    Raises:
        ValueError: no permission opens it.
    """
    service = {"image": "a/b:1", key: value}
    judgement = judge_compose({"services": {"app": service}}, lines=lambda _path: 1, file="compose file")
    if judgement.findings:
        raise ValueError(f"{key}: {value} is refused: {judgement.findings[0].what}")
    return [need.permission for need in judgement.needs]


def _written(key: str, value: Any) -> str:
    return f"{key}: {value if isinstance(value, str) else json.dumps(value)}"


def compose_tables() -> list[Table]:
    """Every key of a compose file that is taken, opened by a permission, or refused with a reason."""
    tables = []
    for kind, title in _PLACES.items():
        taken = ", ".join(f"`{key}`" for key in sorted(ALLOWED[kind]))
        tables.append(Table(title=title, words=f"Taken: {taken}.", heads=(), rows=()))
        if kind == "service":
            words = "Of these, what goes beyond the app needs a permission, such as"
            tables.append(Table(words=words, heads=["key", "permissions"], rows=_opened()))
        if rows := [[f"`{key}`", f"`{rule}`", why, remedy] for key, (rule, why, remedy) in _refused(kind)]:
            heads = ["refused", "rule", "why", "the way out"]
            tables.append(Table(heads=heads, rows=rows))
    return tables


def _opened() -> list[list[str]]:
    """Keys of a service that need permissions, each with those of the examples."""
    opened: dict[str, list[str]] = {}
    for key, value in PERMISSION_EXAMPLES:
        opened.setdefault(key, []).extend(f"`{permission}`" for permission in _needs(key, value))
    return [[f"`{key}`", ", ".join(texts)] for key, texts in sorted(opened.items())]


def _refused(kind: str) -> list[tuple[str, tuple[str, str, str]]]:
    if kind == "service":
        return sorted({**FORBIDDEN_IN_SERVICE, **REFUSED_LIMITS}.items())
    return sorted((key, reason) for (place, key), reason in FORBIDDEN.items() if place == kind)
