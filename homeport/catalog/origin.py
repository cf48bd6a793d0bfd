"""Where an added catalog may come from: its kind told by its source, and sources that are refused. Pure."""

from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from homeport.errors import InvalidInputError
from homeport.models import CatalogKind

_LONGEST: Final = 2048
_SCHEME: Final = "https://"


def kind_of(source: str) -> CatalogKind:
    """The kind that a source looks like: a path is a folder, an address of a .json file an index, else git.

    A path that ends in `.git` is a repository.
    """
    if not source.startswith("/"):
        return CatalogKind.INDEX if urlsplit(source).path.endswith(".json") else CatalogKind.GIT
    return CatalogKind.GIT if source.rstrip("/").endswith(".git") else CatalogKind.FOLDER


def check_source(kind: CatalogKind, source: str) -> str:
    """The source, if a catalog of the kind may come from it.

    Raises:
        InvalidInputError: it may not, and why.
    """
    if not source or len(source) > _LONGEST or not source.isprintable() or source != source.strip():
        raise _refused(source, f"It must be a line of 1 to {_LONGEST:,} characters.")
    if source.startswith("/"):
        if kind is CatalogKind.INDEX:
            raise _refused(source, "An index is fetched over HTTPS.")
        if ".." in PurePosixPath(source).parts:
            raise _refused(source, "The path has '..' in it.")
        return source
    if kind is CatalogKind.FOLDER:
        raise _refused(source, "A folder is named by its absolute path on the box.")
    if not source.startswith(_SCHEME):
        raise _refused(source, "An address must begin with https://, and a path with '/'.")
    return _check_address(source)


def _check_address(source: str) -> str:
    try:
        parts = urlsplit(source)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(source, f"It is no address: {error}.") from error
    if not host or "\\" in source or " " in source:
        raise _refused(source, "It is no address of a host.")
    if parts.username is not None or parts.password is not None:
        raise _refused("https://…", "A name or password in it would be shown wherever the source is.")
    if parts.fragment:
        raise _refused(source, "What follows a '#' is not sent.")
    return source


def _refused(source: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"A catalog cannot come from {source[:200]!r}.",
        why=why,
        remedy="Give the absolute path of a folder or a git repository on the box, or an https:// address.",
        errors=[{"pointer": "/source", "detail": why}],
    )
