"""Who runs a RUN, and where that user's home folder is, as far as a Dockerfile tells. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from homeport.catalog.dockerfile.bases import require_bounded, stage_of
from homeport.catalog.dockerfile.parse import Instruction, split_words
from homeport.catalog.dockerfile.shell_words import substitute

_ADDS_USER = re.compile(r"\b(?:useradd|adduser)\b([^;&|\n]*)")
# The options of shadow's useradd, Debian's adduser and BusyBox's that take a value.
_HOME = ("-d", "-h", "--home", "--home-dir")
_NUMBER = ("-u", "--uid")
_OTHERS = (
    *("-b", "-c", "-e", "-f", "-g", "-G", "-k", "-K", "-p", "-s"),
    *(
        "--base-dir",
        "--comment",
        "--gecos",
        "--gid",
        "--group",
        "--groups",
        "--ingroup",
        "--password",
        "--shell",
    ),
)
_ROOT = ("", "root", "0")
_NO_HOME = re.compile(r"/(?:dev|proc|sys)(?:/|$)")  # such as /dev/null, which stays one
_OFFICIAL_USERS = {"node": "/home/node"}


@dataclass(frozen=True, kw_only=True)
class User:
    """Whoever runs a RUN; `home` is empty where it is not known."""

    is_root: bool = True
    home: str = "/root"


class Users:
    """Follows the stages of a file; `enter` every instruction in turn, then ask for `current`.

    Raises:
        ShellError: in `enter`: its variables are beyond all bounds.
    """

    def __init__(self, instructions: Sequence[Instruction]) -> None:
        self._homes: dict[str, str] = dict(_OFFICIAL_USERS)
        self._values: dict[str, str] = {}
        self._stages: dict[str, tuple[str, str]] = {}
        self._stage = ""
        self._user = ""
        self._home = ""
        self._kept = 0
        for instruction in instructions:
            if instruction.keyword == "RUN":
                self._homes |= dict(_added_users(instruction.text))

    def enter(self, instruction: Instruction) -> None:
        """Takes note of what the instruction changes for those after it."""
        match instruction.keyword:
            case "FROM":
                base, self._stage = stage_of(instruction, {})
                self._user, self._home = self._stages.get(base.lower(), ("", ""))
                self._values = {}
            case "ARG" | "ENV":
                self._read_values(instruction)
            case "USER":
                self._user = substitute(instruction.arguments, self._values).partition(":")[0]
        self._stages[self._stage] = (self._user, self._home)

    def current(self) -> User:
        """Whoever would run a RUN here; root, where only the base image could tell."""
        is_root = self._user in _ROOT
        home = self._home or ("/root" if is_root else self._homes.get(self._user, ""))
        return User(is_root=is_root, home="" if _NO_HOME.match(home) else home.rstrip("/"))

    def _read_values(self, instruction: Instruction) -> None:
        words = instruction.arguments.split()
        if instruction.keyword == "ENV" and words and "=" not in words[0]:
            words = [f"{words[0]}={' '.join(words[1:])}"]
        for word in words:
            name, _, value = word.partition("=")
            self._values[name] = substitute(value, self._values)
            self._kept += len(self._values[name])
            require_bounded(self._kept)
            if name == "HOME" and instruction.keyword == "ENV" and _is_path(self._values[name]):
                self._home = self._values[name]


def _is_path(text: str) -> bool:
    return text.startswith("/") and "$" not in text


def _added_users(text: str) -> Iterator[tuple[str, str]]:
    """The homes of the users that commands add, by name and by number."""
    for rest in _ADDS_USER.findall(text):
        words = split_words(rest.replace("\\", " ")) or []
        options: dict[str, str] = {}
        name, waiting = "", ""
        for word in words:
            flag, has_value, value = word.partition("=")
            if waiting:
                options[waiting], waiting = word, ""
            elif not flag.startswith("-"):
                name = name or word
            elif has_value:
                options[flag] = value
            elif flag in (*_HOME, *_NUMBER, *_OTHERS) or _ends_in_option(flag):
                waiting = flag if flag.startswith("--") else f"-{flag[-1]}"
        home = next((options[flag] for flag in _HOME if flag in options), f"/home/{name}")
        if name and "$" not in name + home and home.startswith("/"):
            yield name, home
            yield from ((options[flag], home) for flag in _NUMBER if flag in options)


def _ends_in_option(flag: str) -> bool:
    """Whether it is several short options in one, such as `-mu`, of which the last takes a value."""
    return not flag.startswith("--") and f"-{flag[-1]}" in (*_HOME, *_NUMBER, *_OTHERS)
