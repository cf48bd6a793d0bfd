"""Whether the services of a template wait for each other in a circle, which Compose does not start."""

from collections.abc import Iterator, Mapping
from itertools import islice

from homeport.catalog.scope import Scope
from homeport.errors import Finding

_NAMESPACES = ("network_mode", "ipc", "pid")
_OF_SERVICE = "service:"
_MOST_TOLD = 20
_SHOWN = 10


def named_services(service: Scope) -> Iterator[tuple[str, Scope]]:
    """The services that this one names, and so comes after: where each is named, too."""
    for key in ("depends_on", "links", "volumes_from"):
        yield from named(service, key)
    for key in _NAMESPACES:
        if (mode := service.get(key)) and str(mode.value).startswith(_OF_SERVICE):
            yield str(mode.value).removeprefix(_OF_SERVICE), mode


def named(service: Scope, key: str) -> list[tuple[str, Scope]]:
    """What a list or mapping names, each up to a colon."""
    listed = service.get(key)
    if listed is None:
        return []
    return [*listed.entries(), *((item.value.partition(":")[0], item) for item in listed.items())]


def check_circles(services: Scope) -> Iterator[Finding]:
    """Circles over all keys by which one service names another; a service may be one by itself."""
    after = {name: dict(reversed([*named_services(service)])) for name, service in services.entries()}
    done: set[str] = set()
    circles = (circle for name in after for circle in _circles_from(name, after, done))
    yield from islice(circles, _MOST_TOLD)


def _circles_from(first: str, after: Mapping[str, Mapping[str, Scope]], done: set[str]) -> Iterator[Finding]:
    """The circles that are met from here, each at the name that closes it; goes to each service once."""
    way: dict[str, Iterator[tuple[str, Scope]]] = {}
    if first not in done:
        way[first] = iter(after[first].items())
    while way:
        here = next(reversed(way))
        name, place = next(way[here], ("", None))
        if place is None:
            del way[here]
            done.add(here)
        elif name in way:
            circle = [*way][[*way].index(name) :]
            what = f"These wait for each other: {' -> '.join([*circle[:_SHOWN], name])}."
            yield place.finding("depends-circle", what, "Leave one of these out, so that one can begin.")
        elif name in after and name not in done:
            way[name] = iter(after[name].items())
