"""A catalog that is an index over HTTPS: a JSON file with an archive and its SHA-256 for each definition."""

import hashlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel, Field, ValidationError

from homeport.catalog.archive import unpack_archive
from homeport.catalog.sources import MAX_FILES, MAX_FOLDER_BYTES
from homeport.plans import Control
from homeport.settings import Settings
from workers.catalogs.download import Download
from workers.catalogs.gathering import MAX_DEFINITIONS, Fetched, gather, unavailable

_INDEX_BYTES: Final = 4 * 1024 * 1024  # some kilobytes for each of a thousand definitions


class _Listed(BaseModel):
    """One definition of the index; further fields are for people."""

    name: str = Field(max_length=63)
    version: str
    url: str = Field(max_length=4096)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int | None = Field(default=None, ge=0)


class _Index(BaseModel):
    format: Literal[1]
    definitions: list[_Listed] = Field(max_length=MAX_DEFINITIONS)


def fetch_index(
    source: str,
    target: Path,
    work: Path,
    *,
    settings: Settings,
    control: Control,
    log: Callable[[str], None],
) -> Fetched:
    """See `FetchCatalog`."""
    download = Download(settings, control, source=source, until=time.monotonic() + settings.catalog_ceiling_s)
    file = work / "index.json"
    address = download.fetch(source, file, max_bytes=_INDEX_BYTES)
    raw = file.read_bytes()
    index = _parse(raw, source)
    puts = {
        listed.name: partial(_put, listed, address, download=download, work=work, settings=settings)
        for listed in index.definitions
    }
    if len(puts) < len(index.definitions):
        raise unavailable(source, "Its index names a definition twice.")
    problems = gather(puts, target, source, settings=settings, control=control)
    return Fetched(revision=hashlib.sha256(raw).hexdigest(), problems=problems)


def _parse(raw: bytes, source: str) -> _Index:
    try:
        return _Index.model_validate_json(raw)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[:3]
        told = "; ".join(
            f"{'/'.join(str(part) for part in item['loc']) or 'file'}: {item['msg']}" for item in wrong
        )
        raise unavailable(source, f"It is no index of definitions: {told}.") from error


def _put(
    listed: _Listed, index: str, target: Path, *, download: Download, work: Path, settings: Settings
) -> None:
    """Downloads, verifies and unpacks one definition.

    Raises:
        CatalogUnavailableError: it cannot be had, or is not what the index says.
        ArchiveRefusedError: it must not be unpacked.
    """
    address = _address(listed, index)
    if listed.size_bytes is not None and listed.size_bytes > MAX_FOLDER_BYTES:
        raise unavailable(address, f"{listed.size_bytes:,} bytes; {MAX_FOLDER_BYTES:,} are the most.")
    archive = work / "definition.tar"
    download.fetch(address, archive, max_bytes=listed.size_bytes or MAX_FOLDER_BYTES)
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != listed.sha256:
        size = archive.stat().st_size
        raise unavailable(
            address,
            f"The index says SHA-256 {listed.sha256}, and what came ({size:,} bytes) has {digest}.",
            "Whoever keeps the catalog has to mend it; or something changes what comes over the line.",
        )
    unpack_archive(
        archive, target, max_bytes=MAX_FOLDER_BYTES, max_files=MAX_FILES, spare_bytes=settings.spare_bytes
    )


def _address(listed: _Listed, index: str) -> str:
    """The archive's address: on the index's host, over HTTPS."""
    try:
        address = urljoin(index, listed.url)
        parts, home = urlsplit(address), urlsplit(index)
        is_near = (parts.scheme, parts.hostname, parts.port) == ("https", home.hostname, home.port)
    except ValueError:
        is_near = False
    if not is_near:
        raise unavailable(
            index, f"The archive of {listed.name} is at {listed.url[:200]!r}: not on the index's own host."
        )
    return address
