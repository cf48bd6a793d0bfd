"""Which of a draft's variables are the owner's to set, and as what settings they stand in app.yml."""

import re
from collections.abc import Mapping
from typing import Any, Final

from homeport.catalog.convert.draft import Note, assumed, changed, dropped
from homeport.placeholders import ORDER
from homeport.secret_names import names_a_secret

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_OF_EVERY_BOX: Final[Mapping[str, tuple[str, str]]] = {
    "PUID": ("1000", "The number of the user whom the app's files belong to."),
    "PGID": ("1000", "The number of the group that the app's files belong to."),
    "UID": ("1000", "The number of the user whom the app's files belong to."),
    "GID": ("1000", "The number of the group that the app's files belong to."),
    "USER_ID": ("1000", "The number of the user whom the app's files belong to."),
    "GROUP_ID": ("1000", "The number of the group that the app's files belong to."),
    "USERMAP_UID": ("1000", "The number of the user whom the app's files belong to."),
    "USERMAP_GID": ("1000", "The number of the group that the app's files belong to."),
    "TZ": ("Etc/UTC", "The time zone, such as Europe/Berlin."),
    "UMASK": ("022", "What is taken from the rights of new files, in octal digits."),
    "UMASK_SET": ("022", "What is taken from the rights of new files, in octal digits."),
}
"""Variables that differ from box to box: what they are where nothing was said, and what they are for."""

_PLAUSIBLE: Final[Mapping[str, re.Pattern[str]]] = {
    "TZ": re.compile(r"[A-Z][A-Za-z]+(?:/[A-Za-z0-9_+-]+)+|[A-Z]{3,4}[0-9+-]*"),
    "UMASK": re.compile(r"[0-7]{1,4}"),
    "UMASK_SET": re.compile(r"[0-7]{1,4}"),
}
_NUMBER: Final = re.compile(r"[0-9]{1,10}")

_NO_SECRET: Final = re.compile(
    r"(?:true|false|yes|no|on|off|none|null|[0-9]{1,5}|/\S*|\./\S*|file:\S*)?", re.IGNORECASE
)
_LEFT_OPEN: Final = re.compile(
    r"[^<]*<[A-Za-z][^<>]*>[^<]*|\[[A-Za-z _-]+\]|\{[A-Za-z _-]+\}|x{3,}|\*{3,}|(?-i:MY_[A-Z_]+)"
    r"|(?:your|my|change|replace|insert|enter|some|put)[-_ ](?:your|my|this|it|me|a|the|own|super)\b.*"
    r"|your[-_ ]?[a-z].*|change_?(?:me|it).*",
    re.IGNORECASE,
)
_LONGEST: Final = 400


def place_variables(
    services: Mapping[str, dict[str, Any]], hints: Mapping[str, str], notes: list[Note]
) -> dict[str, dict[str, Any]]:
    """Empties the variables that are for the owner to set; what stands under `settings` in app.yml, by name.

    Variables of these names in several services have one setting, unless they said different things.
    """
    placed = _Settings(hints, notes)
    for service in services.values():
        environment = service.get("environment")
        if not isinstance(environment, dict):
            continue
        for name, value in list(environment.items()):
            text = None if value is None else _text(value)
            if name in ORDER:
                del environment[name]
                notes.append(dropped(name, "In a definition this word stands for what only the box knows."))
            elif not _NAME.fullmatch(name):
                _place_odd(environment, name, text, notes)
            else:
                environment[name] = None if placed.takes(name, text) else text
        if not environment:
            del service["environment"]
    return placed.by_name


class _Settings:
    """The settings of one definition, as its variables are gone through."""

    def __init__(self, hints: Mapping[str, str], notes: list[Note]) -> None:
        self.by_name: dict[str, dict[str, Any]] = {}
        self._hints, self._notes = hints, notes
        self._stood: dict[str, str] = {}

    def takes(self, name: str, text: str | None) -> bool:
        """Whether a setting stands for the variable; `text` is its value, None where it has none."""
        is_open = text is None or _LEFT_OPEN.fullmatch(text) is not None
        if name.upper() in _OF_EVERY_BOX:
            is_open = is_open or not _PLAUSIBLE.get(name.upper(), _NUMBER).fullmatch(text or "")
            if name not in self.by_name:
                self._add_with_default(name, None if is_open else text)
            return is_open or self.by_name[name]["default"] == text
        is_secret = names_a_secret(name)
        if not is_open and not (is_secret and text and not _NO_SECRET.fullmatch(text)):
            return False
        if name not in self.by_name:
            shows = is_open or not is_secret
            self._add_required(
                name, text if text is not None else self._hints.get(name, ""), shows, is_secret
            )
        return True

    def _add_with_default(self, name: str, text: str | None) -> None:
        default, description = _OF_EVERY_BOX[name.upper()]
        if text is None:
            self._notes.append(assumed(name, f"Where its owner says nothing else, it is {default}."))
        self.by_name[name] = {"default": default if text is None else text, "description": description}

    def _add_required(self, name: str, stood: str, shows: bool, is_secret: bool) -> None:
        why = "A secret is another one on every box" if is_secret else "It was left open"
        self._notes.append(changed(name, f"{why}: it is a setting that the owner has to give."))
        same = next((other for other, value in self._stood.items() if stood and value == stood), None)
        if same:
            description = f"The same as {same}."
        elif stood and shows:
            description = f"It was left open as {stood[:_LONGEST]}"
        else:
            description = ""
        self._stood[name] = stood
        self.by_name[name] = {"required": True, **({"description": description} if description else {})}


def _place_odd(environment: dict[str, Any], name: str, text: str | None, notes: list[Note]) -> None:
    """A name that no setting can have: its value stays, and without one it is dropped."""
    if text is None:
        del environment[name]
        notes.append(dropped(name, "It has no value, and no setting can be named so."))
    else:
        environment[name] = text


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
