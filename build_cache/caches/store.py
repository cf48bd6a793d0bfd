"""What the package caches hold on disk: how much, and giving it back by hand.

nginx takes a file that has vanished for one that it never had, so its store may be trimmed while it runs; the
files of downloads that are under way have other names and are left alone.
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never
from urllib.parse import unquote

from homeport.caches import Ecosystem
from homeport.host.files import remove_tree
from homeport.plans import Control
from homeport.settings import Settings

REMAKE_MARKER: Final = "remake"
"""A file of this name in devpi's folder asks devpi to make its store anew."""

_STORED = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class CacheSize:
    """What a cache holds; devpi's own store counts as pip's."""

    bytes: int = 0
    files: int = 0


@dataclass(frozen=True, kw_only=True)
class TrimmedCache:
    """What trimming did to a cache."""

    before_bytes: int
    after_bytes: int
    after_files: int
    removed_files: int


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file of a cache's store: its size on disk, and when it was last read or written, since 1970."""

    path: str
    bytes: int
    used_at: float


def cache_sizes(settings: Settings) -> Mapping[Ecosystem, CacheSize]:
    """What each cache holds now."""
    return {ecosystem: _size_of(settings, ecosystem) for ecosystem in Ecosystem}


def trim_caches(
    settings: Settings, *, to_bytes: int, ecosystems: Collection[Ecosystem], control: Control
) -> Mapping[Ecosystem, TrimmedCache]:
    """Removes what was used least recently, until each of these caches holds no more than that.

    devpi's store goes as a whole, within seconds, and first, where pip's cache holds more than that: what was
    downloaded lies in nginx's too.

    Raises:
        CancelledError: the control says so; what was removed until then stays removed.
    """
    return {ecosystem: _trim(settings, ecosystem, to_bytes, control) for ecosystem in ecosystems}


def forget_served(
    settings: Settings, lines: Iterable[bytes], *, ecosystems: Collection[Ecosystem]
) -> Mapping[Ecosystem, int]:
    """Removes the stored copies of what these lines of the request log say that these caches served.

    Gives how many there were, of the ecosystems that had any.

    For a build whose client found that a file is not what it should be. The caches cannot tell, devpi apart,
    and would serve it again for a year; forgotten, it is fetched anew.
    """
    removed: Counter[Ecosystem] = Counter()
    for line in lines:
        try:
            served = json.loads(line)
            ecosystem = Ecosystem(served["ecosystem"])
            keys = stored_keys(ecosystem, host=served["host"], uri=served["uri"])
        except (ValueError, KeyError, TypeError):
            continue
        for key in keys if ecosystem in ecosystems else ():
            path = stored_path(settings.caches_dir / "nginx" / ecosystem, key)
            if path.exists():
                path.unlink(missing_ok=True)
                removed[ecosystem] += 1
    return removed


def stored_keys(ecosystem: Ecosystem, *, host: str, uri: str) -> tuple[str, ...]:
    """The keys under which nginx may have stored the answer, as its configuration makes them."""
    plain = unquote(uri.partition("?")[0])
    match ecosystem:
        case Ecosystem.APT:
            return (host + uri,)
        case Ecosystem.GEM:
            return (uri,)
        case Ecosystem.NPM:
            return (plain, f"full {uri}", f"short {uri}")
        case Ecosystem.PIP:
            return (plain, f"plain {uri}", f"html {uri}", f"json {uri}")
        case _:
            assert_never(ecosystem)


def stored_path(folder: Path, key: str) -> Path:
    """Where nginx keeps the answer of a key (proxy_cache_path's `levels=1:2`)."""
    name = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return folder / name[-1] / name[-3:-1] / name


def select_trimmed(files: Iterable[StoredFile], *, to_bytes: int) -> Sequence[StoredFile]:
    """The files to remove so that the others hold no more than that: least recently used first."""
    ordered = sorted(files, key=lambda file: (file.used_at, file.path))
    excess = sum(file.bytes for file in ordered) - to_bytes
    chosen = []
    for file in ordered:
        if excess <= 0:
            break
        chosen.append(file)
        excess -= file.bytes
    return chosen


def stored_files(folder: Path) -> Iterator[StoredFile]:
    """The complete files of one of nginx's stores; what vanishes meanwhile is left out."""
    for entry in _entries(folder, _STORED.fullmatch):
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield StoredFile(
            path=entry.path, bytes=found.st_blocks * 512, used_at=max(found.st_atime, found.st_mtime)
        )


def folder_bytes(folder: Path) -> int:
    """What the files below the folder take on disk; nothing where there is none."""
    return _measure(folder).bytes


def _size_of(settings: Settings, ecosystem: Ecosystem) -> CacheSize:
    found = _measure(settings.caches_dir / "nginx" / ecosystem)
    if ecosystem is not Ecosystem.PIP:
        return found
    devpi = _measure(settings.caches_dir / "devpi")
    return CacheSize(bytes=found.bytes + devpi.bytes, files=found.files + devpi.files)


def _trim(settings: Settings, ecosystem: Ecosystem, to_bytes: int, control: Control) -> TrimmedCache:
    before = _size_of(settings, ecosystem)
    removed, remade = 0, CacheSize()
    devpi = settings.caches_dir / "devpi"
    if ecosystem is Ecosystem.PIP and before.bytes > to_bytes and devpi.exists():
        remade = _measure(devpi)
        _remake(settings, devpi)
    for number, file in enumerate(
        select_trimmed(stored_files(settings.caches_dir / "nginx" / ecosystem), to_bytes=to_bytes)
    ):
        if number % 100 == 0:
            control.check()
        Path(file.path).unlink(missing_ok=True)
        removed += 1
    # devpi's store goes a little later, and counts as gone
    after = (
        _measure(settings.caches_dir / "nginx" / ecosystem) if remade.files else _size_of(settings, ecosystem)
    )
    return TrimmedCache(
        before_bytes=before.bytes,
        after_bytes=after.bytes,
        after_files=after.files,
        removed_files=removed + remade.files,
    )


def _remake(settings: Settings, devpi: Path) -> None:
    """Asks devpi for a new store; where there is none to ask, removes what it has left."""
    if not settings.package_caches:
        remove_tree(devpi, within=settings.caches_dir)
        return
    # the folder is the caches' user's: whoever asks, root perhaps, follows no link there
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(devpi / REMAKE_MARKER, flags, 0o644))


def _measure(folder: Path) -> CacheSize:
    total, files = 0, 0
    for entry in _entries(folder, lambda _name: True):
        try:
            total += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            continue
        files += 1
    return CacheSize(bytes=total, files=files)


def _entries(folder: Path, wanted: Callable[[str], object]) -> Iterator[os.DirEntry[str]]:
    """The files below a folder that others write to and delete from."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(Path(entry.path), wanted)
        elif wanted(entry.name):
            yield entry
