"""What an uploaded archive is: a definition, or a build context. Judged before its build is accepted."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from homeport.catalog.archive import survey_archive, unpack_archive
from homeport.catalog.definition import APP_FILE
from homeport.catalog.loaded import LoadedDefinition, builds_images
from homeport.catalog.owner_settings import settle_settings
from homeport.catalog.reader import read_definition
from homeport.catalog.sources import MAX_FILES, MAX_FOLDER_BYTES
from homeport.errors import ArchiveRefusedError, InvalidInputError
from homeport.names import is_label


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """An archive that may be built: the name that its build goes by, and whether it builds anything."""

    name: str
    builds_images: bool


def judge_upload(
    file: Path,
    *,
    name: str | None,
    dockerfile: str,
    max_bytes: int,
    max_files: int,
    settings: Mapping[str, str] | None = None,
) -> Uploaded:
    """Looks through the archive; a definition is unpacked beside it for a moment, and read.

    Args:
        file: the archive.
        name: the build's name; None for a definition, which has one.
        dockerfile: which file a context is built by.
        max_bytes: the most that it may unpack to.
        max_files: the most entries.
        settings: what the owner sets of a definition's settings.

    Raises:
        ArchiveRefusedError: it must not be unpacked, or holds neither app.yml nor the Dockerfile.
        InvalidInputError: the name is missing, no label, or not the definition's; or a setting is wrong.
        DefinitionInvalidError: its definition is incomplete or wrong.
        PolicyRefusedError: its definition asks for what is not allowed.
    """
    if name is not None and not is_label(name):
        raise _wrong_name(f"{name[:80]!r} is no name for a build.", "not a label of 1 to 63 characters")
    files = survey_archive(file, max_bytes=max_bytes, max_files=max_files)
    if APP_FILE in files:
        return _judge_definition(file, name, max_files, settings or {})
    if settings:
        raise _no_settings(settings)
    if dockerfile not in files:
        raise ArchiveRefusedError(
            f"The archive has neither {APP_FILE} nor {dockerfile[:80]!r}.",
            why="It must hold a definition, or a build context with its Dockerfile.",
            remedy="Put it at the top of what is sent, or name a file: `build -f`, ?dockerfile= in the API.",
            entry=dockerfile[:80],
        )
    if name is None:
        raise _wrong_name("The build has no name.", "missing; a context, unlike a definition, has none")
    return Uploaded(name=name, builds_images=True)


@contextmanager
def judged_definition(file: Path, *, max_files: int) -> Iterator[LoadedDefinition]:
    """The definition that an archive holds, unpacked beside it for as long as it is looked at.

    Args:
        file: the archive.
        max_files: the most entries; a definition has its own bound, too.

    Raises:
        ArchiveRefusedError: it must not be unpacked.
        DefinitionInvalidError: it is incomplete or wrong.
        PolicyRefusedError: it asks for what is not allowed.
    """
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".judged-") as beside:
        folder = Path(beside) / "definition"
        unpack_archive(file, folder, max_bytes=MAX_FOLDER_BYTES, max_files=min(max_files, MAX_FILES))
        yield read_definition(folder)


def _judge_definition(file: Path, name: str | None, max_files: int, settings: Mapping[str, str]) -> Uploaded:
    with judged_definition(file, max_files=max_files) as loaded:
        settle_settings(loaded.definition, settings)
        own = loaded.definition.name
        if name not in (None, own):
            what = f"The definition is named {own!r}, and the build {name!r}."
            raise _wrong_name(what, "not the definition's")
        return Uploaded(name=own, builds_images=builds_images(loaded))


def _no_settings(settings: Mapping[str, str]) -> InvalidInputError:
    return InvalidInputError(
        "A build context has no settings.",
        why="Settings are those that a definition names in its app.yml.",
        remedy="Leave them out, or send a definition.",
        errors=[
            {"pointer": f"/settings/{name[:100]}", "detail": "there is no such setting"} for name in settings
        ],
    )


def _wrong_name(what: str, detail: str) -> InvalidInputError:
    return InvalidInputError(
        what,
        why="A name is a label by RFC 1123: a-z, 0-9 and hyphens inside, up to 63 characters.",
        remedy="Give one such as 'wiki': `build --name`, ?name= in the API. A definition needs none.",
        errors=[{"pointer": "?name", "detail": detail}],
    )
