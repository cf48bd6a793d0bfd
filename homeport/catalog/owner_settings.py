"""Whether the values that an owner gives to a definition's settings can be taken. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from homeport.catalog.definition import Definition
from homeport.errors import InvalidInputError

LONGEST_VALUE: Final = 4096
"""Characters of one value; an environment variable of Linux could have 131,071 bytes, a setting needs few."""


def settle_settings(definition: Definition, given: Mapping[str, str]) -> dict[str, str]:
    """What the owner set, to be stored with the app and given to `read_definition`; defaults are not in it.

    Raises:
        InvalidInputError: a name is unknown, a required setting is missing or empty, or a value is too long
            or has control characters; with every one of them.
    """
    missing = list(_missing(definition, given))
    errors = [*_wrong(definition, given), *missing]
    if errors:
        told = "; ".join(f"{error['pointer'].rpartition('/')[2]}: {error['detail']}" for error in errors)
        known = ", ".join(definition.settings) or "none"
        open_ones = " ".join(f"--set {error['pointer'].rpartition('/')[2]}=…" for error in missing)
        raise InvalidInputError(
            f"The settings of {definition.name} are not as they should be.",
            why=f"{told}.",
            remedy=f"Add: {open_ones}" if missing else f"Settings of {definition.name}: {known}.",
            errors=errors,
        )
    return dict(given)


def _wrong(definition: Definition, given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for name, value in given.items():
        if name not in definition.settings:
            yield _error(name[:100], "there is no such setting")
        elif len(value) > LONGEST_VALUE:
            yield _error(name, f"{len(value)} characters; {LONGEST_VALUE} are the most")
        elif any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
            yield _error(name, "has a control character, or is more than one line")


def _missing(definition: Definition, given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for name, setting in definition.settings.items():
        if setting.required and not given.get(name):
            yield _error(name, f"must be given{': ' if setting.description else ''}{setting.description}")


def _error(name: str, detail: str) -> dict[str, str]:
    return {"pointer": f"/settings/{name}", "detail": detail}
