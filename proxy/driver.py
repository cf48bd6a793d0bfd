"""What a reverse proxy is to those who publish apps: something that a whole table of routes is given to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from homeport.models import Certificate
from proxy.routes import Route


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What of a table is not served, and why.

    `routes` by their apps' identifiers, `certificates` by name; `box` is what belongs to neither, "" where
    nothing does.
    """

    box: str = ""
    routes: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, str] = field(default_factory=dict)


class ProxyDriver(Protocol):
    """One kind of reverse proxy. What differs is changed, and nothing else is touched."""

    def apply(self, routes: Sequence[Route], certificates: Sequence[Certificate]) -> Applied:
        """Brings what is served to this table, as far as that can be.

        Raises:
            ComponentUnavailableError: the proxy does not answer, so that nothing was changed in it.
            OSError: one of its files cannot be written.
            HomeportError: likewise.
        """
