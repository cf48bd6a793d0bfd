"""The entries of an archive and the rules for them. Pure: names and kinds, no file is touched."""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from homeport.errors import ArchiveRefusedError

_MAX_NAME_BYTES: Final = 1024  # the folder's own path comes before it, and PATH_MAX is 4096
_MAX_PART_BYTES: Final = 255  # NAME_MAX
_MAX_LEVELS: Final = 64
_MAX_GLOBAL_HEADERS: Final = 64  # git archive writes one; tarfile would keep any number
_MAX_HOPS: Final = 40  # links that lead to links, as Linux counts
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SHOWN: Final = 200

Parts = tuple[str, ...]


class EntryKind(StrEnum):
    """What an entry becomes."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    """A symbolic link; made at the end, so that nothing is ever written through one."""
    HARD_LINK = "hard link"


_FILES: Final = (EntryKind.FILE, EntryKind.HARD_LINK)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry that passed: its name in the archive, normalised, and for links what they lead to."""

    name: str
    kind: EntryKind
    size: int = 0
    is_executable: bool = False
    target: str = ""


def refused(name: str, why: str, remedy: str = "Leave it out and pack it again.") -> ArchiveRefusedError:
    """The error for an archive whose entry of that name must not be unpacked; no name: the archive itself."""
    shown = _UNPRINTABLE.sub("?", name)[:_SHOWN]
    what = f"The archive is refused at {shown!r}." if name else "The archive is refused."
    return ArchiveRefusedError(what, why=why, remedy=remedy, entry=shown)


class ArchiveTree:
    """What an archive has been seen to hold so far.

    Args:
        max_bytes: of all contents together.
        max_files: the most entries.
    """

    def __init__(self, *, max_bytes: int, max_files: int) -> None:
        self.last = ""
        """The name of the entry that was looked at last, as it may be shown."""
        self._max_bytes, self._max_files = max_bytes, max_files
        self._bytes = self._count = 0
        self._kinds: dict[Parts, EntryKind] = {}
        self._links: dict[Parts, Entry] = {}

    def add(self, member: tarfile.TarInfo) -> Entry | None:
        """The entry to make now; None for what is not made, or not yet.

        Raises:
            ArchiveRefusedError: it must not be unpacked, or a bound is reached.
        """
        self.last = _UNPRINTABLE.sub("?", member.name)[:_SHOWN]
        parts = _parts(member.name)
        self._count += 1
        if self._count > self._max_files:
            raise refused(member.name, f"The archive has more than {self._max_files:,} entries.")
        if len(member.pax_headers) > _MAX_GLOBAL_HEADERS:
            raise refused(member.name, "It has too many attributes.")
        entry = _entry(member, parts)
        if not parts:
            if entry.kind is EntryKind.FOLDER:
                return None  # the archive's own root
            raise refused(member.name, "It has no name.")
        self._place(parts, entry)
        if entry.kind is EntryKind.LINK:
            self._links[parts] = entry
            return None
        return entry

    def finish(self) -> None:
        """Looks at what can be judged only when all is known.

        Raises:
            ArchiveRefusedError: the archive is empty, or a link leads out of it.
        """
        if EntryKind.FILE not in self._kinds.values():
            raise refused(
                "", "It holds no file.", "Send a folder with files in it; with tar: tar -cz -C FOLDER ."
            )
        top = _parts(self.top)
        for parts, link in self._links.items():
            if self._leads_out(parts, top):
                remedy = "Put a copy of the file in its place."
                raise refused(
                    link.name,
                    f"The link leads to {link.target[:_SHOWN]!r}, out of it or in a circle.",
                    remedy,
                )

    @property
    def top(self) -> str:
        """The one folder that holds all the rest, else nothing."""
        tops = {parts[0] for parts in self._kinds}
        name = next(iter(tops)) if len(tops) == 1 else ""
        return name if self._kinds.get((name,)) is EntryKind.FOLDER else ""

    def links(self) -> Iterator[Entry]:
        """The symbolic links."""
        yield from self._links.values()

    def files(self) -> frozenset[str]:
        """The names of files and of hard links to them, within the top folder where there is one."""
        cut = len(_parts(self.top))
        return frozenset("/".join(parts[cut:]) for parts, kind in self._kinds.items() if kind in _FILES)

    def _place(self, parts: Parts, entry: Entry) -> None:
        for level in range(1, len(parts)):
            if self._kinds.setdefault(parts[:level], EntryKind.FOLDER) is not EntryKind.FOLDER:
                raise refused(entry.name, f"{'/'.join(parts[:level])!r} is no folder, but holds something.")
        both = {self._kinds.get(parts, entry.kind), entry.kind}
        if parts in self._kinds and both != {EntryKind.FOLDER}:
            raise refused(entry.name, "The name comes twice.")
        if entry.kind is EntryKind.HARD_LINK and self._kinds.get(_parts(entry.target)) not in _FILES:
            raise refused(entry.name, f"The hard link leads to {entry.target[:_SHOWN]!r}, no file before it.")
        self._kinds[parts] = entry.kind
        if len(self._kinds) > self._max_files:  # folders that only a name tells of count as well
            raise refused(entry.name, f"The archive has more than {self._max_files:,} entries.")
        self._bytes += entry.size
        if self._bytes > self._max_bytes:
            raise refused(entry.name, f"The contents have more than {self._max_bytes:,} bytes.")

    def _leads_out(self, parts: Parts, top: Parts) -> bool:
        """Whether the link, with those that it leads to, ever leaves the top folder, or never ends."""
        at, ahead, hops = list(parts[:-1]), [parts[-1]], 0
        while ahead:
            step = ahead.pop()
            if step == "..":
                if len(at) <= len(top):
                    return True
                at.pop()
                continue
            if (link := self._links.get((*at, step))) is None:
                at.append(step)
                continue
            hops += 1
            if hops > _MAX_HOPS or link.target.startswith("/"):
                return True
            ahead += [part for part in reversed(link.target.split("/")) if part not in ("", ".")]
        return tuple(at[: len(top)]) != top


def _parts(name: str) -> Parts:
    """The parts of a name.

    Raises:
        ArchiveRefusedError: it is absolute, leads up, is too long, or has what no name should have.
    """
    if _UNPRINTABLE.search(name):
        raise refused(name, "The name has control characters, or is not written in UTF-8.")
    path = PurePosixPath(name)
    if path.is_absolute():
        raise refused(name, "The name is absolute.", "Pack it by relative names: tar -cz -C FOLDER .")
    if ".." in path.parts:
        raise refused(name, "The name leads out of the archive with '..'.")
    if len(name.encode()) > _MAX_NAME_BYTES or len(path.parts) > _MAX_LEVELS:
        raise refused(name, f"The name is longer than {_MAX_NAME_BYTES} bytes, or {_MAX_LEVELS} levels deep.")
    if any(len(part.encode()) > _MAX_PART_BYTES for part in path.parts):
        raise refused(name, f"A part of the name is longer than {_MAX_PART_BYTES} bytes.")
    return path.parts


def _entry(member: tarfile.TarInfo, parts: Parts) -> Entry:
    name = "/".join(parts)
    if member.size < 0:
        raise refused(name, "Its size is negative.")
    if member.issparse():
        raise refused(name, "It is a sparse file, which can be any size.", "Pack it without --sparse.")
    if member.isdir():
        return Entry(name=name, kind=EntryKind.FOLDER)
    if member.isreg():
        return Entry(
            name=name, kind=EntryKind.FILE, size=member.size, is_executable=bool(member.mode & 0o111)
        )
    if member.islnk():
        return Entry(name=name, kind=EntryKind.HARD_LINK, target="/".join(_parts(member.linkname)))
    if member.issym():
        if (
            not member.linkname
            or _UNPRINTABLE.search(member.linkname)
            or len(member.linkname) > _MAX_NAME_BYTES
        ):
            raise refused(name, "The link leads to what is no name.")
        return Entry(name=name, kind=EntryKind.LINK, target=member.linkname)
    kinds = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe"}
    raise refused(name, f"It is {kinds.get(member.type, 'neither a file, a folder nor a link')}.")
