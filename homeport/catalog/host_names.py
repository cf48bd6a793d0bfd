"""The host names of an app, as its owner writes them, in the one form in which they are stored. Pure."""

from collections.abc import Sequence

import idna

from homeport.errors import InvalidInputError, TakenError
from homeport.names import check_host_name, full_host_name, is_label, names_of, reserved_names
from homeport.settings import Settings


def settle_host_names(name: str, aliases: Sequence[str], settings: Settings) -> tuple[str, tuple[str, ...]]:
    """The app's host name and its further ones, each once and complete, in the letters that DNS has.

    Args:
        name: a label, to which the domain is added, or a full name.
        aliases: likewise.
        settings: of this box.

    Raises:
        InvalidInputError: one is no host name.
        TakenError: one is reserved.
    """
    first = _settle(name, settings, pointer="/host_name")
    further = (_settle(alias, settings, pointer=f"/aliases/{n}") for n, alias in enumerate(aliases))
    return first, tuple(dict.fromkeys(alias for alias in further if alias != first))


def to_ascii(text: str, *, pointer: str) -> str:
    """The name in letters, digits and hyphens (RFC 5891's A-labels, mapped before by UTS 46).

    Raises:
        InvalidInputError: it has none.
    """
    if all(is_label(label) for label in text.split(".")) and "xn--" not in text:
        return text
    try:
        return idna.encode(text.removesuffix("."), uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidInputError(
            f"{text!r} cannot be a host name.",
            why=f"{error}.",
            remedy="Choose a name such as 'wiki', 'bücher' or 'wiki.example.org'.",
            errors=[{"pointer": pointer, "detail": "not a host name"}],
        ) from error


def _settle(text: str, settings: Settings, *, pointer: str) -> str:
    full = check_host_name(full_host_name(to_ascii(text, pointer=pointer), settings.domain), pointer=pointer)
    further = (name.strip() for name in settings.reserved_names.split(","))
    own = [to_ascii(name, pointer="reserved_names") for name in further if name]
    known_as = names_of(full, (), domain=settings.domain)
    if not reserved_names(settings.domain, settings.api_name, own).isdisjoint(known_as):
        raise TakenError(
            f"The host name {full!r} is reserved.",
            why="It is the box's own, one that computers look for by themselves, or one of the setting "
            "reserved_names.",
            remedy="Choose another host name.",
            kind="host_name",
            value=full,
        )
    return full
