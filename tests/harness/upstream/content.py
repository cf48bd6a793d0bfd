"""What an upstream serves: bodies by path, and how their validators look."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field

BUILT_AT = 1_700_000_000
"""The time that stands in everything that is made, so that the same code makes the same bytes."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """A body with its media type; `variants` are given to those who ask for their media type."""

    body: bytes
    media_type: str = "application/octet-stream"
    variants: Mapping[str, "Content"] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """The strong validator: the body's MD5, which is what a compact index's clients compare."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'

    def chosen(self, accept: str) -> "Content":
        """The variant for an `Accept` header; this content where none is asked for."""
        return next((other for kind, other in self.variants.items() if kind in accept), self)


Site = Mapping[str, Content]
"""What an ecosystem's server has, by decoded path."""


def tar_of(files: Mapping[str, tuple[bytes, int]], *, folders: bool = False) -> bytes:
    """A tar of files (name to content and mode) of root's; with `folders` it names their folders, too."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in _folders(files) if folders else ():
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, BUILT_AT
            tar.addfile(entry)
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, BUILT_AT
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def gzipped(content: bytes) -> bytes:
    """The content in gzip, the same bytes at every time."""
    return gzip.compress(content, compresslevel=1, mtime=0)


def _folders(files: Mapping[str, tuple[bytes, int]]) -> list[str]:
    found: dict[str, None] = {}
    for name in files:
        parts = name.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            found["/".join(parts[:count])] = None
    return [name for name in found if name != "."]
