"""What a build starts from: the context's folder, what of it is sent to the engine, the Dockerfile in it."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docker.utils.build import PatternMatcher

from homeport.errors import BuildFailedError, ContextTooLargeError, ForeignObjectError, InvalidInputError
from homeport.host.files import contained, read_bounded

DOCKERFILE_BYTES: Final = 4 * 1024 * 1024
_IGNORE_BYTES: Final = 1024 * 1024
_SHOWN_LARGEST: Final = 5
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class BuildSource:
    """A build's source as it was read.

    `files` are the relative paths of what is sent to the engine; `own_ignore` is the content of
    the Dockerfile's own `<name>.dockerignore`, None where there is none.
    """

    context: Path
    dockerfile: bytes
    files: frozenset[str]
    own_ignore: bytes | None


def read_source(service: str, context: Path, dockerfile: str, *, limit_bytes: int) -> BuildSource:
    """Reads the Dockerfile, and looks through the context.

    Args:
        service: whose image is to be built, for messages.
        context: the folder that the build sees.
        dockerfile: the Dockerfile's path inside it.
        limit_bytes: how large the context may be, without what its .dockerignore leaves out.

    Raises:
        BuildFailedError: there is no such folder, no such file, or it is too large to be a Dockerfile.
        ContextTooLargeError: the context is larger than that; it names its largest parts.
        ForeignObjectError: the Dockerfile lies outside the context.
    """
    path = find_dockerfile(service, context, dockerfile)
    try:
        text = read_bounded(path, DOCKERFILE_BYTES)
    except InvalidInputError as error:
        raise _nothing_to_build(service, error.why) from error
    own_ignore = _read_ignore(context, f"{dockerfile}.dockerignore")
    ignore = own_ignore if own_ignore is not None else _read_ignore(context, ".dockerignore")
    sizes = dict(sent_files(context, ignore or b""))
    _refuse_too_large(service, context, sizes, limit_bytes)
    return BuildSource(context=context, dockerfile=text, files=frozenset(sizes), own_ignore=own_ignore)


def find_dockerfile(service: str, context: Path, dockerfile: str) -> Path:
    """The Dockerfile's path, resolved.

    Args:
        service: whose image is to be built, for the message.
        context: the folder that the build sees.
        dockerfile: the Dockerfile's path inside it.

    Raises:
        BuildFailedError: there is no such folder or no such file.
        ForeignObjectError: it lies outside the context.
    """
    if not context.is_dir():
        raise _nothing_to_build(service, f"Its build context {context} is no folder.")
    path = contained(Path(dockerfile), context)
    if not path.is_file():
        raise _nothing_to_build(service, f"There is no {dockerfile} in {context}.")
    return path


def sent_files(context: Path, ignore: bytes) -> Iterator[tuple[str, int]]:
    """The files and links of the context that are sent to the engine, with their sizes; none is followed.

    Args:
        context: the folder.
        ignore: a .dockerignore's content, by Docker's rules.
    """
    lines = ignore.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    matcher = PatternMatcher(patterns) if patterns else None
    # a folder that is left out may still hold what a later line takes back in
    has_exceptions = any(pattern.startswith("!") for pattern in patterns)
    folders = [""]
    while folders:
        folder = folders.pop()
        for entry in os.scandir(context / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            is_left_out = matcher is not None and matcher.matches(path)  # type: ignore[arg-type]  # it takes text, whatever its stub says
            if entry.is_dir(follow_symlinks=False):
                if not is_left_out or has_exceptions:
                    folders.append(path)
            elif not is_left_out:
                yield path, entry.stat(follow_symlinks=False).st_size


def _read_ignore(context: Path, name: str) -> bytes | None:
    try:
        return read_bounded(contained(Path(name), context), _IGNORE_BYTES)
    except (OSError, InvalidInputError, ForeignObjectError):  # the engine takes no such file either
        return None


def _refuse_too_large(service: str, context: Path, sizes: Mapping[str, int], limit_bytes: int) -> None:
    total = sum(sizes.values())
    if total <= limit_bytes:
        return
    parts: Counter[str] = Counter()
    for path, size in sizes.items():
        first, *rest = path.split("/")
        parts[f"{first}/" if rest else first] += size
    largest = parts.most_common(_SHOWN_LARGEST)
    shown = ", ".join(f"{name} ({size / _MIB:.1f} MiB)" for name, size in largest)
    raise ContextTooLargeError(
        f"The build context of service {service!r} is too large.",
        why=f"{context} holds {total / _MIB:.1f} MiB, {limit_bytes / _MIB:.1f} MiB are allowed. "
        f"Its largest parts: {shown}.",
        remedy="List what the image does not need in a .dockerignore, or raise the setting "
        "`context_max_bytes`.",
        service=service,
        limit_bytes=limit_bytes,
        total_bytes=total,
        largest=[{"path": name, "bytes": size} for name, size in largest],
    )


def _nothing_to_build(service: str, why: str) -> BuildFailedError:
    return BuildFailedError(
        f"The image of service {service!r} could not be built: its Dockerfile is missing.",
        why=why,
        remedy="Correct `context` and `dockerfile` under `images` in the definition's app.yml.",
        service=service,
        instruction="",
        line=None,
        exit_code=None,
        last_lines=[],
    )
