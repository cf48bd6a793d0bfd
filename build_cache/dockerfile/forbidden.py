"""What a Dockerfile may not ask for, since it would reach out of the build's limits. Pure."""

import ipaddress
import json
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from homeport.catalog.build_arguments import steers_buildkit
from homeport.catalog.dockerfile.bases import global_arguments, stage_of, substitute
from homeport.catalog.dockerfile.parse import Instruction, parse_dockerfile, split_words

_DOCKERS_FRONTEND: Final = re.compile(
    r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?::\w[\w.-]{0,127})?(?:@\w+:[0-9a-fA-F]+)?", re.ASCII
)
_NAMED_LIKE_A_FRONTEND: Final = re.compile(
    r"(?:.*/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?", re.IGNORECASE
)
# Text and not bytes: BuildKit takes every blank of Unicode's for one. More is found here than there.
_DIRECTIVE: Final = re.compile(r"\s*(?:#|//)\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_BYTE_ORDER_MARK: Final = "\ufeff"
_WITH_HOST: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_RUN_FLAGS: Final = {
    "--network=host": "the network of the box itself",
    "--security=insecure": "every right on the box",
}
# Names that stand for a machine itself or for one of its own network.
_HOUSE_NAMES: Final = ("localhost", "localdomain", "local", "internal", "lan", "home", "home.arpa")
_SHOWN: Final = 200
_A_FRONTEND_IS: Final = (
    "A frontend is a program that the engine runs, and this one would run outside the build's limits"
)


@dataclass(frozen=True, kw_only=True)
class Forbidden:
    """What is not built, as ends of sentences: `what` follows "could not be built: ".

    `line` is None where it stands outside the Dockerfile; `instruction` is what stands there, in one line.
    """

    line: int | None
    instruction: str
    what: str
    why: str
    remedy: str


def find_forbidden(
    source: bytes, args: Mapping[str, str], contexts: Collection[str] = ()
) -> Forbidden | None:
    """The first thing that a Dockerfile, or what it is built with, may not ask for.

    Args:
        source: the packager's Dockerfile.
        args: the build arguments.
        contexts: the names of the further contexts.
    """
    return (
        _steering_argument(args)
        or _hidden_frontend(contexts)
        or _foreign_frontend(source.decode(errors="replace"))
        or next(_forbidden_instructions(source, args), None)
    )


def _steering_argument(args: Mapping[str, str]) -> Forbidden | None:
    name = next((name for name in sorted(args) if steers_buildkit(name)), None)
    if name is None:
        return None
    return Forbidden(
        line=None,
        instruction="",
        what=f"it is given the build argument {_shown(name)}.",
        why="That changes how BuildKit works, and could have it run programs outside the build's limits.",
        remedy="Remove the argument.",
    )


def _hidden_frontend(contexts: Collection[str]) -> Forbidden | None:
    """A context that BuildKit would take for Docker's frontend."""
    name = next((name for name in sorted(contexts) if _NAMED_LIKE_A_FRONTEND.fullmatch(name)), None)
    if name is None:
        return None
    return Forbidden(
        line=None,
        instruction="",
        what=f"one of its contexts has the name of Docker's frontend, {_shown(name)}.",
        why=f"BuildKit would run that context as the frontend. {_A_FRONTEND_IS}.",
        remedy="Give the context another name.",
    )


def _foreign_frontend(text: str) -> Forbidden | None:
    """The line by which BuildKit would run a frontend that is not Docker's (its parser's DetectSyntax)."""
    lines = text.removeprefix(_BYTE_ORDER_MARK).split("\n")
    first = 1 if lines[0].startswith("#!") else 0
    for number, line in enumerate(lines[first:], first + 1):
        if (found := _DIRECTIVE.fullmatch(line)) is None:
            break
        if found[1].lower() == "syntax" and not _DOCKERS_FRONTEND.fullmatch(found[2].split(" ")[0]):
            return _names_frontend(number, line)
    rest = "\n".join(lines[first:])
    if rest.lstrip().startswith("{"):  # BuildKit reads it as JSON; no Dockerfile begins so
        begins = len(rest) - len(rest.lstrip())
        number = first + rest[:begins].count("\n") + 1
        return _names_frontend(number, lines[number - 1], "is JSON, which only a foreign frontend reads")
    return None


def _names_frontend(
    number: int, line: str, does: str = "names a frontend that is not Docker's own"
) -> Forbidden:
    return Forbidden(
        line=number,
        instruction=_shown(line),
        what=f"line {number} of its Dockerfile {does}.",
        why=f"{_A_FRONTEND_IS}: {_shown(line)}",
        remedy="Write the Dockerfile for Docker's own frontend, and remove the line or let it name "
        "`docker/dockerfile:1`.",
    )


def _forbidden_instructions(source: bytes, args: Mapping[str, str]) -> Iterator[Forbidden]:
    dockerfile = parse_dockerfile(source)
    escape = next((found.value for found in dockerfile.directives if found.name == "escape"), "\\")
    values = _Values(dockerfile.instructions, args, escape)
    for instruction in dockerfile.instructions:
        values.enter(instruction)
        for done in (instruction, *_put_off(instruction)):
            if done.keyword == "RUN":
                yield from _flags_of_run(instruction, done, values)
            elif done.keyword == "ADD":
                yield from _addresses_of_add(instruction, done, values)


def _put_off(instruction: Instruction) -> tuple[Instruction, ...]:
    """What an ONBUILD has other builds do."""
    if instruction.keyword != "ONBUILD":
        return ()
    # its here-documents stand elsewhere, and say nothing of flags and addresses
    return tuple(parse_dockerfile(instruction.arguments.replace("<<", "< <").encode()).instructions)


def _flags_of_run(written: Instruction, run: Instruction, values: "_Values") -> Iterator[Forbidden]:
    for flag in run.flags:
        if gives := _RUN_FLAGS.get(values.unquote(flag).lower()):
            yield Forbidden(
                line=written.line,
                instruction=_one_line(written),
                what=f"line {written.line} of its Dockerfile asks for {gives}.",
                why=f"No build gets that. The instruction: {_one_line(written)}",
                remedy=f"Remove {_shown(flag)}.",
            )


def _addresses_of_add(written: Instruction, add: Instruction, values: "_Values") -> Iterator[Forbidden]:
    for word in _sources(add.arguments):
        source = values.replace(word)
        if _WITH_HOST.match(source) and (host := _house_host(source)) is not None:
            yield Forbidden(
                line=written.line,
                instruction=_one_line(written),
                what=f"line {written.line} of its Dockerfile adds a file from the box's own network.",
                why=f"The engine itself would fetch it there, outside the build's limits: {host}. "
                f"The instruction: {_one_line(written)}",
                remedy="Put the file into the build context and COPY it, or name a public address.",
            )


def _sources(arguments: str) -> list[str]:
    """What an ADD adds; its last word is where to."""
    try:
        words = json.loads(arguments)
    except (ValueError, RecursionError):
        words = arguments.split()
    return [word for word in words[:-1] if isinstance(word, str)] if isinstance(words, list) else []


def _house_host(url: str) -> str | None:
    """The address's host where it is, or may be, the box or a neighbour of it; as words for people."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        host = ""
    if not host or not host.isascii() or "$" in host or "%" in host.partition("%25")[0]:
        return f"which host {_shown(url)} names cannot be told"
    address = _address(host)
    if address is not None:
        is_public = address.is_global and not address.is_multicast
        return None if is_public else f"{_shown(host)} is {address}, which is no public address"
    is_public = "." in host and not host.endswith(tuple(f".{name}" for name in _HOUSE_NAMES))
    return None if is_public else f"{_shown(host)} is no public name"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a host's name spells, also as C's library reads it (`0x7f.1`, `2130706433`)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


class _Values:
    """Follows the variables of a file through its stages; `enter` every instruction in turn."""

    def __init__(self, instructions: Collection[Instruction], given: Mapping[str, str], escape: str) -> None:
        self._given = given
        self._global = global_arguments(list(instructions), given)
        self._quoting = re.compile(rf"{re.escape(escape)}(.)|['\"]")
        self._arguments: dict[str, str] = {}
        self._environment: dict[str, str] = {}
        self._stages: dict[str, tuple[dict[str, str], dict[str, str]]] = {}

    def enter(self, instruction: Instruction) -> None:
        """Takes note of what the instruction sets for those after it."""
        match instruction.keyword:
            case "FROM":
                base, name = stage_of(instruction, self._global)
                arguments, environment = self._stages.get(base.lower(), ({}, {}))
                self._arguments, self._environment = dict(arguments), dict(environment)
                self._stages[name] = (self._arguments, self._environment)
            case "ARG":
                for word in split_words(instruction.arguments) or ():
                    self._declare(*word.partition("="))
            case "ENV":
                self._environment |= dict(self._assigned(instruction.arguments))

    def replace(self, text: str) -> str:
        """The text with its variables replaced, without quotes."""
        # what ENV sets wins over every ARG
        return self.unquote(substitute(text, {**self._arguments, **self._environment}))

    def unquote(self, text: str) -> str:
        """The text without quotes and escape characters."""
        return self._quoting.sub(lambda found: found[1] or "", text)

    def _declare(self, name: str, has_default: str, default: str) -> None:
        if name in self._given:
            self._arguments[name] = self._given[name]
        elif has_default:
            self._arguments[name] = self.replace(default)
        elif name in self._global:
            self._arguments[name] = self._global[name]

    def _assigned(self, arguments: str) -> Iterator[tuple[str, str]]:
        words = split_words(arguments) or []
        if words and "=" not in words[0]:  # the older form, `ENV NAME value`
            name, _, value = arguments.strip().partition(" ")
            yield name, self.replace(value.strip())
            return
        for word in words:
            name, _, value = word.partition("=")
            yield self.unquote(name), self.replace(value)


def _one_line(instruction: Instruction) -> str:
    return _shown(f"{instruction.keyword} {' '.join(instruction.flags)} {instruction.arguments}")


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
