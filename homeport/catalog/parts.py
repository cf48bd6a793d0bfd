"""Takes a checked template apart: what is built, what is pulled, ports, folders, and the rest."""

from collections.abc import Mapping
from typing import Any, Final

from homeport.catalog.loaded import BuildSpec
from homeport.catalog.policy_mounts import read_mount
from homeport.catalog.policy_ports import read_ports
from homeport.catalog.policy_powers import security_option
from homeport.catalog.scope import Scope

_SETTLED: Final = ("build", "deploy", "cpus", "mem_limit", "pids_limit")


def pulled_services(template: Mapping[str, Any], builds: Mapping[str, BuildSpec]) -> dict[str, str]:
    """From each service that is not built to its image reference."""
    return {
        name: service["image"]
        for name, service in template["services"].items()
        if name not in builds and service.get("image")
    }


def shown_ports(template: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """What is published besides HOST_PORT, ranges written out."""
    ports, _ = read_ports(_services(template))
    return tuple(
        {
            "service": port.service,
            "host_port": port.host_port,
            "container_port": port.container_port,
            "protocol": port.protocol,
        }
        for port in ports
        if port.host_port is not None
    )


def bind_folders(template: Mapping[str, Any]) -> tuple[str, ...]:
    """What services mount from the project folder, relative to it, sorted."""
    mounts = [
        read_mount(item)
        for _, service in _services(template).entries()
        if (listed := service.get("volumes"))
        for item in listed.items()
    ]
    return tuple(sorted({mount.inside for mount in mounts if mount.inside is not None}))


def without_settled(template: Mapping[str, Any], builds: Mapping[str, BuildSpec]) -> dict[str, Any]:
    """A copy of the template without what was read out of it, and without `version` and `x-...`.

    Devices that `deploy` reserves stand under `gpus`, and security options are written with `=`.
    """
    rest = {key: value for key, value in template.items() if key != "version" and not key.startswith("x-")}
    rest["services"] = {
        name: {
            key: value
            for key, value in _in_one_form(service).items()
            if key not in _SETTLED and not key.startswith("x-") and (key != "image" or name not in builds)
        }
        for name, service in template["services"].items()
    }
    return rest


def _in_one_form(service: Mapping[str, Any]) -> dict[str, Any]:
    """The service with its devices and security options in the one form in which they are rendered."""
    written = dict(service)
    if options := service.get("security_opt"):
        written["security_opt"] = [security_option(option) for option in options]
    resources = (service.get("deploy") or {}).get("resources") or {}
    if reserved := (resources.get("reservations") or {}).get("devices"):
        own = service.get("gpus") or []
        written["gpus"] = [*([{"count": "all"}] if own == "all" else own), *reserved]
    return written


def _services(template: Mapping[str, Any]) -> Scope:
    return Scope(template["services"], ("services",), "", lambda _path: None)
