"""How one service of a template becomes one of the final document. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from compose.limits import render_limits
from compose.mounts import name_anonymous, never_made
from compose.values import MAY_GAIN, NEVER_GAIN, SERVICE_LABEL
from homeport.catalog.composition import as_variables
from homeport.models import Limits
from homeport.settings import Settings

_OURS: Final = frozenset(
    {
        "build",
        "image",
        "pull_policy",
        "container_name",
        "labels",
        "logging",
        "restart",
        "security_opt",
        "ports",
    }
)


@dataclass(frozen=True, kw_only=True)
class ServiceFrame:
    """What the project says of one of its services."""

    name: str
    image: str
    labels: Mapping[str, str]
    container_name: str | None
    project_dir: Path
    ports: list[dict[str, Any]]
    limits: Limits
    is_awaited: bool
    """Whether another service waits for it to complete."""


def render_service(template: Mapping[str, Any], frame: ServiceFrame, settings: Settings) -> dict[str, Any]:
    """The service as Compose gets it."""
    kept = {key: value for key, value in template.items() if key not in _OURS}
    service: dict[str, Any] = {"image": frame.image, "pull_policy": "never"}
    if frame.container_name:
        service["container_name"] = frame.container_name
    service |= kept
    service["labels"] = {**as_variables(template.get("labels")), **frame.labels, SERVICE_LABEL: frame.name}
    service["restart"] = restart_rule(template, is_awaited=frame.is_awaited)
    service["security_opt"] = _security_options(template)
    # an engine whose cgroups are of version 1 would show the host's
    service.setdefault("cgroup", "private")
    service["logging"] = _logging(settings)
    service |= render_limits(frame.limits)
    if frame.ports and template.get("network_mode") != "host":  # there, what listens is reached as it is
        service["ports"] = frame.ports
    if "volumes" in template:
        volumes = [name_anonymous(entry, frame.name) for entry in template["volumes"] or ()]
        service["volumes"] = [never_made(entry, frame.project_dir) for entry in volumes]
    if check := _health_check(template.get("healthcheck"), settings):
        service["healthcheck"] = check
    return service


def _security_options(template: Mapping[str, Any]) -> list[str]:
    """The template's own, which its owner granted, and that privileges are not gained unless they may be."""
    said = [str(option) for option in template.get("security_opt") or ()]
    further = [option for option in said if not option.startswith("no-new-privileges")]
    may_gain = any(option.startswith("no-new-privileges") and option.endswith("false") for option in said)
    return [MAY_GAIN if may_gain else NEVER_GAIN, *further]


def restart_rule(template: Mapping[str, Any], *, is_awaited: bool) -> str:
    """The template's rule; without one, a service is kept running unless another waits for its end."""
    said = template.get("restart")
    if said:
        return str(said)
    return "no" if is_awaited else "unless-stopped"


def may_end(rule: str) -> bool:
    """Whether a service with this restart rule may end with 0 and be done."""
    return rule == "no" or rule.startswith("on-failure")


def _logging(settings: Settings) -> dict[str, Any]:
    options = {"max-size": str(settings.log_max_bytes), "max-file": str(settings.log_files)}
    return {"driver": "json-file", "options": options}


def _health_check(given: Any, settings: Settings) -> dict[str, Any] | None:
    """The template's check, looked at every second while the app starts.

    Without `start_interval` Docker first looks after a whole interval, 30 s by default; and that counts only
    within a start period, which therefore is as long as we wait. A service without a check gets none of this:
    an empty one would join its image's own, but `docker compose up --wait` fails on it where there is none.
    """
    if not given:
        return None
    check = dict(given)
    if check.get("disable") or check.get("test") in ("NONE", ["NONE"]):
        return check
    check.setdefault("start_interval", "1s")
    check.setdefault("start_period", f"{int(settings.healthy_s)}s")
    return check
