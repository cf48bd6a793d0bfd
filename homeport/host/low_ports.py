"""Which ports the box's reverse proxy gets: the web's own, or others where it cannot have those."""

from collections.abc import Callable
from typing import Final

import psutil

from homeport.host.binding import can_bind
from homeport.host.ports import Listener
from homeport.settings import Settings

HTTP_PORTS: Final = (80, 8080)
HTTPS_PORTS: Final = (443, 8443)

_APACHE: Final = frozenset({"apache2", "httpd"})

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - a reverse proxy is there for the LAN


def with_ports(settings: Settings, *, is_free: Callable[[int], bool] | None = None) -> Settings:
    """The settings with the ports that the proxy is to have, where they leave them open.

    Where none can be had, the last one is chosen: the proxy waits until it is free, and says who has it.
    """
    is_free = is_free or (lambda port: can_bind(EVERYWHERE, port, "tcp"))
    return settings.model_copy(
        update={
            "http_port": settings.http_port or _first(HTTP_PORTS, is_free),
            "https_port": settings.https_port or _first(HTTPS_PORTS, is_free),
        }
    )


def is_own_proxy(listener: Listener, settings: Settings) -> bool:
    """Whether it is this box's HAProxy, and not somebody else's."""
    try:
        words = psutil.Process(listener.pid).cmdline() if listener.pid else []
    except psutil.Error:
        return False
    return str(settings.proxy_dir / "haproxy.cfg") in words


def is_apache(process: str) -> bool:
    """Whether a process of that name is an Apache."""
    return process in _APACHE


def _first(ports: tuple[int, ...], is_free: Callable[[int], bool]) -> int:
    return next((port for port in ports if is_free(port)), ports[-1])
