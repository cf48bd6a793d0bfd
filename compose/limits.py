"""How much a service may use, whoever says so. Pure.

For each kind of limit the first of these that says something counts: app.yml's `limits.services.NAME`,
app.yml's `limits`, the compose file's own keys, the settings' defaults.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from homeport.catalog.sizes import parse_size
from homeport.models import Limits
from homeport.settings import Settings

T = TypeVar("T")

_SMALLEST_MEMORY = 6 * 1024 * 1024  # the engine refuses less
_SMALLEST_CPUS = 0.01  # likewise

SERVICE_KEYS = (
    "cpus", "cpu_quota", "cpu_period", "cpu_count", "cpu_percent",
    "mem_limit", "memswap_limit", "mem_reservation", "pids_limit",
)  # fmt: skip
"""The compose file's keys that the rendered limits replace. A reservation could lie above the limit."""


def service_limits(service: Mapping[str, Any], said: Limits, *, settings: Settings, host_cpus: int) -> Limits:
    """The limits of one service.

    Args:
        service: the compose file's mapping of the service.
        said: what app.yml says of it.
        settings: the defaults.
        host_cpus: the engine's cores; a service gets no more.
    """
    sources = [said, _own_limits(service), _default_limits(settings)]
    cpus = _first(limits.cpus for limits in sources)
    memory = _first(limits.memory_bytes for limits in sources)
    return Limits(
        cpus=max(_SMALLEST_CPUS, min(cpus, float(host_cpus))) if cpus else None,
        memory_bytes=max(_SMALLEST_MEMORY, int(memory)) if memory else None,
        pids=_first(limits.pids for limits in sources),
    )


def sum_limits(services: Iterable[Limits], *, disk_bytes: int | None) -> Limits:
    """What all services may use together; None where one of them has no such limit."""
    parts = list(services)
    cpus = [part.cpus for part in parts]
    memory = [part.memory_bytes for part in parts]
    pids = [part.pids for part in parts]
    return Limits(
        cpus=None if None in cpus else round(sum(value or 0 for value in cpus), 3),
        memory_bytes=None if None in memory else sum(value or 0 for value in memory),
        pids=None if None in pids else sum(value or 0 for value in pids),
        disk_bytes=disk_bytes,
    )


def render_limits(limits: Limits) -> dict[str, Any]:
    """The compose document's keys. Swap is none beyond the memory: an app that swaps slows the whole box."""
    keys: dict[str, Any] = {}
    if limits.cpus is not None:
        keys["cpus"] = limits.cpus
    if limits.memory_bytes is not None:
        keys["mem_limit"] = limits.memory_bytes
        keys["memswap_limit"] = limits.memory_bytes
    if limits.pids is not None:
        keys["pids_limit"] = limits.pids
    return keys


def without_own_limits(service: Mapping[str, Any]) -> dict[str, Any]:
    """The service without what the rendered limits replace."""
    rest = {key: value for key, value in service.items() if key not in SERVICE_KEYS}
    deploy = rest.get("deploy")
    if isinstance(deploy, Mapping):
        rest["deploy"] = {key: value for key, value in deploy.items() if key != "resources"}
        if not rest["deploy"]:
            del rest["deploy"]
    return rest


def _own_limits(service: Mapping[str, Any]) -> Limits:
    resources = (service.get("deploy") or {}).get("resources") or {}
    deployed = resources.get("limits") or {}
    cpus = service.get("cpus") or deployed.get("cpus")
    memory = service.get("mem_limit") or deployed.get("memory")
    pids = service.get("pids_limit") or deployed.get("pids")
    return Limits(
        cpus=float(cpus) if cpus else None,
        memory_bytes=parse_size(str(memory)) if memory else None,
        pids=int(pids) if pids and int(pids) > 0 else None,  # -1 means no limit to Docker, and nothing to us
    )


def _default_limits(settings: Settings) -> Limits:
    return Limits(
        cpus=settings.service_cpus or None,
        memory_bytes=settings.service_memory_bytes,
        pids=settings.service_pids,
    )


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
