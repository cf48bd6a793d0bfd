"""Which clients a Dockerfile or its context configures itself. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from build_cache.dockerfile.clients import Client
from homeport.catalog.dockerfile.parse import Instruction


@dataclass(frozen=True, kw_only=True)
class _Signs:
    """What shows that a client has a configuration of its own.

    `variable`: names of ENV and ARG; `text`: in what instructions run or write; `files`: in the context.
    """

    client: Client
    variable: str
    text: str
    files: str = r"(?!)"


# In these patterns every repetition before something else has a bound, which keeps what somebody else wrote
# from taking the square of its length.
_SIGNS = (
    _Signs(
        client=Client.APT,
        variable=r"(?i:https?_proxy|all_proxy)|APT_CONFIG",
        text=r"Acquire::(?:https?::)?Proxy|\brm\b[^;&|\n]{0,300}\s/etc/apt(?:/apt\.conf\.d)?/?\*?(?=\s|;|$)",
    ),
    _Signs(
        client=Client.PIP,
        variable=r"PIP_(?:INDEX_URL|CONFIG_FILE|NO_INDEX|CACHE_DIR)|XDG_CONFIG_DIRS",
        text=r"\bpip\.conf\b|/etc/xdg\b|\bpip3?(?:\.\d+)? config\b",
        files=r"pip\.conf",
    ),
    _Signs(
        client=Client.UV,
        variable=r"UV_(?:INDEX_URL|DEFAULT_INDEX|INDEX|CONFIG_FILE|NO_CONFIG|NO_INDEX|CACHE_DIR)",
        text=r"\buv\.toml\b",
        files=r"uv\.toml",
    ),
    _Signs(
        client=Client.NPM,
        variable=r"(?i:npm_config_(?:registry|globalconfig|cache))|YARN_REGISTRY",
        text=r"/etc/npmrc\b"
        r"|\b(?:npm|pnpm|yarn) (?:config|c) set\b[^;&|\n]{0,300}"
        r"(?:registry|cache|\s-g\b|-global\b|=global\b)",
    ),
    _Signs(
        client=Client.GEM,
        variable=r"GEMRC",
        text=r"/etc/gemrc\b",
    ),
    _Signs(
        client=Client.BUNDLER,
        variable=r"BUNDLE_(?:MIRROR\w*|USER_CONFIG|USER_HOME|CONFIG|IGNORE_CONFIG)",
        text=r"\.bundle/config\b|\bbundler? config\b(?![^;&|\n]{0,300}--local)"
        r"|\bbundle config\b[^;&|\n]{0,300}\bmirror",
        files=r"(?:.*/)?\.bundle/config",
    ),
)
# What writes the address that it fetches from into files that stay in the image: lock files, and caches
# at a place of their own.
_COMMAND = r"(?:^|[;&|(\[{\n\"'])\s{0,99}(?:\w{1,99}=\S{0,99}\s{1,99}){0,9}"
_RECORDS = {
    Client.PIP: re.compile(r"\bpip-compile\b|(?<!uv )\bpip3?\s{1,99}(?:lock\b|[^;&|\n]{0,300}--cache-dir\b)"),
    Client.UV: re.compile(
        r"\buv\s{1,99}(?:-\S{1,99}\s{1,99}){0,9}(?:sync|lock|add|remove|run|export|tree|tool|init)\b"
        r"|\buv\s[^;&|\n]{0,300}--cache-dir\b"
    ),
    Client.NPM: re.compile(
        _COMMAND + r"(?:corepack\s{1,99})?(?:pnpm|yarn)\b(?!@)|\bnp[mx]\s[^;&|\n]{0,300}--cache\b"
    ),
    Client.GEM: re.compile(r"\bgem\s{1,99}sources?\b"),
}
_USES_UV = re.compile(r"\buv\b")
_ASSIGNED = re.compile(r"(\w+)(?:=|\s|$)")


def configured_clients(
    instructions: Sequence[Instruction], context_files: Collection[str], args: Mapping[str, str]
) -> dict[Client, str]:
    """The clients that get no configuration of ours, each with a sentence that says why."""
    found: dict[Client, str] = {}
    for signs in _SIGNS:
        if (why := _why(signs, instructions, context_files, args)) is not None:
            found[signs.client] = f"{signs.client} goes round its cache: {why}."
    if Client.UV not in found and (why := _why_no_uv(instructions, context_files)):
        found[Client.UV] = f"uv goes round its cache: {why}."
    return found


def _why(
    signs: _Signs,
    instructions: Sequence[Instruction],
    context_files: Collection[str],
    args: Mapping[str, str],
) -> str | None:
    if given := next((name for name in args if re.fullmatch(signs.variable, name)), None):
        return f"the build argument {given} sets it up"
    text = re.compile(signs.text)
    for instruction in instructions:
        names = [name for name in _names_set(instruction) if re.fullmatch(signs.variable, name)]
        if names:
            return f"line {instruction.line} sets {names[0]}"
        if instruction.keyword in ("RUN", "COPY", "ADD") and (match := text.search(instruction.text)):
            return f"line {instruction.line} sets it up itself ({_one_line(match[0])})"
    configured = re.compile(signs.files)
    for path in sorted(context_files):
        if configured.fullmatch(path) or configured.fullmatch(PurePosixPath(path).name):
            return f"the context brings {path}"
    return None


def recording_clients(run: Instruction) -> dict[Client, str]:
    """The clients that would leave a cache's address behind in this RUN, each with what shows it."""
    found = {client: signs.search(run.text) for client, signs in _RECORDS.items()}
    return {client: _one_line(match[0]).lstrip("&|;([{\"' ") for client, match in found.items() if match}


def _why_no_uv(instructions: Sequence[Instruction], context_files: Collection[str]) -> str | None:
    lock = next((path for path in sorted(context_files) if PurePosixPath(path).name == "uv.lock"), None)
    if lock and any(run.keyword == "RUN" and _USES_UV.search(run.text) for run in instructions):
        return f"{lock} names where every package comes from, and does not fit another index"
    return None


def _names_set(instruction: Instruction) -> Iterator[str]:
    """The names that ENV and ARG set; of the older form `ENV NAME value`, the one."""
    if instruction.keyword not in ("ENV", "ARG"):
        return
    words = instruction.arguments.split()
    if instruction.keyword == "ENV" and words and "=" not in words[0]:
        words = words[:1]
    for word in words:
        if match := _ASSIGNED.match(word):
            yield match[1]


def _one_line(text: str) -> str:
    return " ".join(text.split())
