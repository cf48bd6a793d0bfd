"""How much a service may use. Pure.

For each kind of limit the first of these that says something counts: app.yml's `limits.services.NAME`, the
compose file's own keys, app.yml's `limits` (homeport.catalog has joined these three), the settings' defaults.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from homeport.models import Limits
from homeport.settings import Settings

N = TypeVar("N", int, float)

_SMALLEST_CPUS = 0.01  # the engine refuses less


def service_limits(said: Limits, *, settings: Settings, host_cpus: int) -> Limits:
    """The limits of one service: what its definition says, else the defaults, within what the host has."""
    cpus = said.cpus or settings.service_cpus or None
    return Limits(
        cpus=max(_SMALLEST_CPUS, min(cpus, float(host_cpus))) if cpus else None,
        memory_bytes=said.memory_bytes or settings.service_memory_bytes,
        pids=said.pids or settings.service_pids,
    )


def sum_limits(services: Iterable[Limits], *, disk_bytes: int | None) -> Limits:
    """What all services may use together; None where one of them has no such limit."""
    parts = list(services)
    cpus = _sum(part.cpus for part in parts)
    return Limits(
        cpus=None if cpus is None else round(cpus, 3),
        memory_bytes=_sum(part.memory_bytes for part in parts),
        pids=_sum(part.pids for part in parts),
        disk_bytes=disk_bytes,
    )


def render_limits(limits: Limits) -> dict[str, Any]:
    """The compose document's keys.

    Memory and swap together get what memory gets: an app that swaps slows the whole box, and the engine
    raises a running container's memory only together with its swap.
    """
    keys: dict[str, Any] = {}
    if limits.cpus is not None:
        keys["cpus"] = limits.cpus
    if limits.memory_bytes is not None:
        keys["mem_limit"] = limits.memory_bytes
        keys["memswap_limit"] = limits.memory_bytes
    if limits.pids is not None:
        keys["pids_limit"] = limits.pids
    return keys


def _sum(values: Iterable[N | None]) -> N | None:
    total: N | None = None
    for value in values:
        if value is None:
            return None
        total = value if total is None else total + value
    return total
