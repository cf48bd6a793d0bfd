"""Makes definitions of what other tools read: docker run lines, compose files of any age, Amahi's scripts."""

import re
from typing import Final

from homeport.catalog.convert.amahi import read_amahi
from homeport.catalog.convert.compose_file import read_compose
from homeport.catalog.convert.conversion import Conversion
from homeport.catalog.convert.docker_run import read_docker_run
from homeport.catalog.convert.draft import Draft
from homeport.catalog.convert.naming import name_services
from homeport.catalog.convert.shell_line import MAX_CHARS
from homeport.catalog.convert.write import write_definition
from homeport.errors import NotConvertibleError

__all__ = ["convert"]

_KEY_LINE: Final = re.compile(r"[\"']?[A-Za-z0-9._-]+[\"']?[ \t]*:(?:\s.*)?|---.*|\.\.\.")
_SERVICES: Final = re.compile(r"^[\"']?services[\"']?[ \t]*:", re.MULTILINE)
_SCRIPT: Final = re.compile(r"<<-?[ \t]*[\"'\\]?[A-Za-z_]|\A\s*#!|\b(?:HOST_PORT|APP_IDENTIFIER)\b")
_RUN_LINE: Final = re.compile(r"\b(?:docker|podman|nerdctl)(?:\.exe)?\b[^\n;|&]{0,200}?\b(?:run|create)\b")


def convert(text: str, *, uninstall: str = "", name: str | None = None) -> Conversion:
    """The definition that the text makes: run lines, a compose file, or an install script of Amahi's.

    Nothing in the text is run, fetched or looked at on the box.

    Args:
        text: which of the three it is, is found out.
        uninstall: the uninstall script that belongs to an install script.
        name: the definition's; without one it is found in the text.

    Raises:
        NotConvertibleError: the text is none of the three, or nothing that could run is left of it.
        DefinitionInvalidError: it is a compose file, and broken.
    """
    if len(text) > MAX_CHARS or len(uninstall) > MAX_CHARS:
        raise NotConvertibleError(
            "The text is too long.",
            why=f"{MAX_CHARS} characters are read.",
            remedy="Give what is needed of it.",
        )
    return write_definition(_read(text, uninstall, name))


def _read(text: str, uninstall: str, name: str | None) -> Draft:
    plain = text.replace("\r\n", "\n")
    if _is_compose(plain) and not uninstall:
        return name_services(read_compose(text, name=name))
    if uninstall or _SCRIPT.search(plain):
        return read_amahi(text, uninstall, name=name)
    if _SERVICES.search(plain):
        return name_services(read_compose(text, name=name))
    if _RUN_LINE.search(plain):
        return read_docker_run(text, name=name)
    raise NotConvertibleError(
        "The text is nothing that a definition can be made of.",
        why="It has no docker run line, is no compose file, and no script that writes one.",
        remedy="Give a docker run or docker create line, a docker-compose.yml, or Amahi's install script.",
    )


def _is_compose(text: str) -> bool:
    """Whether what begins in the first column are keys of YAML, and nothing else."""
    lines = [line.rstrip() for line in text.lstrip("\ufeff").split("\n")]
    first = [line for line in lines if line and not line[0].isspace() and line[0] != "#"]
    return bool(first) and (all(map(_KEY_LINE.fullmatch, first)) or text.lstrip().startswith("{"))
