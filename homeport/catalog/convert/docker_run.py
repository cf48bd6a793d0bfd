"""Reads `docker run` and `docker create` lines as drafts; nothing is run."""

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from homeport.catalog.convert.docker_flags import (
    ENGINE_WITH_VALUE,
    KNOWN,
    LEFT_OUT,
    NEEDS_NOTHING,
    OF_PODMAN,
    OTHER_ENGINE,
    SHORT,
    SPELLINGS,
    WITHOUT_VALUE,
    past_flags,
)
from homeport.catalog.convert.docker_service import ServiceReader
from homeport.catalog.convert.draft import Draft, Note, assumed, dropped
from homeport.catalog.convert.shell_line import ShellCommand, read_commands
from homeport.errors import NotConvertibleError

_ENGINES: Final = frozenset({"docker", "podman", "nerdctl"})
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_ELLIPSIS: Final = re.compile(r"(?=.*(?:\.{3}|…|OPTIONS|etc))(?:[.…]|\[(?:\.{3}|…)\]|\[?OPTIONS\]?|etc)+")
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_TRUE: Final = frozenset({"", "1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_MOST_REMARKS: Final = 20
_MOST_WORDS: Final = 2000  # of one line; the longest that people publish have 100
_MOST_LINES: Final = 50
_MOST_PREFIXES: Final = 40
_WHY_NOT: Final[Mapping[str, str]] = {
    "docker pull": "Homeport fetches the images itself.",
    "docker volume create": "Volumes are made when the app is started.",
    "docker network create": "Networks are made when the app is started.",
    "docker start": "Homeport starts the app.",
    "docker stop": "Homeport stops the app.",
    "docker rm": "Homeport removes the containers.",
    "docker logs": "It only shows something.",
    "docker exec": "Whoever wants it runs it in the running container.",
    "docker build": "A definition builds images by `images` in app.yml.",
    "mkdir": "Homeport makes the app's folders.",
}


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """A run line taken apart: flags by their long names in order, the image, and the command behind it."""

    command: ShellCommand
    flags: tuple[tuple[str, str], ...]
    image: str
    arguments: tuple[str, ...]
    notes: tuple[Note, ...] = ()

    def last(self, flag: str) -> str:
        """The value of the flag where it stands last; "" where it does not."""
        return next((value for name, value in reversed(self.flags) if name == flag), "")


def read_docker_run(text: str, *, name: str | None = None) -> Draft:
    """The draft that the run lines in the text make: one service for each of them.

    Args:
        text: lines for a shell, also within other text; see `shell_line.read_commands`.
        name: the definition's; without one it is that of the first container, or of its image.

    Raises:
        NotConvertibleError: there is no run line, or one that Docker would refuse.
    """
    return read_run_commands(read_commands(text), name=name)


def read_run_commands(commands: Iterable[ShellCommand], *, name: str | None = None) -> Draft:
    """The same of commands that were taken out of a text already."""
    notes: list[Note] = []
    lines: list[RunLine] = []
    for command in commands:
        words = _without_prefixes(command)
        if (rest := _after_run(words)) is not None:
            if len(lines) >= _MOST_LINES:
                raise NotConvertibleError(
                    f"The text runs more than {_MOST_LINES} containers.", remedy="Make several apps of it."
                )
            notes += _told_of_engine(command, words[1 : -len(rest) or None])
            lines.append(read_line(command, rest, is_podman=words[0] == "podman"))
        elif words and len(notes) < _MOST_REMARKS:
            notes += _remark(command, words)
    if not lines:
        raise NotConvertibleError(
            "There is no docker run line in the text.",
            why="A line is looked for that begins with docker run, docker create or docker container run.",
            remedy="Give the line from the image's own documentation.",
        )
    names = _service_names(lines)
    services = {}
    hints: dict[str, str] = {}
    networks: dict[str, Any] = {}
    for line, service_name in zip(lines, names, strict=True):
        reader = ServiceReader(line.command, service_name, tuple(names), hints)
        services[service_name] = reader.read(line.flags, line.image, line.arguments)
        notes += [*line.notes, *reader.notes]
        networks |= {network: {} for network in reader.networks}
    _order_by_need(services)
    return Draft(
        name=name or next((one for one, service in services.items() if service.get("ports")), names[0]),
        services=services,
        volumes={},
        networks=_kept_networks(services, networks, notes),
        main=names[0]
        if len(names) > 1 and not any(service.get("ports") for service in services.values())
        else None,
        hints=hints,
        notes=tuple(dict.fromkeys(notes)),
    )


def read_line(command: ShellCommand, words: tuple[str, ...], *, is_podman: bool = False) -> RunLine:
    """The run line whose words behind `run` these are.

    Raises:
        NotConvertibleError: a flag that Docker does not have, a flag without its value, or no image.
    """
    return _LineReader(command, words, is_podman=is_podman).read()


@dataclass(kw_only=True)
class _Found:
    flags: list[tuple[str, str]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


class _LineReader:
    """Goes over the words as Docker's command line does (pflag): flags, the image, its command."""

    def __init__(self, command: ShellCommand, words: tuple[str, ...], *, is_podman: bool) -> None:
        self._command, self._words, self._is_podman = command, words, is_podman
        self._at = 0
        self._found = _Found()
        if len(words) > _MOST_WORDS:
            raise self._refusal(f"The line has more than {_MOST_WORDS} words.", "Give one line alone.")

    def read(self) -> RunLine:
        image = self._flags_and_image()
        arguments = [word for word in self._words[self._at :] if not self._is_ellipsis(word)]
        if self._is_podman:
            self._found.notes.append(assumed("podman", "It is read as Docker's line of the same words."))
        return RunLine(
            command=self._command,
            flags=tuple(self._found.flags),
            image=image,
            arguments=tuple(arguments),
            notes=tuple(self._found.notes),
        )

    def _flags_and_image(self) -> str:
        only_image = False
        while (word := self._next()) is not None:
            word = _with_hyphens(word)
            if self._is_ellipsis(word):
                continue
            if word == "--":
                only_image = True
            elif only_image or not word.startswith("-") or word == "-":
                return self._image(word)
            elif word.startswith("--"):
                self._long(word[2:])
            else:
                self._letters(word[1:])
        raise self._refusal("The line names no image.", "Write the image behind the flags.")

    def _image(self, word: str) -> str:
        if not self._command.is_open(word):
            return word
        base = "".join(char for char in word if not self._command.is_open(char)).rstrip(":@/")
        tag = word.removeprefix(base)
        if not base or not tag.startswith((":", "@")) or not _IMAGE.fullmatch(base):
            shown = self._command.shown(word)
            raise self._refusal(f"{shown} is no image.", "Write the image that it stands for.")
        self._found.notes.append(assumed(self._command.shown(word), "Its version was left open."))
        return base

    def _next(self) -> str | None:
        if self._at >= len(self._words):
            return None
        self._at += 1
        return self._words[self._at - 1]

    def _is_ellipsis(self, word: str) -> bool:
        if not _ELLIPSIS.fullmatch(word) and not re.fullmatch(
            r"<\W*options\W*>", self._command.shown(word), re.I
        ):
            return False
        self._found.notes.append(
            dropped(self._command.shown(word), "It stands for something that was left out.")
        )
        return True

    def _long(self, text: str) -> None:
        name, sign, value = text.partition("=")
        name = SPELLINGS.get(name, name)
        if name in KNOWN:
            self._take(name, value if sign else None)
        elif name in OF_PODMAN and self._is_podman:
            if OF_PODMAN[name] and not sign:
                self._next()
            self._found.notes.append(dropped(f"--{name}", "Docker has no such flag."))
        else:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            remedy = f"Did you mean --{near[0]}?" if near else "Leave it out, if the app runs without it."
            raise self._refusal(f"Docker has no flag --{name[:60]}.", remedy)

    def _letters(self, text: str) -> None:
        """Letters joined behind one hyphen: switches, and at most one flag with a value at their end."""
        for position, letter in enumerate(text):
            name = SHORT.get(letter)
            if name is None:
                remedy = f"Write --{text} with two hyphens." if text in KNOWN else "Leave it out."
                raise self._refusal(f"Docker has no flag -{letter}.", remedy)
            rest = text[position + 1 : position + 2]
            if name not in WITHOUT_VALUE:
                self._take(name, text[position + 1 :].removeprefix("=") if rest else None)
                return
            if rest == "=":
                self._take(name, text[position + 2 :])
                return
            self._take(name, None)

    def _take(self, name: str, value: str | None) -> None:
        if name in WITHOUT_VALUE:
            value = "true" if value is None else value
            if value not in _TRUE | _FALSE:
                raise self._refusal(
                    f"--{name}={value[:60]} is neither true nor false.", "Leave the value out."
                )
            value = "true" if value in _TRUE else "false"
        elif value is None and (value := self._next()) is None:
            raise self._refusal(
                f"The line ends behind --{name}, which takes a value.", "Give all of the line."
            )
        if name in LEFT_OUT:
            if value != "false":
                shown = f"--{name}" if name in WITHOUT_VALUE else f"--{name} {self._command.shown(value)}"
                self._found.notes.append(dropped(shown, LEFT_OUT[name]))
        elif name not in NEEDS_NOTHING:
            self._found.flags.append((name, value))

    def _refusal(self, what: str, remedy: str) -> NotConvertibleError:
        where = f"It stands in the command of line {self._command.line}."
        return NotConvertibleError(what, why=where, remedy=remedy, line=self._command.line)


def _with_hyphens(word: str) -> str:
    """The word with hyphens before a flag where a typesetter made dashes of them."""
    dashes = re.match(r"[-–—]+(?=[A-Za-z])", word)
    if dashes is None or not set("–—") & set(dashes[0]):
        return word
    flag = word[dashes.end() :]
    return f"{'-' if len(flag.partition('=')[0]) == 1 else '--'}{flag}"


def _without_prefixes(command: ShellCommand) -> tuple[str, ...]:
    """The words from docker's own name on: without sudo, variables before it, and words that lead to it."""
    words = command.words
    for index, word in enumerate(words[:_MOST_PREFIXES]):
        engine = word.rpartition("/")[2].removesuffix(".exe")
        if engine in _ENGINES and _after_run(line := (engine, *words[index + 1 :])) is not None:
            return line
    index = 0
    while index < len(words) and (_ASSIGNMENT.fullmatch(words[index]) or words[index] == "sudo"):
        index += 1
    return words[index:]


def _after_run(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """What stands behind `docker run`; None where it is another command."""
    if not words or words[0] not in _ENGINES:
        return None
    at = past_flags(words, 1, ENGINE_WITH_VALUE)
    if words[at : at + 1] == ("container",):
        at += 1
    return words[at + 1 :] if words[at : at + 1] in (("run",), ("create",)) else None


def _told_of_engine(command: ShellCommand, flags: Sequence[str]) -> Iterator[Note]:
    """That another box's engine was meant, if one was."""
    for flag, value in itertools.pairwise((*flags, "")):
        name, sign, given = flag.partition("=")
        if name in OTHER_ENGINE:
            shown = f"{name} {command.shown(given if sign else value)}".strip()
            yield dropped(shown, "An app runs on the box that it is installed on.")


def _remark(command: ShellCommand, words: tuple[str, ...]) -> Iterator[Note]:
    """What is said of a command that runs no container."""
    for count in (3, 2, 1):
        if why := _WHY_NOT.get(" ".join(words[:count])):
            yield dropped(command.text[:200], why)
            return
    yield dropped(command.text[:200], "It is no docker run line; nothing of it is in the definition.")


def _service_names(lines: list[RunLine]) -> list[str]:
    """A name for each line's service: its container's, or its image's."""
    names: list[str] = []
    for line in lines:
        given = line.last("name")
        if not given or line.command.is_open(given) or "APP_IDENTIFIER" in given:
            given = line.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", given).strip("-._")[:50] or "app"
        taken = [plain, *(f"{plain}-{number}" for number in range(2, len(lines) + 2))]
        names.append(next(one for one in taken if one not in names))
    return names


def _order_by_need(services: Mapping[str, dict[str, Any]]) -> None:
    """Whoever names another service is started after it."""
    for name, service in services.items():
        named = [str(link).partition(":")[0] for link in service.get("links", ())]
        mode = str(service.get("network_mode", ""))
        named += [mode.removeprefix("service:")] if mode.startswith("service:") else []
        needed = [other for other in dict.fromkeys(named) if other in services and other != name]
        if needed:
            service["depends_on"] = needed


def _kept_networks(
    services: Mapping[str, dict[str, Any]], networks: Mapping[str, Any], notes: list[Note]
) -> dict[str, Any]:
    """The networks between the services; one alone needs none."""
    if len(services) > 1:
        return dict(networks)
    for service in services.values():
        joined = service.pop("networks", None)
        if isinstance(joined, dict):
            service["networks"] = {"default": next(iter(joined.values()))}
    why = "The app gets a network of its own; other apps are not in it."
    notes += [dropped(f"--network {network}", why) for network in networks]
    return {}
