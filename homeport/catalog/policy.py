"""Whether a compose file asks only for what every app may have; what it does not know, it refuses."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from homeport.catalog.definition import CONTEXT_NAME, SERVICE_CONTEXT
from homeport.catalog.judgement import Judgement, Outcome
from homeport.catalog.policy_mounts import check_mounts
from homeport.catalog.policy_ports import check_ports
from homeport.catalog.policy_rules import (
    ALLOWED,
    FORBIDDEN_IN_SERVICE,
    HARMLESS,
    LOGGING_DRIVERS,
    NETWORK_DRIVERS,
    NETWORK_MODES,
    REFUSED_LIMITS,
    RESERVED_LABELS,
    SECURITY_OPTIONS,
)
from homeport.catalog.scope import LineOf, Scope, check_interpolation, check_keys, unknown_key
from homeport.errors import Finding

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_IMAGE = re.compile(
    r"(?=.{1,400}$)(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")
_CONTAINER_NAME = re.compile(r"APP_IDENTIFIER(?:[_.][a-z0-9_.-]+)?|[a-z0-9][a-z0-9_.-]*[_.]APP_IDENTIFIER")
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(?::[0-9]{1,4})?")
_REMOTE_CONTEXT = re.compile(r"[a-z0-9+.-]+:|git@|github\.com/", re.IGNORECASE)

_Check = Callable[[Scope], Iterator[Finding]]


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
    for name, service in services.entries():
        findings += _check_name(service, name)
        findings += _check_service(service)
    findings += _check_references(services)
    findings += check_mounts(services, top.get("volumes"))
    findings += check_ports(services)
    findings += _check_top_level(top)
    return Judgement.of(findings)


def _check_name(scope: Scope, name: str) -> Iterator[Finding]:
    if not _NAME.fullmatch(name):
        what = f"{name[:60]!r} cannot be a name here."
        yield scope.finding("name", what, "Use letters, digits, '.', '_' and '-', 63 at most.")


def _check_service(service: Scope) -> Iterator[Finding]:
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


def _check_build(build: Scope) -> Iterator[Finding]:
    context = build.get("context") if isinstance(build.value, dict) else build
    if isinstance(build.value, dict):
        yield from check_keys(build, "build")
        if arguments := build.get("args"):
            yield from _check_valued(arguments)
        if labels := build.get("labels"):
            yield from _check_labels(labels)
        if further := build.get("additional_contexts"):
            yield from _check_further_contexts(further)
    yield from _check_context(context or build, context.value if context else ".")


def _check_further_contexts(contexts: Scope) -> Iterator[Finding]:
    named = [(name, inner, inner.value) for name, inner in contexts.entries()]
    named += [
        (parts[0], item, parts[2]) for item in contexts.items() for parts in [item.value.partition("=")]
    ]
    for name, inner, text in named:
        if not isinstance(text, str) or not text or not CONTEXT_NAME.fullmatch(name):
            what = f"{name[:60]!r} is no name of a build context, or names nothing."
            yield inner.finding("build-context", what, "Write `name: ./folder` or `name: service:web`.")
        elif not text.startswith(SERVICE_CONTEXT):
            yield from _check_context(inner, text)


def _check_context(context: Scope, text: str) -> Iterator[Finding]:
    if _REMOTE_CONTEXT.match(text) or text.endswith(".git"):
        what = f"The build context {text[:80]} is not in the definition."
        yield context.finding("build-remote-context", what, "Put its files into the definition: `./app`.")
    elif text.startswith(("/", "~")) or ".." in text.split("/"):
        what = f"The build context {text[:80]} is outside the definition."
        yield context.finding("build-context", what, "Use a folder of the definition: `./app`.")


def _check_image(image: Scope) -> Iterator[Finding]:
    text = image.value
    if _IMAGE_ID.fullmatch(text) or text.startswith("homeport/"):
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


def _check_network_mode(mode: Scope) -> Iterator[Finding]:
    text = mode.value
    if text in NETWORK_MODES or text.startswith("service:"):
        return
    rule = (
        "host-namespace"
        if text == "host"
        else "foreign-object"
        if text.startswith("container:")
        else "network"
    )
    what = f"`network_mode: {text[:60]}` is not allowed: an app has networks of its own."
    yield mode.finding(rule, what, "Leave it out, and name ports under `ports`.")


def _check_labels(labels: Scope) -> Iterator[Finding]:
    keys = [(key, inner) for key, inner in labels.entries()]
    keys += [(item.value.partition("=")[0], item) for item in labels.items()]
    for key, inner in keys:
        if key.strip().startswith(RESERVED_LABELS):
            yield inner.finding(
                "label-reserved", f"The label {key[:60]!r} is not for templates.", "Leave it out."
            )


def _check_valued(variables: Scope) -> Iterator[Finding]:
    """Variables without a value would be taken from the environment of the host."""
    names = [inner for _, inner in variables.entries() if inner.value is None]
    names += [item for item in variables.items() if "=" not in item.value]
    for inner in names:
        what = "A variable without a value is taken from the environment of the host."
        yield inner.finding(
            "environment-from-host", what, 'Give it a value, "" perhaps, or name it in app.yml\'s settings.'
        )


def _check_security(options: Scope) -> Iterator[Finding]:
    for item in options.items():
        if item.value not in SECURITY_OPTIONS:
            what = f"The security option {item.value[:60]!r} is not allowed."
            yield item.finding("privileges", what, "Leave it out; no-new-privileges is always on.")


def _check_healthcheck(check: Scope) -> Iterator[Finding]:
    yield from check_keys(check, "healthcheck")


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


def _check_deploy(deploy: Scope) -> Iterator[Finding]:
    yield from check_keys(deploy, "deploy")
    if resources := deploy.get("resources"):
        yield from check_keys(resources, "deploy.resources")
        if limits := resources.get("limits"):
            yield from check_keys(limits, "deploy.resources.limits")


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


def _check_maps(kind: str) -> _Check:
    """A check of the keys of every mapping in a mapping or list."""

    def check(scope: Scope) -> Iterator[Finding]:
        for inner in [*(inner for _, inner in scope.entries()), *scope.items()]:
            yield from check_keys(inner, kind)

    return check


def _check_extends(extends: Scope) -> Iterator[Finding]:
    yield from check_keys(extends, "extends")
    if file := extends.get("file"):
        yield from _check_file_inside(file, "extends")


def _check_env_files(files: Scope) -> Iterator[Finding]:
    for item in files.items():
        yield from check_keys(item, "env_file item")
        path = item.get("path") if isinstance(item.value, dict) else item
        if path:
            yield from _check_file_inside(path, "env_file")


def _check_file_inside(file: Scope, key: str) -> Iterator[Finding]:
    text = file.value
    if text.startswith(("/", "~", "$")) or ".." in text.split("/") or ":" in text or "WEBAPP_PATH" in text:
        what = f"`{key}` names {text[:80]}, which is outside the definition."
        yield file.finding(
            f"{key.replace('_', '-')}-outside", what, "Name a file of the definition: `./name`."
        )


def _check_references(services: Scope) -> Iterator[Finding]:
    """Services that services name must be there."""
    for _, service in services.entries():
        named: list[tuple[str, Scope]] = []
        for key in ("depends_on", "links", "volumes_from"):
            if listed := service.get(key):
                named += listed.entries()
                named += [(item.value.partition(":")[0], item) for item in listed.items()]
        if (mode := service.get("network_mode")) and mode.value.startswith("service:"):
            named.append((mode.value.removeprefix("service:"), mode))
        for name, inner in named:
            if name not in services.value and name != "container":
                yield inner.finding(
                    "service-unknown", f"There is no service {name[:60]!r}.", "Name one of this file."
                )


def _check_top_level(top: Scope) -> Iterator[Finding]:
    for section, kind in (("networks", "network"), ("volumes", "volume"), ("configs", "config")):
        declared = top.get(section)
        for name, inner in declared.entries() if declared else ():
            yield from _check_name(inner, name)
            yield from check_keys(inner, kind)
            if labels := inner.get("labels"):
                yield from _check_labels(labels)
            driver = inner.get("driver")
            allowed = NETWORK_DRIVERS if kind == "network" else {"local"}
            if driver and driver.value not in allowed:
                what = f"The {kind} driver {str(driver.value)[:60]!r} is not allowed."
                yield driver.finding(f"{kind}-driver", what, "Leave it out.")
            if (file := inner.get("file")) and kind == "config":
                yield from _check_file_inside(file, "config")


_SERVICE_CHECKS: Final[dict[str, _Check]] = {
    "build": _check_build,
    "configs": _check_maps("configs item"),
    "container_name": _check_container_name,
    "depends_on": _check_maps("depends_on item"),
    "deploy": _check_deploy,
    "env_file": _check_env_files,
    "environment": _check_valued,
    "extends": _check_extends,
    "healthcheck": _check_healthcheck,
    "image": _check_image,
    "labels": _check_labels,
    "logging": _check_logging,
    "network_mode": _check_network_mode,
    "networks": _check_networks_of_service,
    "restart": _check_restart,
    "security_opt": _check_security,
    "ulimits": _check_maps("ulimit"),
    "volumes_from": _check_volumes_from,
}
"""What is looked at below the allowed keys of a service."""
