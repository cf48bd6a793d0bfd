"""Whether a compose file asks only for what every app may have; what it does not know, it refuses."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from homeport.catalog.durations import parse_duration
from homeport.catalog.judgement import Judgement, Outcome
from homeport.catalog.local_images import names_local_image
from homeport.catalog.policy_circles import check_circles, named, named_services
from homeport.catalog.policy_files import (
    check_build,
    check_env_files,
    check_extends,
    check_file_inside,
    check_labels,
    check_valued,
)
from homeport.catalog.policy_mounts import check_mounts
from homeport.catalog.policy_names import check_declared_names, check_service_names
from homeport.catalog.policy_ports import check_ports
from homeport.catalog.policy_powers import (
    check_capabilities,
    check_devices,
    check_gpus,
    check_groups,
    check_namespace,
    check_network_companions,
    check_network_mode,
    check_privileged,
    check_security_options,
    check_sysctls,
)
from homeport.catalog.policy_rules import (
    ALLOWED,
    FORBIDDEN_IN_SERVICE,
    HARMLESS,
    LOGGING_DRIVERS,
    NETWORK_DRIVERS,
    REFUSED_LIMITS,
    SHORTEST_INTERVAL_S,
)
from homeport.catalog.scope import LineOf, Scope, check_interpolation, check_keys, unknown_key
from homeport.errors import Finding

_IMAGE = re.compile(
    r"(?=.{1,400}$)(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_CONTAINER_NAME = re.compile(r"APP_IDENTIFIER(?:[_.][a-z0-9_.-]+)?|[a-z0-9][a-z0-9_.-]*[_.]APP_IDENTIFIER")
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(?::[0-9]{1,4})?")

_Check = Callable[[Scope], Iterator[Outcome]]


def judge_compose(document: Any, *, lines: LineOf, file: str) -> Judgement:
    """What in the compose file is refused, and what needs a permission.

    Args:
        document: the parsed file, placeholders still in; its shape has passed the compose-spec schema.
        lines: the line of a key path.
        file: the file's name in findings.
    """
    top = Scope(document, (), file, lines)
    services = top.get("services")
    if services is None or not services.value:
        remedy = "Add `services:` with one at least."
        return Judgement.of([top.finding("services-missing", "The file has no services.", remedy)])
    findings: list[Outcome] = [*check_keys(top, "file"), *check_interpolation(top)]
    findings += check_service_names(services)
    for _, service in services.entries():
        findings += _check_service(service)
    findings += _check_references(top, services)
    findings += check_circles(services)
    findings += check_mounts(services, top.get("volumes"))
    findings += check_ports(services)
    findings += _check_top_level(top)
    return Judgement.of(findings)


def _check_service(service: Scope) -> Iterator[Outcome]:
    for key, inner in service.entries():
        if key in ALLOWED["service"]:
            if inner.value is not None and (check := _SERVICE_CHECKS.get(key)):
                yield from check(inner)
        elif key.startswith("x-") or inner.value in HARMLESS.get(key, ()):
            continue
        elif reason := FORBIDDEN_IN_SERVICE.get(key) or REFUSED_LIMITS.get(key):
            rule, why, remedy = reason
            yield inner.finding(rule, f"`{key}` is not allowed. {why}", remedy)
        else:
            yield unknown_key(inner, key, "service")
    yield from check_sysctls(service)
    yield from check_network_companions(service)


def _check_image(image: Scope) -> Iterator[Finding]:
    text = image.value
    if names_local_image(text):
        what = f"{text[:80]} names an image of this box, not of a registry."
        yield image.finding("image-local", what, "Name it as its registry does, or give a build context.")
    elif not _IMAGE.fullmatch(text):
        what = f"{text[:80]!r} is no image reference."
        yield image.finding("image-invalid", what, "Write name:tag, such as `gitlab/gitlab-ce:17.0.0-ce.0`.")


def _check_container_name(name: Scope) -> Iterator[Finding]:
    if not _CONTAINER_NAME.fullmatch(name.value):
        what = f"The name {name.value[:60]!r} could be another app's."
        yield name.finding(
            "container-name", what, "Use APP_IDENTIFIER, or APP_IDENTIFIER_db for a further service."
        )


def _check_healthcheck(check: Scope) -> Iterator[Finding]:
    yield from check_keys(check, "healthcheck")
    test = check.get("test")
    if test is not None and isinstance(test.value, list) and test.value[:1] not in _TESTS:
        what = f"{str(test.value[0])[:60]!r} does not say how the test is run: Docker would never run it."
        remedy = "Put CMD before it, or CMD-SHELL and the command as one text; NONE switches it off."
        yield test.finding("health-test", what, remedy)
    for key in ("interval", "start_interval"):
        if (given := check.get(key)) is not None:
            yield from _check_interval(given)


_TESTS: Final[tuple[list[str], ...]] = ([], ["CMD"], ["CMD-SHELL"], ["NONE"])
"""How a list under `test` begins (compose-spec, "healthcheck")."""


def _check_interval(interval: Scope) -> Iterator[Finding]:
    """Each look starts a program that the engine pays for, outside the app's own limits."""
    try:
        often = 0 < parse_duration(interval.value) < SHORTEST_INTERVAL_S
    except ValueError as error:
        yield interval.finding("duration", f"{error}.", "Write a number and a unit: 30s, 1m30s.")
        return
    if often:
        what = f"A look every {interval.value} keeps the box busy, past the app's limits."
        remedy = f"Write {SHORTEST_INTERVAL_S:g}s, or more; a service's own counts before its image's."
        yield interval.finding("health-interval", what, remedy)


def _check_logging(logging: Scope) -> Iterator[Finding]:
    yield from check_keys(logging, "logging")
    driver = logging.get("driver")
    if driver and driver.value not in LOGGING_DRIVERS:
        what = f"The log driver {str(driver.value)[:60]!r} is not allowed."
        yield driver.finding(
            "logging-driver", what, f"Use {' or '.join(sorted(LOGGING_DRIVERS))}, or leave it out."
        )
    if options := logging.get("options"):
        yield from check_keys(options, "logging.options")


def _check_deploy(deploy: Scope) -> Iterator[Outcome]:
    yield from check_keys(deploy, "deploy")
    if resources := deploy.get("resources"):
        yield from check_keys(resources, "deploy.resources")
        if limits := resources.get("limits"):
            yield from check_keys(limits, "deploy.resources.limits")
        if reservations := resources.get("reservations"):
            yield from check_keys(reservations, "deploy.resources.reservations")
            if devices := reservations.get("devices"):
                yield from check_gpus(devices)


def _check_networks_of_service(networks: Scope) -> Iterator[Finding]:
    for _, network in networks.entries():
        yield from check_keys(network, "service network")


def _check_restart(restart: Scope) -> Iterator[Finding]:
    if not _RESTART.fullmatch(restart.value):
        what = f"{restart.value[:60]!r} is no restart policy."
        yield restart.finding("restart", what, "Use no, on-failure, always or unless-stopped.")


def _check_volumes_from(sources: Scope) -> Iterator[Finding]:
    for item in sources.items():
        if item.value.startswith("container:"):
            what = f"{item.value[:60]!r} is a container that is not the app's."
            yield item.finding("foreign-object", what, "Name a service of this file.")


def _check_ulimits(limits: Scope) -> Iterator[Finding]:
    yield from check_keys(limits, "ulimits")
    yield from _check_maps("ulimit")(limits)


def _check_maps(kind: str) -> Callable[[Scope], Iterator[Finding]]:
    """A check of the keys of every mapping in a mapping or list."""

    def check(scope: Scope) -> Iterator[Finding]:
        for inner in [*(inner for _, inner in scope.entries()), *scope.items()]:
            yield from check_keys(inner, kind)

    return check


def _check_references(top: Scope, services: Scope) -> Iterator[Finding]:
    """Services and networks that services name must be there, and further names be one container's."""
    networks = top.get("networks")
    declared = {"default", *(name for name, _ in networks.entries())} if networks else {"default"}
    names: set[str] = set()
    for _, service in services.entries():
        for name, inner in named_services(service):
            is_foreign = name == "container" and "volumes_from" in inner.path  # refused as that
            if name not in services.value and not is_foreign:
                yield inner.finding(
                    "service-unknown", f"There is no service {name[:60]!r}.", "Name one of this file."
                )
        for name, inner in named(service, "networks"):
            if name not in declared:
                what = f"The network {name[:60]!r} is not declared."
                yield inner.finding("network-undeclared", what, "Add it under `networks` of the file.")
        container = service.get("container_name")
        if container and container.value in names:
            what = f"Two services are called {container.value[:60]!r}."
            yield container.finding("container-name", what, "Give each container a name of its own.")
        if container:
            names.add(container.value)


def _check_top_level(top: Scope) -> Iterator[Finding]:
    for section, kind in (("networks", "network"), ("volumes", "volume"), ("configs", "config")):
        declared = top.get(section)
        if declared:
            yield from check_declared_names(declared)
        for _, inner in declared.entries() if declared else ():
            yield from check_keys(inner, kind)
            if labels := inner.get("labels"):
                yield from check_labels(labels)
            driver = inner.get("driver")
            allowed = NETWORK_DRIVERS if kind == "network" else {"local"}
            if driver and driver.value not in allowed:
                what = f"The {kind} driver {str(driver.value)[:60]!r} is not allowed."
                yield driver.finding(f"{kind}-driver", what, "Leave it out.")
            if (file := inner.get("file")) and kind == "config":
                yield from check_file_inside(file, "config")


_SERVICE_CHECKS: Final[dict[str, _Check]] = {
    "build": check_build,
    "cap_add": check_capabilities,
    "cgroup": check_namespace,
    "configs": _check_maps("configs item"),
    "container_name": _check_container_name,
    "depends_on": _check_maps("depends_on item"),
    "deploy": _check_deploy,
    "devices": check_devices,
    "env_file": check_env_files,
    "environment": check_valued,
    "extends": check_extends,
    "gpus": check_gpus,
    "group_add": check_groups,
    "healthcheck": _check_healthcheck,
    "image": _check_image,
    "ipc": check_namespace,
    "labels": check_labels,
    "logging": _check_logging,
    "network_mode": check_network_mode,
    "networks": _check_networks_of_service,
    "restart": _check_restart,
    "pid": check_namespace,
    "privileged": check_privileged,
    "security_opt": check_security_options,
    "ulimits": _check_ulimits,
    "userns_mode": check_namespace,
    "uts": check_namespace,
    "volumes_from": _check_volumes_from,
}
"""What is looked at below the allowed keys of a service."""
