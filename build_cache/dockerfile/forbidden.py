"""What a Dockerfile may not ask for, since it would reach out of the build's limits. Pure."""

import ipaddress
import json
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from build_cache.dockerfile.variables import Variables
from homeport.catalog.build_arguments import steers_buildkit
from homeport.catalog.dockerfile.parse import Dockerfile, Instruction, put_off, readings_of
from homeport.catalog.dockerfile.rules import Refused, local_images
from homeport.catalog.dockerfile.shell_words import ShellError

_DOCKERS_FRONTEND: Final = re.compile(
    r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?::\w[\w.-]{0,127})?(?:@\w+:[0-9a-fA-F]+)?", re.ASCII
)
_NAMED_LIKE_A_FRONTEND: Final = re.compile(
    r"(?:.*/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?", re.IGNORECASE
)
# Text and not bytes: BuildKit takes every blank of Unicode's for one. More is found here than there.
_DIRECTIVE: Final = re.compile(r"\s*(?:#|//)\s*([A-Za-z][A-Za-z0-9]*)\s*=(?=.)")
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
        or next(_forbidden_instructions(source, args, contexts), None)
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
        if (found := _DIRECTIVE.match(line)) is None:
            break
        frontend = line[found.end() :].strip().split(" ")[0]
        if found[1].lower() == "syntax" and not _DOCKERS_FRONTEND.fullmatch(frontend):
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


def _forbidden_instructions(
    source: bytes, args: Mapping[str, str], contexts: Collection[str]
) -> Iterator[Forbidden]:
    readings = readings_of(source)
    for parsed in readings:
        yield from _in_reading(parsed, args, contexts)
    if all(parsed.problem for parsed in readings):
        yield _unreadable(readings[0].problem_line, readings[0].problem)


def _in_reading(
    parsed: Dockerfile, args: Mapping[str, str], contexts: Collection[str]
) -> Iterator[Forbidden]:
    line = 1
    try:
        for refused in local_images(parsed, args, contexts):
            yield _names_local_image(parsed, refused)
        variables = Variables(parsed, args)
        for instruction in parsed.instructions:
            line = instruction.line
            variables.enter(instruction)
            for done in (instruction, *put_off(instruction, parsed.escape)):
                if done.keyword == "RUN":
                    yield from _flags_of_run(instruction, done, variables)
                elif done.keyword == "ADD":
                    yield from _addresses_of_add(instruction, done, variables)
    except ShellError as error:
        yield _unreadable(line, f"in line {line} {error}")


def _names_local_image(parsed: Dockerfile, refused: Refused) -> Forbidden:
    written = next(_one_line(one) for one in parsed.instructions if one.line == refused.line)
    return Forbidden(
        line=refused.line,
        instruction=written,
        what=f"line {refused.line} of its Dockerfile names an image of this box.",
        why=f"{refused.what} It would be another app's, with all that is in it. The instruction: {written}",
        remedy="Name an image as its registry does.",
    )


def _unreadable(line: int, problem: str) -> Forbidden:
    return Forbidden(
        line=line,
        instruction="",
        what="its Dockerfile cannot be read to its end.",
        why=f"What it asks for has to be known before it is built: {problem}.",
        remedy="Correct it: see https://docs.docker.com/reference/dockerfile/.",
    )


def _flags_of_run(written: Instruction, run: Instruction, variables: Variables) -> Iterator[Forbidden]:
    for flag in run.flags:
        if gives := _RUN_FLAGS.get(variables.unquote(flag).lower()):
            yield Forbidden(
                line=written.line,
                instruction=_one_line(written),
                what=f"line {written.line} of its Dockerfile asks for {gives}.",
                why=f"No build gets that. The instruction: {_one_line(written)}",
                remedy=f"Remove {_shown(flag)}.",
            )


def _addresses_of_add(written: Instruction, add: Instruction, variables: Variables) -> Iterator[Forbidden]:
    for word in _sources(add.arguments):
        for source in variables.replace(word):
            if not _WITH_HOST.match(source) or (host := _house_host(source)) is None:
                continue
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


def _one_line(instruction: Instruction) -> str:
    return _shown(f"{instruction.keyword} {' '.join(instruction.flags)} {instruction.arguments}")


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
