"""Naming an image by what it is built from, so that the same content is built once."""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from build_cache.context import find_dockerfile
from homeport.catalog.loaded import BuildSpec
from homeport.host.files import read_bounded

_PIECE_BYTES = 1024 * 1024
_DOCKERFILE_BYTES = 4 * 1024 * 1024
_DIGITS = 12  # 48 bits: two versions of one service share a tag once in 10^14 changes
_VERSION_CHARACTERS = 100  # a tag has at most 128 (distribution's reference grammar)


@dataclass(frozen=True, kw_only=True)
class ContextEntry:
    """A file, folder or link in a build context; `content` gives a file's bytes, or a link's target."""

    path: str
    mode: int
    content: Iterable[bytes] = ()


def content_tag(
    *,
    definition: str,
    service: str,
    version: str,
    spec: BuildSpec,
    upon: Mapping[str, str],
) -> str:
    """`homeport/<definition>-<service>:<version>-<12 hex digits>`.

    The digits are a hash of every path, permission and byte in the contexts, the Dockerfile, its target, the
    build arguments and labels, and the tags that it is built upon: they change when one of these does, and
    with nothing else.

    Args:
        definition: the definition's name.
        service: the service whose image it is.
        version: the definition's version.
        spec: how it is built.
        upon: the tags of the images for which `spec.upon` has a name, by that name.

    Raises:
        BuildFailedError: there is no such context or Dockerfile.
        ForeignObjectError: the Dockerfile lies outside the context.
        OSError: something cannot be read.
    """
    text = read_bounded(find_dockerfile(service, spec.context, spec.dockerfile), _DOCKERFILE_BYTES)
    settled = [("arg", name, value) for name, value in spec.args.items()]
    settled += [("label", name, value) for name, value in spec.labels.items()]
    settled += [("upon", name, tag) for name, tag in upon.items()]
    settled += [("folder", name, hash_content(read_context(at), b"")) for name, at in spec.folders.items()]
    if spec.target:
        settled.append(("target", "", spec.target))
    digest = hash_content(read_context(spec.context), text, settled)
    name = _safe(f"{definition}-{service}".lower(), r"[^a-z0-9]+")
    return f"homeport/{name}:{_safe(version, r'[^A-Za-z0-9_.-]+')[:_VERSION_CHARACTERS]}-{digest[:_DIGITS]}"


def hash_content(
    entries: Iterable[ContextEntry], dockerfile: bytes, settled: Iterable[tuple[str, str, str]] = ()
) -> str:
    """The SHA-256, in hex, of entries in their order, a Dockerfile, and what else is settled, in any order.

    Pure. `settled` has kind, name and value of each: `("arg", "PHP", "8.2")`.
    """
    total = hashlib.sha256()
    for entry in entries:
        content = hashlib.sha256()
        for piece in entry.content:
            content.update(piece)
        _add(total, b"entry", os.fsencode(entry.path), b"%o" % entry.mode, content.digest())
    _add(total, b"dockerfile", dockerfile)
    for kind, name, value in sorted(settled):
        _add(total, kind.encode(), name.encode(), value.encode())
    return total.hexdigest()


def read_context(folder: Path) -> Iterator[ContextEntry]:
    """Everything in the folder, by path; links are not followed."""
    for entry in sorted(os.scandir(folder), key=lambda found: found.name):
        yield from _read_entry(Path(entry.path), entry.name)


def _read_entry(path: Path, shown: str) -> Iterator[ContextEntry]:
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        yield ContextEntry(path=shown, mode=mode, content=_pieces(path))
    elif stat.S_ISLNK(mode):
        yield ContextEntry(path=shown, mode=mode, content=[os.fsencode(path.readlink())])
    else:
        yield ContextEntry(path=shown, mode=mode)
    if stat.S_ISDIR(mode):
        for entry in sorted(os.scandir(path), key=lambda found: found.name):
            yield from _read_entry(Path(entry.path), f"{shown}/{entry.name}")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _add(total: "hashlib._Hash", *parts: bytes) -> None:
    """Adds parts with their lengths, so that no two lists of parts look the same."""
    for part in parts:
        total.update(b"%d:" % len(part))
        total.update(part)


def _safe(text: str, forbidden: str) -> str:
    return re.sub(forbidden, "-", text).strip("-._") or "x"
