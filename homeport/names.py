"""What may be the name of a thing: identifiers, host names, host ports, container and project names."""

import re
from collections.abc import Iterable
from typing import Final

from homeport.errors import InvalidInputError

BASE_PORT: Final = 35000
"""An app's host port is this plus its app_id: Amahi's convention."""

MAX_APP_ID: Final = 30535
"""The largest app_id: 35000 + 30535 = 65535, the last TCP port."""

LOOPBACK: Final = "127.0.0.1"

LABEL_PATTERN: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""A label by RFC 1123, in small letters."""

DOMAIN_PATTERN: Final = rf"{LABEL_PATTERN}(?:\.{LABEL_PATTERN})*"
"""Labels joined by dots."""

_LABEL = re.compile(LABEL_PATTERN)
_HOST_NAME_LENGTH = 253  # RFC 1123 section 2.1 by way of RFC 1035 section 2.3.4


def is_label(text: str) -> bool:
    """Whether it is a host name's label by RFC 1123: a-z, 0-9 and inner hyphens, 1 to 63 characters."""
    return _LABEL.fullmatch(text) is not None


def check_identifier(text: str) -> str:
    """The identifier, if it is a label of at least two characters (Docker's shortest container name).

    Raises:
        InvalidInputError: it is none.
    """
    if is_label(text) and len(text) > 1:
        return text
    raise InvalidInputError(
        f"{text!r} cannot be an app's identifier.",
        why="An identifier is a label by RFC 1123: a-z, 0-9 and hyphens inside, 2 to 63 characters.",
        remedy="Choose a name such as 'wiki' or 'family-wiki'.",
        errors=[{"pointer": "/identifier", "detail": "not a label of 2 to 63 characters"}],
    )


def check_host_name(text: str, *, pointer: str = "/host_name") -> str:
    """The host name, if it consists of labels joined by dots.

    Args:
        text: the name.
        pointer: where it stands in the request.

    Raises:
        InvalidInputError: it does not.
    """
    labels = text.split(".")
    if (
        len(text) <= _HOST_NAME_LENGTH
        and all(is_label(label) for label in labels)
        and not labels[-1].isdigit()
    ):
        return text
    raise InvalidInputError(
        f"{text!r} cannot be a host name.",
        why="A host name consists of labels joined by dots: a-z, 0-9 and inner hyphens, 63 characters each.",
        remedy="Choose a name such as 'wiki' or 'wiki.example.org'.",
        errors=[{"pointer": pointer, "detail": "not a host name"}],
    )


def check_app_id(app_id: int) -> int:
    """The app_id, if its host port exists.

    Raises:
        InvalidInputError: it is below 1 or above `MAX_APP_ID`.
    """
    if 1 <= app_id <= MAX_APP_ID:
        return app_id
    raise InvalidInputError(
        f"{app_id} cannot be an app_id.",
        why=f"The host port is {BASE_PORT} + app_id, and ports end at 65535: an app_id is 1 to {MAX_APP_ID}.",
        remedy="Give another app_id, or none: the next free one is taken.",
        errors=[{"pointer": "/app_id", "detail": f"not within 1 to {MAX_APP_ID}"}],
    )


def host_port(app_id: int) -> int:
    """The port on the host that belongs to the app."""
    return BASE_PORT + app_id


def full_host_name(name: str, domain: str) -> str:
    """`name.domain` where the name is a single label; a name with dots stands for itself."""
    return name if "." in name else f"{name}.{domain}"


def names_of(host_name: str, aliases: Iterable[str], *, domain: str) -> tuple[str, ...]:
    """All names of an app: those that it was given, then their first labels, where they are in the domain.

    A name that is given always has a dot, so a label alone is that of the one name in the domain that begins
    with it.
    """
    given = dict.fromkeys((host_name, *aliases))
    short = (name.removesuffix(f".{domain}") for name in given if name.endswith(f".{domain}"))
    return tuple(dict.fromkeys((*given, *(name for name in short if "." not in name))))


def api_names(domain: str, api_name: str) -> tuple[str, ...]:
    """The host names that lead to the API."""
    return names_of(f"{api_name}.{domain}", (), domain=domain)


def reserved_names(domain: str, api_name: str, further: Iterable[str] = ()) -> frozenset[str]:
    """The host names that no app may have.

    They are the domain itself and the API's; those that computers on a network look for by themselves, by
    which an app could lead them astray: `wpad` (the configuration of their web proxies) and `isatap` (an IPv6
    router); and the owner's own.

    Args:
        domain: the box's.
        api_name: the API's label.
        further: names or labels.
    """
    labels = (api_name, "wpad", "isatap", *further)
    return frozenset({domain, "localhost", *(full_host_name(label, domain) for label in labels)})


def split_address(listen: str) -> tuple[str, int]:
    """Address and port of `127.0.0.1:8035` or `[::1]:8035`."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def project_name(identifier: str) -> str:
    """The compose project's name; the prefix keeps an owner's own project of the same name out of it."""
    return f"homeport-{identifier}"
