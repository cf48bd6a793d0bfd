"""Waiting for ports that a mere connection still has.

An outgoing connection may have got an app's port before it was kept out of the ephemeral ones; the kernel
frees it a minute after the connection's end, and refuses it to Docker until then.
"""

import time
from collections.abc import Iterable
from typing import Final

from homeport.errors import PortInUseError
from homeport.host.binding import connection_from
from homeport.plans import StepRun
from workers.tools import Tools

_PATIENCE_S: Final = 75.0  # Linux keeps an ended connection's port for 60 s (TCP_TIMEWAIT_LEN)
_LOOK_S: Final = 0.25


def wait_for_ports(
    tools: Tools, ports: Iterable[tuple[int, str]], run: StepRun, *, web_port: int | None
) -> None:
    """Returns when every port can be bound; those that Docker holds for somebody were dealt with before.

    Raises:
        PortInUseError: a connection keeps a port for longer than an ended one does.
    """
    settings = tools.settings
    for port, protocol in ports:
        address = settings.publish_address if port == web_port else settings.further_address
        deadline = time.monotonic() + _PATIENCE_S
        while not tools.can_bind(address, port, protocol) and not _is_published(tools, port, protocol):
            run.check()
            if time.monotonic() > deadline:
                raise _kept(port)
            run.progress(0.5, f"waiting until a connection lets go of port {port}")
            time.sleep(_LOOK_S)


def _is_published(tools: Tools, port: int, protocol: str) -> bool:
    """Whether a container publishes it: this very app's, when the step is repeated."""
    return tools.engine.publisher_of(port, protocol) is not None


def _kept(port: int) -> PortInUseError:
    return PortInUseError(
        f"Port {port} is in use, and has been all the time.",
        why=f"It is held by {connection_from(port) or 'a connection'}.",
        remedy="End that, or install with another app_id: the host port is 35000 + app_id.",
        port=port,
    )
