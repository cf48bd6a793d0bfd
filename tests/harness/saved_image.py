"""Images as `docker save` writes them: every path, byte, history line and word of configuration in them."""

import json
import re
import subprocess
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeport.settings import program_environment

_UNPACKED_AT_MOST = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a path is, and whose."""

    is_folder: bool
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class SavedImage:
    """One image in a saved archive. `config` is its whole configuration (OCI image-spec, config.md)."""

    archive: Path
    config: dict[str, Any]
    layers: Sequence[str]

    @property
    def diff_ids(self) -> list[str]:
        """Its layers' identities, the lowest first."""
        return list(self.config["rootfs"]["diff_ids"])

    def entries(self, *, first: int = 0, last: int | None = None) -> dict[str, Entry]:
        """What some of its layers hold, by path, deletions among it; the highest layer's entries count."""
        return {
            member.name.removeprefix("./"): Entry(
                is_folder=member.isdir(), mode=member.mode, uid=member.uid, gid=member.gid
            )
            for member in self._headers(first, last)
        }

    def read_layers(self) -> Iterator[bytes]:
        """Its layers as tar archives, the lowest first."""
        with tarfile.open(self.archive) as outer:
            for name in self.layers:
                file = outer.extractfile(name)
                assert file is not None
                yield file.read()

    def places_of(self, pattern: re.Pattern[bytes], *, above: int) -> list[str]:
        """Where the pattern occurs above the first so many layers: in names, in content, also in gzip."""
        found = []
        for member, content in self._members(above):
            texts = [member.name.encode(), member.linkname.encode(), content, _gunzipped(content)]
            found += [
                f"{member.name}: {match.group()!r}" for text in texts if (match := pattern.search(text))
            ]
        return found

    def _headers(self, first: int, last: int | None) -> Iterator[tarfile.TarInfo]:
        with tarfile.open(self.archive) as outer:
            for name in self.layers[first:last]:
                with tarfile.open(fileobj=outer.extractfile(name)) as layer:
                    yield from layer

    def _members(self, above: int) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        with tarfile.open(self.archive) as outer:
            for name in self.layers[above:]:
                with tarfile.open(fileobj=outer.extractfile(name)) as layer:
                    for member in layer:
                        file = layer.extractfile(member) if member.isreg() else None
                        yield member, file.read() if file else b""


def save_images(docker_host: str, tags: Sequence[str], archive: Path) -> list[SavedImage]:
    """Saves images into one archive and reads what they are, in the order of their tags."""
    environment = program_environment(DOCKER_HOST=docker_host, HOME=str(archive.parent))
    argv = ["docker", "save", "--output", str(archive), *tags]
    subprocess.run(argv, env=environment, check=True, capture_output=True, timeout=300)
    with tarfile.open(archive) as outer:

        def read(name: str) -> Any:
            file = outer.extractfile(name)
            assert file is not None
            return json.load(file)

        entries = {tag: entry for entry in read("manifest.json") for tag in entry["RepoTags"] or ()}
        return [
            SavedImage(archive=archive, config=read(entries[tag]["Config"]), layers=entries[tag]["Layers"])
            for tag in tags
        ]


def _gunzipped(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return b""
    try:
        return zlib.decompressobj(wbits=31).decompress(content, _UNPACKED_AT_MOST)
    except zlib.error:
        return b""
