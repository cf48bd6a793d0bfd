"""Downloads of a build that the engine makes itself, for ADD: the bridge does not see them. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from homeport.caches import DirectHost

# https://docs.docker.com/reference/dockerfile/#add: HTTP, and Git by its URLs or as user@host:path
_URL = re.compile(r"(?:https?|git|ssh)://(?:[^/\s]*@)?(\[[0-9a-fA-F:.]+\]|[\w.-]+)", re.IGNORECASE)
_GIT_OVER_SSH = re.compile(r"[\w.-]+@([\w.-]+):")


def with_engine_downloads(
    seen: Sequence[DirectHost] | None, instructions: Iterable[str]
) -> tuple[DirectHost, ...] | None:
    """What was seen on the bridge, and the hosts that ADD instructions name.

    Args:
        seen: None where the bridge could not be watched; then the whole stays not known.
        instructions: those that were carried out, with their variables replaced, such as BuildKit names them.
    """
    if seen is None:
        return None
    counts = Counter({host.host: host.connections for host in seen})
    counts.update(host for instruction in instructions for host in _hosts_of(instruction))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(DirectHost(host=host, connections=count) for host, count in ordered)


def _hosts_of(instruction: str) -> list[str]:
    keyword, _, rest = instruction.partition(" ")
    if keyword.upper() != "ADD":
        return []
    words = [word.strip("[]\",'") for word in rest.split()]
    found = (_URL.match(word) or _GIT_OVER_SSH.match(word) for word in words if not word.startswith("--"))
    return [match[1].strip("[]").lower() for match in found if match]
