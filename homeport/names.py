"""What may be the name of a thing: identifiers, host names, host ports, container and project names."""

import re
from typing import Final

from homeport.errors import InvalidInputError

BASE_PORT: Final = 35000
"""An app's host port is this plus its app_id: Amahi's convention."""

MAX_APP_ID: Final = 30535
"""The largest app_id: 35000 + 30535 = 65535, the last TCP port."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
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


def check_host_name(text: str) -> str:
    """The host name, if it consists of labels joined by dots.

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
        errors=[{"pointer": "/host_name", "detail": "not a host name"}],
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


def project_name(identifier: str) -> str:
    """The compose project's name; the prefix keeps an owner's own project of the same name out of it."""
    return f"homeport-{identifier}"
