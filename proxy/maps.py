"""The map by which HAProxy finds a host's route: its lines, and the commands that bring one to another. Pure.

A host name is the key. The value has three fields, colons between: the route's state, its port, and whether
a certificate covers the name (`tls` or `plain`). One entry holds all that is known of a host, so that one
command changes all of it at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from proxy.routes import Route

API: Final = "api"
"""In the place of a state: the host is the API's, and has no port here."""


def map_entries(
    routes: Iterable[Route], *, api_names: Iterable[str] = (), covered: Iterable[str] = ()
) -> dict[str, str]:
    """The map's values by host name.

    Args:
        routes: whose names are validated.
        api_names: the hosts that lead to the API.
        covered: the names that a certificate is there for; `*.` stands for one label.
    """
    certificates = frozenset(covered)
    hosts = {name: f"{route.state.value}:{route.port}" for route in routes for name in route.names}
    hosts |= dict.fromkeys(api_names, f"{API}:0")
    return {name: f"{what}:{_tls(name, certificates)}" for name, what in hosts.items()}


def render_map(entries: Mapping[str, str]) -> str:
    """The map as a file that HAProxy reads when it starts."""
    return "".join(f"{name} {value}\n" for name, value in sorted(entries.items()))


def read_entries(shown: str) -> dict[str, str]:
    """What `show map` says, a line an entry: a reference, the key, the value."""
    found: dict[str, str] = {}
    for line in shown.splitlines():
        match line.split(None, 2):
            case [_, name, value]:
                found[name] = value
            case [_, name]:
                found[name] = ""
    return found


def map_commands(
    file: str, current: Mapping[str, str], wanted: Mapping[str, str]
) -> Sequence[tuple[str, str]]:
    """The runtime API's commands that make one map of the other, each with the host name that it is about.

    What goes is taken away first: a name may move from one app to another.
    """
    gone = [(name, f"del map {file} {name}") for name in current if name not in wanted]
    new = [(name, f"add map {file} {name} {value}") for name, value in wanted.items() if name not in current]
    changed = [
        (name, f"set map {file} {name} {value}")
        for name, value in wanted.items()
        if name in current and current[name] != value
    ]
    return (*gone, *changed, *new)


def is_covered(name: str, certificates: Iterable[str]) -> bool:
    """Whether one of a certificate's names stands for the host name (RFC 9525, section 6.3).

    Clients take no `*` right below a top-level domain.
    """
    _, _, parent = name.partition(".")
    names = frozenset(certificates)
    return name in names or ("." in parent and f"*.{parent}" in names)


def _tls(name: str, certificates: frozenset[str]) -> str:
    return "tls" if is_covered(name, certificates) else "plain"
