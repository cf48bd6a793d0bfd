"""Reads the values of `--volume`, `--mount` and `--publish` as a compose file has them."""

import contextlib
import csv
import re
from typing import Any, Final

from homeport.catalog.convert.shell_line import ShellCommand
from homeport.catalog.sizes import parse_size

_DRIVE: Final = re.compile(r"[A-Za-z]:(?=[/\\])")
_VOLUME_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SPELLINGS: Final = {
    "src": "source", "dst": "target", "destination": "target", "ro": "readonly", "read-only": "readonly",
}  # fmt: skip
_SAME: Final = frozenset({"type", "source", "target", "readonly", "consistency", "tmpfs-size", "tmpfs-mode"})


def read_volume_flag(value: str, command: ShellCommand) -> str | dict[str, Any] | None:
    """The mount that `-v` asks for; None where it says no place in the container."""
    drive = _DRIVE.match(value)
    head = drive[0] if drive else ""
    parts = value.removeprefix(head).split(":")
    parts[0] = head + parts[0]
    if len(parts) == 1:
        is_plain = parts[0].startswith("/") and not command.is_open(parts[0])
        return {"type": "volume", "target": parts[0]} if is_plain else None
    if not parts[1].startswith("/") or command.is_open(parts[1]):
        return None
    return f"{_source(parts[0], command)}:{':'.join(parts[1:3])}"


def read_mount_flag(value: str, command: ShellCommand) -> tuple[dict[str, Any] | None, list[str]]:
    """The mount that `--mount` asks for, and the options that no definition has."""
    fields: dict[str, str] = {}
    odd: list[str] = []
    for part in _parts(value):
        name, sign, text = part.strip().partition("=")
        name = _SPELLINGS.get(name.lower(), name.lower())
        if name in _SAME or name == "volume-nocopy":
            fields[name] = text if sign else "true"
        elif name:
            odd.append(part.strip())
    target = fields.get("target", "")
    if not target.startswith("/") or command.is_open(target):
        return None, odd
    mount: dict[str, Any] = {"type": fields.get("type", "volume"), "target": target}
    if fields.get("source"):
        is_volume = mount["type"] == "volume"
        mount["source"] = fields["source"] if is_volume else _source(fields["source"], command)
        if is_volume and not _VOLUME_NAME.fullmatch(fields["source"]):
            mount |= {"type": "bind", "source": _source(fields["source"], command)}
    elif mount["type"] == "bind":
        return None, odd
    if fields.get("readonly", "false") in ("true", "1"):
        mount["read_only"] = True
    if fields.get("volume-nocopy", "false") in ("true", "1"):
        mount["volume"] = {"nocopy": True}
    if tmpfs := _tmpfs(fields):
        mount["tmpfs"] = tmpfs
    return mount, odd


def read_publish_flag(value: str) -> tuple[str, list[str]]:
    """The port that `-p` asks for, in short syntax, and what Docker does not read of it.

    Docker's command line takes `published=8080,target=80,protocol=tcp` too (`convertToStandardNotation`).
    """
    if "=" not in value:
        return value, []
    fields: dict[str, str] = {}
    odd: list[str] = []
    for part in value.split(","):
        name, sign, text = part.partition("=")
        if sign and name in ("published", "target", "protocol"):
            fields[name] = text
        else:
            odd.append(part)
    protocol = fields.get("protocol", "tcp")
    ports = f"{fields.get('published', '')}:{fields.get('target', '')}".removeprefix(":")
    return ports if protocol == "tcp" else f"{ports}/{protocol}", odd


def _parts(value: str) -> list[str]:
    """The fields of a line of comma-separated values; none where it is not one."""
    try:
        return next(csv.reader([value]), [])
    except csv.Error:  # it goes on in another line, or is longer than a field may be
        return []


def _tmpfs(fields: dict[str, str]) -> dict[str, int]:
    tmpfs = {}
    if size := fields.get("tmpfs-size"):
        with contextlib.suppress(ValueError):
            tmpfs["size"] = parse_size(size)
    if re.fullmatch(r"[0-7]{1,5}", mode := fields.get("tmpfs-mode", "")):
        tmpfs["mode"] = int(mode, 8)
    return tmpfs


def _source(text: str, command: ShellCommand) -> str:
    """The source as drafts have it: what was left open stands in `<…>`."""
    return "".join(_shown(char, command) for char in text) or "."


def _shown(char: str, command: ShellCommand) -> str:
    stood = command.open_marks.get(char)
    if stood is None:
        return char
    return stood if stood.startswith("<") else f"<{stood.strip('${}()%`')}>".replace("><", "")
