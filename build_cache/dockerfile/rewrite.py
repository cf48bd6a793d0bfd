"""The copy of a Dockerfile whose RUN instructions see our configuration of the package clients. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from build_cache.dockerfile.clients import Client, mounts_for
from build_cache.dockerfile.own import configured_clients, recording_clients
from build_cache.dockerfile.users import User, Users
from homeport.catalog.dockerfile.parse import Directive, Dockerfile, Instruction, parse_dockerfile

_NO_NETWORK = re.compile(r"""--network=(['"]?)none\1""")
# gem keeps its lists in the home folder; a mount there is in the way of whoever clears that.
_CLEARS = re.compile(r"\b(?:rm|rmdir|find|mv)\b")
_HOME = re.compile(r"\.cache|\.local|\.gem|/root|~|\$\{?HOME")
_COMMAND_ENDS = re.compile(r"[;&|\n]")
_USES = {Client.BUNDLER: re.compile(r"\bbundler?\b"), Client.GEM: re.compile(r"\bgem\s{1,99}install\b")}


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A Dockerfile's copy; every line keeps its number.

    `secrets` has the id of each secret that it mounts and whose configuration that is; `left_alone` a
    sentence for each part that gets no cache; `has_syntax_line` says whether it names Docker's frontend.
    """

    text: bytes
    secrets: Mapping[str, Client] = field(default_factory=dict)
    left_alone: tuple[str, ...] = ()
    has_syntax_line: bool = False


def rewrite_dockerfile(
    source: bytes,
    *,
    context_files: Collection[str],
    args: Mapping[str, str],
    without: Collection[Client] = (),
    keep_syntax: bool = False,
) -> Rewritten:
    """Mounts our configurations in every RUN, and leaves alone what configures itself.

    Args:
        source: the packager's Dockerfile, which names no frontend but Docker's (see `find_forbidden`).
        context_files: the paths of the files in its context.
        args: the build arguments.
        without: clients that are to get none, since they did not bear it.
        keep_syntax: leave a `# syntax=` line of Docker's frontend as it is, so that BuildKit fetches it.

    Raises:
        ShellError: its variables are beyond all bounds (see `find_forbidden`).
    """
    dockerfile = parse_dockerfile(source)
    syntax = next((found for found in dockerfile.directives if found.name == "syntax"), None)
    if dockerfile.problem:
        why = f"The Dockerfile is built as it is, without caches: {dockerfile.problem}."
        return Rewritten(text=source, left_alone=(why,))
    rewriting = _Rewriting(dockerfile, configured_clients(dockerfile.instructions, context_files, args))
    text = rewriting.apply(source, frozenset(without))
    if syntax is not None and not keep_syntax:
        text = _without_syntax(source, dockerfile.directives) + text[_end(dockerfile.directives) :]
    return Rewritten(
        text=text,
        secrets=rewriting.secrets,
        left_alone=tuple(rewriting.left_alone),
        has_syntax_line=syntax is not None,
    )


class _Rewriting:
    """Goes through a file once, stage by stage."""

    def __init__(self, dockerfile: Dockerfile, configured: Mapping[Client, str]) -> None:
        self.secrets: dict[str, Client] = {}
        self.left_alone: list[str] = list(configured.values())
        self._instructions = dockerfile.instructions
        self._configured = frozenset(configured)
        self._users = Users(dockerfile.instructions)

    def apply(self, source: bytes, without: frozenset[Client]) -> bytes:
        """The source with a mount behind every RUN that takes one."""
        pieces: list[bytes] = []
        copied = 0
        for instruction in self._instructions:
            self._users.enter(instruction)
            if instruction.keyword == "ONBUILD" and instruction.arguments[:3].upper() == "RUN":
                self._leave(instruction, "what ONBUILD runs stays in the image's configuration")
            if instruction.keyword != "RUN":
                continue
            if any(_NO_NETWORK.fullmatch(flag) for flag in instruction.flags):
                self._leave(instruction, "it runs without a network")
                continue
            flags = self._flags(instruction, self._configured | without)
            pieces += [source[copied : instruction.keyword_end], flags]
            copied = instruction.keyword_end
        return b"".join([*pieces, source[copied:]])

    def _leave(self, instruction: Instruction, why: str, what: str = "cache") -> None:
        self.left_alone.append(f"Line {instruction.line} gets no {what}: {why}.")

    def _flags(self, instruction: Instruction, without: frozenset[Client]) -> bytes:
        user = self._users.current()
        clients = set(Client) - without
        for client, shown in recording_clients(instruction).items():
            if client in clients:
                self._leave(
                    instruction, f"`{shown}` would keep its address in the image", f"cache for {client}"
                )
                clients.remove(client)
        for client, why in _unfit(user).items():
            if client in clients and _USES[client].search(instruction.text):
                self._leave(instruction, why, f"cache for {client}")
            clients.discard(client)
        if _clears_home(instruction.text) and not _USES[Client.GEM].search(instruction.text):
            clients.discard(Client.GEM)
        mounts = mounts_for(user, clients)
        mounts = [mount for mount in mounts if not any(mount.target in flag for flag in instruction.flags)]
        self.secrets |= {mount.name: mount.client for mount in mounts if mount.name}
        return "".join(f" {mount.flag}" for mount in mounts).encode()


def _clears_home(text: str) -> bool:
    commands = _COMMAND_ENDS.split(text)
    return any((found := _CLEARS.search(one)) and _HOME.search(one, found.end()) for one in commands)


def _unfit(user: User) -> dict[Client, str]:
    """The clients that cannot be set up for this user, each with the reason."""
    unfit: dict[Client, str] = {}
    if not user.home:
        unfit[Client.BUNDLER] = "the home folder of its user, where bundler looks, is not known"
    if not user.is_root:
        unfit[Client.GEM] = "gem would keep its address in the home folder of a user who is not root"
    return unfit


def _end(directives: Collection[Directive]) -> int:
    return max(found.end for found in directives)


def _without_syntax(source: bytes, directives: Collection[Directive]) -> bytes:
    """The file up to the end of its directives, of equal length, with a comment for the syntax line.

    That comes last, since whatever is no directive ends their list.
    """
    first = min(found.start for found in directives)
    kept = b"".join(source[found.start : found.end] for found in directives if found.name != "syntax")
    changed = b"".join(
        source[found.start : found.end].replace(b"=", b" ", 1)
        for found in directives
        if found.name == "syntax"
    )
    return source[:first] + kept + changed
