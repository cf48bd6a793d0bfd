"""Limits that a template writes itself, and how they join those of app.yml."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from homeport.catalog.definition import Definition, ServiceLimitsSection
from homeport.catalog.yaml12 import KeyPath, YamlDocument
from homeport.errors import Finding

_PLACES: Final[Mapping[str, tuple[KeyPath, ...]]] = {
    "cpus": (("cpus",), ("deploy", "resources", "limits", "cpus")),
    "memory": (("mem_limit",), ("deploy", "resources", "limits", "memory")),
    "pids": (("pids_limit",), ("deploy", "resources", "limits", "pids")),
}
_NUMBERS: Final = {"cpus": float, "pids": int}


def read_limits(
    document: YamlDocument, template: Mapping[str, Any]
) -> tuple[dict[str, ServiceLimitsSection], list[Finding]]:
    """What the template's services limit themselves to, and what is wrong there."""
    limits: dict[str, ServiceLimitsSection] = {}
    findings: list[Finding] = []
    for name, service in template["services"].items():
        given: dict[str, Any] = {}
        for limit, places in _PLACES.items():
            for place in places:
                if (value := _at(service, place)) is None:
                    continue
                try:
                    ServiceLimitsSection.model_validate({limit: _number(limit, value)})
                except (ValidationError, ValueError):
                    what = f"{str(value)[:40]!r} cannot be a limit of {limit}."
                    remedy = "Write it as in `cpus: 1.5`, `mem_limit: 512M` or `pids_limit: 200`."
                    findings.append(document.finding(("services", name, *place), "limit", what, remedy))
                else:
                    given[limit] = _number(limit, value)
        limits[name] = ServiceLimitsSection.model_validate(given)
    return limits, findings


def with_limits(definition: Definition, limits: Mapping[str, ServiceLimitsSection]) -> Definition:
    """The definition with the template's limits of a service where `limits.services` has none."""
    services = dict(definition.limits.services)
    for name, own in limits.items():
        said = services.get(name, ServiceLimitsSection())
        given = {field: getattr(own, field) for field in own.model_fields_set if getattr(said, field) is None}
        if given:
            services[name] = said.model_copy(update=given)
    return definition.model_copy(
        update={"limits": definition.limits.model_copy(update={"services": services})}
    )


def _at(service: Any, place: KeyPath) -> Any:
    for key in place:
        service = service.get(key) if isinstance(service, dict) else None
    return service


def _number(limit: str, value: Any) -> Any:
    if limit == "memory":
        return int(value) if isinstance(value, float) else value
    return _NUMBERS[limit](value)
