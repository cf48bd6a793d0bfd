"""Where catalogs come from: which kind an address is of, what cannot be one, and what of it may be shown."""

import posixpath
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from homeport.errors import InvalidInputError
from homeport.models import CatalogKind

_EXAMPLES: Final = (
    "Give the path of a folder or of a git repository (/srv/apps, /srv/apps.git), or an address of a git "
    "repository or of an index (https://example.org/apps.git, https://example.org/index.json)."
)
_GIT_PREFIX: Final = "git+"
_GIT_ENDING: Final = ".git"
_PLAIN: Final = re.compile(r"[!-~]+")  # an address is ASCII without blanks (RFC 3986)


def settle_source(source: str, kind: CatalogKind | None) -> tuple[CatalogKind, str]:
    """The kind of a catalog, guessed where none is said, and its source as it is stored.

    Whether there is anything at it is found out by the refresh.

    Raises:
        InvalidInputError: no catalog is fetched from such a source, or its kind cannot be guessed.
    """
    if source.startswith("/"):
        return _settle_path(source, kind)
    address = source.removeprefix(_GIT_PREFIX)
    if address != source:
        if kind not in (None, CatalogKind.GIT):
            raise _refused(
                source, f"An address that begins with {_GIT_PREFIX} is a git repository's.", pointer="/kind"
            )
        kind = CatalogKind.GIT
    parts = _checked_address(address)
    if kind is CatalogKind.FOLDER:
        raise _refused(source, "A folder is one of this box, by its whole path.", pointer="/kind")
    return kind or _guessed(source, parts.path), address


def shown_source(source: str) -> str:
    """The source without the name, password and query of its address, which may be secrets."""
    try:
        parts = urlsplit(source)
    except ValueError:
        return "…"
    if not parts.scheme:
        return source
    if not parts.netloc:
        return f"{parts.scheme}:…"
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "…" if parts.query else "", ""))


def hide_secrets(text: str, source: str) -> str:
    """The text, which may quote the source or parts of it, with no more of it than may be shown."""
    text = text.replace(source, shown_source(source))
    try:
        parts = urlsplit(source)
    except ValueError:
        return text
    secrets = [parts.netloc.rpartition("@")[0], parts.query]
    for secret in (secret for secret in secrets if secret):
        text = text.replace(secret, "…")
    return text


def _settle_path(source: str, kind: CatalogKind | None) -> tuple[CatalogKind, str]:
    path = posixpath.normpath("/" + source.lstrip("/"))
    if not source.isprintable() or ".." in source.split("/"):
        raise _refused(source, "A path has no '..' and nothing that cannot be printed.")
    if kind is CatalogKind.INDEX:
        raise _refused(source, "An index is fetched over HTTPS.", pointer="/kind")
    guessed = CatalogKind.GIT if path.endswith(_GIT_ENDING) else CatalogKind.FOLDER
    return kind or guessed, path


def _checked_address(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise _refused(address, "It is no address.") from error
    match parts.scheme:
        case "https":
            pass
        case "http":
            raise _refused(
                address, "What comes over http:// can be changed by anybody on the way: use https://."
            )
        case "ssh":
            raise _refused(address, "Homeport has no SSH key to open it with: use https://.")
        case "" if re.match(r"[^/]+@[^/]+:", address):
            raise _refused(address, "Homeport has no SSH key to open it with: use https://.")
        case "":
            raise _refused(address, "A path must be whole, from / on: the box does not know where you are.")
        case _:
            raise _refused(address, f"Nothing is fetched over {parts.scheme}:, only over https://.")
    if not has_host or not _PLAIN.fullmatch(address) or "\\" in address or parts.fragment:
        raise _refused(address, "It is no address: https://HOST/PATH has no blanks, backslashes or '#'.")
    return parts


def _guessed(source: str, path: str) -> CatalogKind:
    if path.endswith(".json"):
        return CatalogKind.INDEX
    if path.rstrip("/").endswith(_GIT_ENDING):
        return CatalogKind.GIT
    raise _refused(
        source, "It may be a git repository or an index: say which (`--kind`, `kind`).", pointer="/kind"
    )


def _refused(source: str, why: str, *, pointer: str = "/source") -> InvalidInputError:
    return InvalidInputError(
        f"{shown_source(source)[:200]!r} cannot be a catalog's source.",
        why=why,
        remedy=_EXAMPLES,
        errors=[{"pointer": pointer, "detail": why}],
    )
