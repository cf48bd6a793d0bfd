"""Gives services names without a placeholder, and puts them in wherever another service names them. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from homeport.catalog.convert.draft import Draft

_IDENTIFIER: Final = "APP_IDENTIFIER"
_SIGNS: Final = "-_."
_NAMES_CONTAINER: Final = re.compile(r"((?:--[a-z-]+=)?(?:container:)?)([A-Za-z0-9][A-Za-z0-9_.-]*)(?=$|:)")


def name_services(draft: Draft) -> Draft:
    """The draft with its services named by what they are: placeholders stand in names of containers alone.

    A service that was named `APP_IDENTIFIER_db` is `db`, its container `APP_IDENTIFIER_db`: the others go on
    reaching it by that.
    """
    names = _names(draft.services)
    if all(old == new for old, new in names.items()):
        return draft
    services: dict[str, Mapping[str, Any]] = {}
    for old, given in draft.services.items():
        service = _renamed(given, names)
        if old != names[old] and not str(service.get("network_mode", "")).startswith("container:"):
            service.setdefault("container_name", old)
        services[names[old]] = service
    return replace(draft, services=services, main=names.get(draft.main or "", draft.main))


def part_names(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The name of a container that is a part of the app, and what it is: `APP_IDENTIFIER_db` and `db`."""
    for at, word in enumerate(words):
        given = word.removeprefix("--name=")
        is_name = given != word or (at > 0 and words[at - 1] == "--name")
        if is_name and _IDENTIFIER in given and (part := _without_identifier(given)):
            yield given, part


def rename_word(word: str, names: Mapping[str, str]) -> str:
    """A word of docker's command line with containers by their new names, wherever they are named."""
    named = _NAMES_CONTAINER.match(word)
    if named is None or named[2] not in names:
        return word
    return f"{named[1]}{names[named[2]]}{word[named.end() :]}"


def _without_identifier(name: str) -> str:
    """What a name says beside the app's identifier, and without the signs between them."""
    first, *others = name.split(_IDENTIFIER)
    if not others:
        return name
    *inner, last = others
    return "".join([first.rstrip(_SIGNS), *(part.strip(_SIGNS) for part in inner), last.lstrip(_SIGNS)])


def _names(services: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    names = {old: old for old in services if _IDENTIFIER not in old}
    taken = set(names)
    given: Counter[str] = Counter()
    for old in services:
        if old not in names:
            image = str(services[old].get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[0]
            plain = re.sub(r"[^A-Za-z0-9._-]+", "-", _without_identifier(old) or image).strip(_SIGNS) or "app"
            name = plain
            while name in taken:
                given[plain] += 1
                name = f"{plain}-{given[plain] + 1}"
            names[old] = name
            taken.add(name)
    return {old: names[old] for old in services}


def _renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The service with the others' new names where it names them."""
    service = dict(given)
    for key in ("links", "volumes_from"):
        if isinstance(service.get(key), list):
            service[key] = [_reference(item, names, aliased=key == "links") for item in service[key]]
    match service.get("depends_on"):
        case list() as needed:
            service["depends_on"] = [names.get(one, one) if isinstance(one, str) else one for one in needed]
        case dict() as needed:
            service["depends_on"] = {names.get(one, one): how for one, how in needed.items()}
    for key in ("network_mode", "ipc", "pid"):
        value = service.get(key)
        if isinstance(value, str) and value.startswith("service:"):
            other = value.removeprefix("service:")
            service[key] = f"service:{names.get(other, other)}"
    return service


def _reference(item: Any, names: Mapping[str, str], *, aliased: bool) -> Any:
    """`name` or `name:rest` by the new name; a link goes on having the old one as its alias."""
    name, colon, rest = str(item).partition(":")
    if name not in names or names[name] == name:
        return item
    return f"{names[name]}:{rest or name}" if colon or aliased else names[name]
