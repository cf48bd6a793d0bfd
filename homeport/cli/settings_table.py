"""What may be set: each setting with its value in force, and the table of docs/settings.md."""

import re
from collections.abc import Mapping
from typing import Any

from homeport.settings import Settings

# These depend on the user and on where the code lies.
_FOLDERS: Mapping[str, str] = {
    "state_dir": "`/var/lib/homeport`",
    "run_dir": "`/run/homeport`",
    "catalog_dir": "`apps` beside the code",
}
_PASSWORD = re.compile(r"(?<=:)[^:/@]*(?=@)")


def settings_in_force(settings: Settings) -> list[dict[str, Any]]:
    """Each setting as `{"name", "value", "default", "meaning"}`; a password in an address is left out."""
    values: Mapping[str, Any] = settings.model_dump(mode="json")
    return [
        {
            "name": name,
            "value": _without_password(values[name]),
            "default": None if field.is_required() else field.default,
            "meaning": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]


def markdown_table() -> str:
    """The table of docs/settings.md: each setting with its default for root."""
    rows = [
        f"| `{name}` | {_FOLDERS.get(name) or _shown(field.default)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return "| name | default | meaning |\n|---|---|---|\n" + "".join(rows)


def _shown(default: object) -> str:
    return "empty" if default == "" else f"`{default}`"


def _without_password(value: Any) -> Any:
    return _PASSWORD.sub("***", value) if isinstance(value, str) else value
