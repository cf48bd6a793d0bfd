"""Where paths of a script and of a compose file lead, from the app's folder and from the file's. Pure."""

import posixpath
from typing import Final

FOLDER: Final = "WEBAPP_PATH"
"""The app's folder, as Amahi and definitions call it."""


def resolve(name: str, folder: str) -> str:
    """The path that is called `name` in `folder`: relative to the app's folder, or absolute, or below `~`."""
    if is_in_app(name):
        return posixpath.normpath(name.removeprefix(FOLDER).lstrip("/") or ".")
    return posixpath.normpath(name if name.startswith("~") else posixpath.join(folder, name))


def is_in_app(name: str) -> bool:
    """Whether the path begins with the app's folder."""
    return name == FOLDER or name.startswith(f"{FOLDER}/")


def seen_from(path: str, folder: str) -> str:
    """A resolved path as a compose file in the folder names it: `.`, `./x`, `../x`, or as it is.

    Absolute paths become relative only within an absolute folder.
    """
    if path.startswith("~"):
        return path
    if path.startswith("/") and not f"{path}/".startswith(f"{folder}/"):
        return path
    if folder.startswith("/") and not path.startswith("/"):
        return f"./{path}"
    inside = posixpath.relpath(path, folder)
    return inside if inside.split("/")[0] in (".", "..") else f"./{inside}"
