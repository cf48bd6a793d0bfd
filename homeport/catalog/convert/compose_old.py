"""Services as older compose files write them, and what became of their keys. Pure.

The keys are those of Compose's file references of version 1, 2.0 to 2.4 and 3.0 to 3.8.
"""

from collections.abc import Mapping
from typing import Any, Final

_LIMITS: Final = "Homeport limits apps by cores, memory and processes; they stand in app.yml under `limits`."
_ONE: Final = "An app runs one container of each service, on one box."

LEFT_OUT: Final[Mapping[str, str]] = {
    "include": "Other files are not read; write their services into this one.",
    "secrets": "Secrets come from files of the box; give them as settings, or as `configs` with `content`.",
    "models": "Models are not run here.",
}
"""Keys at the top of a file that have no place in a definition."""

_SERVICE_LEFT_OUT: Final[Mapping[str, str]] = {
    "cpu_count": _LIMITS,
    "cpu_percent": _LIMITS,
    "cpu_period": _LIMITS,
    "cpu_quota": _LIMITS,
    "cpu_rt_period": _LIMITS,
    "cpu_rt_runtime": _LIMITS,
    "cpu_shares": _LIMITS,
    "cpuset": _LIMITS,
    "mem_reservation": _LIMITS,
    "mem_swappiness": _LIMITS,
    "memswap_limit": _LIMITS,
    "scale": _ONE,
    "storage_opt": _LIMITS,
    "volume_driver": "A volume is a folder that Docker keeps on the box.",
}
_DEPLOY_LEFT_OUT: Final[Mapping[str, str]] = {
    "endpoint_mode": _ONE,
    "labels": "Labels of a swarm's services are read by a swarm alone.",
    "mode": _ONE,
    "placement": _ONE,
    "rollback_config": "Homeport keeps the version before, and goes back to it by itself.",
    "update_config": "Homeport updates an app as a whole.",
}
_RESTARTS: Final = {"any": "unless-stopped", "on-failure": "on-failure", "none": "no"}

Dropped = list[tuple[str, str]]
"""Keys that were left out, below the service, each with the reason."""


def modernize_service(
    given: Mapping[str, Any], services: Mapping[str, Any]
) -> tuple[dict[str, Any], Dropped]:
    """The service by today's rules, and what has no place in them.

    Args:
        given: the service as the file has it.
        services: all services of the file, for names of containers.
    """
    service = dict(given)
    dropped: Dropped = [
        (key, why) for key, why in _SERVICE_LEFT_OUT.items() if service.pop(key, None) is not None
    ]
    _modernize_build(service)
    _modernize_logging(service)
    _modernize_network(service, services)
    dropped += _modernize_deploy(service)
    if service.get("restart") is False:
        service["restart"] = "no"
    return service, dropped


def _modernize_build(service: dict[str, Any]) -> None:
    """Version 1 has `dockerfile` beside `build`."""
    dockerfile = service.pop("dockerfile", None)
    build = service.get("build")
    if dockerfile is not None and isinstance(build, str):
        service["build"] = {"context": build, "dockerfile": dockerfile}


def _modernize_logging(service: dict[str, Any]) -> None:
    """Version 1 has `log_driver` and `log_opt`."""
    driver, options = service.pop("log_driver", None), service.pop("log_opt", None)
    if driver is None and options is None:
        return
    logging = {"driver": driver, "options": options}
    service.setdefault("logging", {key: value for key, value in logging.items() if value is not None})


def _modernize_network(service: dict[str, Any], services: Mapping[str, Any]) -> None:
    """Version 1 has `net`; containers of the same file are services by now."""
    if (net := service.pop("net", None)) is not None:
        service.setdefault("network_mode", net)
    mode = service.get("network_mode")
    if isinstance(mode, str) and mode.startswith("container:"):
        other = _service_of(mode.removeprefix("container:"), services)
        service["network_mode"] = f"service:{other}" if other else mode
    if mode in ("bridge", "default"):  # the one network that an app has
        del service["network_mode"]


def _service_of(container: str, services: Mapping[str, Any]) -> str | None:
    for name, other in services.items():
        if name == container or (isinstance(other, dict) and other.get("container_name") == container):
            return name
    return None


def _modernize_deploy(service: dict[str, Any]) -> Dropped:
    """Of `deploy`, which speaks to a swarm, the limits stay, and when to start again."""
    deploy = service.get("deploy")
    if not isinstance(deploy, dict):
        return []
    deploy = {key: value for key, value in deploy.items() if not key.startswith("x-")}
    dropped: Dropped = []
    for key, why in _DEPLOY_LEFT_OUT.items():
        if deploy.pop(key, None) is not None:
            dropped.append((f"deploy.{key}", why))
    if deploy.pop("replicas", 1) not in (1, "1"):
        dropped.append(("deploy.replicas", _ONE))
    policy = deploy.pop("restart_policy", None)
    if isinstance(policy, dict):
        service.setdefault("restart", _restart(policy))
    dropped += _without_reservations(deploy)
    if deploy:
        service["deploy"] = deploy
    else:
        del service["deploy"]
    return dropped


def _restart(policy: Mapping[str, Any]) -> str:
    word = _RESTARTS.get(str(policy.get("condition", "any")), "unless-stopped")
    attempts = policy.get("max_attempts")
    return f"{word}:{attempts}" if word == "on-failure" and isinstance(attempts, int) else word


def _without_reservations(deploy: dict[str, Any]) -> Dropped:
    """Takes out what a swarm would keep free; reserved devices stay."""
    resources = deploy.get("resources")
    if not isinstance(resources, dict) or not isinstance(kept := resources.get("reservations"), dict):
        return []
    reserved = {key: value for key, value in kept.items() if key == "devices"}
    deploy["resources"] = {key: value for key, value in resources.items() if key != "reservations"}
    if reserved:
        deploy["resources"]["reservations"] = reserved
    if not deploy["resources"]:
        del deploy["resources"]
    return [("deploy.resources.reservations", _LIMITS)] if reserved != kept else []
