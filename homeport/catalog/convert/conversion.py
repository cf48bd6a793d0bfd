"""A definition that was made of something else, and what making it changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeport.catalog.convert.draft import Note
from homeport.permissions import Permission
from homeport.risks import permission_json, rate


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A definition's files by name, all text, and what its reader should know."""

    name: str
    files: Mapping[str, str]
    notes: tuple[Note, ...] = ()
    permissions: tuple[Permission, ...] = ()
    """What the definition declares."""


def conversion_json(conversion: Conversion) -> dict[str, Any]:
    """`{"name", "files", "notes", "permissions", "rating"}`."""
    return {
        "name": conversion.name,
        "files": dict(conversion.files),
        "notes": [note.as_json() for note in conversion.notes],
        "permissions": [permission_json(permission) for permission in conversion.permissions],
        "rating": rate(conversion.permissions).as_json(),
    }
