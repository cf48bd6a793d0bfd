"""When a build is tried again, and what is then done differently. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import urlsplit

from build_cache.dockerfile import Client, clients_of_target
from build_cache.failure import BuildOutput, cannot_be_read
from homeport.caches import CacheAddresses, Ecosystem

_REFUSED: Final = re.compile(r"read-only file system|\bEROFS\b|resource busy|\bEBUSY\b", re.IGNORECASE)
_PATH: Final = re.compile(r"[A-Za-z0-9._/+@-]+")
# Where a program may have been that names a file of ours by its name alone.
_FOLDERS: Final = ("", "/etc/", "/etc/uv/", "/etc/xdg/pip/", "/usr/etc/", "/usr/local/etc/", "/root/.bundle/")
_CUT_OFF: Final = re.compile(
    r"refused|reset by peer|timed? ?out|closed connection|unreachable|hang up|connection failed|broken pipe"
    r"|connection (?:was )?closed|could not connect|failed to connect|incomplete ?read|end of file",
    re.IGNORECASE,
)
# What clients say of a file that is not what an index, a lock file or a signature promised.
_WRONG_FILE: Final = re.compile(
    r"(?P<apt>hash sum mismatch|file has unexpected size|clearsigned file isn't valid|\bBADSIG\b)"
    r"|(?P<pip>do not match the hashes|hash mismatch for)"
    r"|(?P<npm>\bEINTEGRITY\b|\bERR_PNPM_TARBALL_INTEGRITY\b|integrity check failed)"
    r"|(?P<gem>mismatched checksums|checksum mismatch|checksum\b.* (?:does|did) not match"
    r"|\bGem::Package::\w+Error\b|package metadata is missing|is not an octal string)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a build is tried.

    `without` are the clients that get no mount of ours, `keep_syntax` leaves the Dockerfile its own frontend,
    `after_loss` is the second try after a cache went away, `after_wrong` the one after a wrong file from one.
    """

    without: frozenset[Client] = frozenset()
    keep_syntax: bool = False
    after_loss: bool = False
    after_wrong: bool = False

    def is_afresh_after(self, way: Self) -> bool:
        """Whether what the try in that way has made may be wrong, and must not be taken for a result.

        A program may have hidden that it could not write its configuration, or have taken a package list
        that was wrong or not to be had for an empty one.
        """
        return replace(self, keep_syntax=way.keep_syntax) != way


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a try: its output, the clients whose files an instruction wanted to write over, whether
    the Dockerfile names a frontend, the caches that went away meanwhile, with reasons, and those that had
    served a file that its client refused, and have forgotten it.
    """

    way: Way
    output: BuildOutput
    in_the_way: frozenset[Client]
    has_syntax_line: bool
    lost: Mapping[Ecosystem, str]
    wrong: Collection[Ecosystem] = ()


def next_way(tried: Tried) -> tuple[Way, str] | None:
    """What to do differently and why, in a sentence; None where there is nothing.

    Every answer adds something to the way, so that tries come to an end.
    """
    way = tried.way
    if new := tried.in_the_way - way.without:
        names = ", ".join(sorted(new))
        reason = f"It writes its own configuration of {names}: built again without ours."
        return replace(way, without=way.without | new), reason
    if tried.output.exit_code == 0:
        return None
    if tried.has_syntax_line and not way.keep_syntax and cannot_be_read(tried.output):
        reason = "The engine's own frontend cannot read it: built again with the one that it names."
        return replace(way, keep_syntax=True), reason
    if tried.lost and not way.after_loss:
        reason = f"The package cache of {', '.join(sorted(tried.lost))} went away in mid-build: built again."
        return replace(way, after_loss=True), reason
    if tried.wrong and not way.after_wrong:
        reason = f"The package cache of {', '.join(sorted(tried.wrong))} had a wrong file: built again."
        return replace(way, after_wrong=True), reason
    return None


def clients_in_the_way(line: str) -> Iterator[Client]:
    """The clients whose file of ours a program could not write, by a line of its output.

    The path may be relative there, to whatever folder the program was in.
    """
    if not _REFUSED.search(line):
        return
    for word in _PATH.findall(line):
        path = word.rstrip(".").removeprefix("./")
        for folder in _FOLDERS:
            yield from clients_of_target(folder + path)


def wrong_file(line: str) -> Ecosystem | None:
    """The ecosystem whose client refused a file, by a line of its output."""
    found = _WRONG_FILE.search(line)
    return Ecosystem(found.lastgroup) if found and found.lastgroup else None


def lost_caches(
    before: CacheAddresses, after: CacheAddresses, last_lines: Sequence[str]
) -> dict[Ecosystem, str]:
    """The caches that answered before a build and do not now, or that broke off as the last lines say."""
    found = {name: why for name, why in after.down.items() if name in before.urls}
    for name, url in before.urls.items():
        if name not in found and any(_tells_of(line, url) for line in last_lines):
            found[name] = "It broke off and answers again."
    return found


def _tells_of(line: str, url: str) -> bool:
    """Whether a program says there that its connection to the cache failed."""
    parts = urlsplit(url)
    named = (f"{parts.hostname}:{parts.port}", f"{parts.hostname} {parts.port}", f"port={parts.port}")
    return bool(_CUT_OFF.search(line)) and any(name in line for name in named)


def direct_warning(addresses: CacheAddresses, clients: Collection[Client]) -> str:
    """The sentence on the caches that a build with these clients cannot use; "" where there are none."""
    if not clients or not addresses.down:
        return ""
    reasons = "; ".join(sorted(set(addresses.down.values())))
    names = ", ".join(name.value for name in Ecosystem if name in addresses.down)
    return f"What {names} fetched came directly, through no cache: {reasons}"
