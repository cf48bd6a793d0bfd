"""The kinds of reverse proxy, by the name that the setting `proxy` has for each."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from homeport.models import Certificate
from homeport.names import api_names
from homeport.settings import Settings
from proxy.apache import create_apache
from proxy.driver import Applied, ProxyDriver
from proxy.haproxy import HAProxy
from proxy.routes import Route


class NoProxy:
    """A box without a reverse proxy: apps are reached by their ports."""

    def apply(self, routes: Sequence[Route], certificates: Sequence[Certificate]) -> Applied:
        """See `ProxyDriver`: nothing is to be done."""
        return Applied()


def retire_others(settings: Settings) -> None:
    """Takes the box's routes out of the proxy that it had before, where that one goes on without it.

    Raises:
        ComponentUnavailableError: it could not be told.
    """
    if settings.proxy != "apache":
        create_apache(settings).withdraw()


DRIVERS: Final[Mapping[str, Callable[[Settings], ProxyDriver]]] = MappingProxyType(
    {
        "haproxy": lambda settings: HAProxy(
            settings.proxy_dir,
            settings.proxy_socket,
            api_names=api_names(settings.domain, settings.api_name),
        ),
        "apache": create_apache,
        "none": lambda settings: NoProxy(),
    }
)
