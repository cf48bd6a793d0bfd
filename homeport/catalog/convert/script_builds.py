"""Reads what `docker build` in a script builds, and as what. Pure."""

import posixpath
from typing import Any, Final

from homeport.catalog.convert.places import resolve, seen_from
from homeport.catalog.convert.script import Command
from homeport.catalog.convert.words import blanked

_WITH_VALUE: Final = frozenset(
    {"-t", "--tag", "-f", "--file", "--build-arg", "--target", "--network", "--label", "-m", "--memory",
     "--cache-from", "--platform", "--progress"}
)  # fmt: skip


def read_build(command: Command, base: str) -> tuple[dict[str, Any], set[str]]:
    """A service's `build`, its paths as seen from the folder `base`, and the names that the image gets."""
    build: dict[str, Any] = {"context": "."}
    tags: set[str] = set()
    context, dockerfile = command.folder, ""
    words = iter(command.words[command.words.index("build") + 1 :])
    for word in words:
        option, sign, value = word.partition("=")
        if not word.startswith("-"):
            context = resolve(word, command.folder)
            continue
        if option in _WITH_VALUE and not sign:
            value = next(words, "")
        match option:
            case "-t" | "--tag":
                tags |= {value, value.removesuffix(":latest"), value + ":latest"}
            case "-f" | "--file":
                dockerfile = resolve(value, command.folder)
            case "--build-arg":
                key, _, given = value.partition("=")
                build.setdefault("args", {})[key] = blanked(given)
            case "--target":
                build["target"] = value
    build["context"] = context_of(seen_from(context, base))
    if dockerfile:
        build["dockerfile"] = context_of(seen_from(dockerfile, context))
    return build, tags


def context_of(build: Any) -> str:
    """The folder that an image is built from, in one way of writing."""
    context = build.get("context", ".") if isinstance(build, dict) else build
    return posixpath.normpath(context) if isinstance(context, str) else "."
