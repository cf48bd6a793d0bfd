"""Whether app.yml and the compose file fit each other."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from homeport.catalog.build_arguments import steers_buildkit
from homeport.catalog.definition import Definition
from homeport.catalog.policy_ports import read_ports
from homeport.catalog.scope import Scope
from homeport.catalog.yaml12 import KeyPath, YamlDocument
from homeport.errors import Finding

_APP_CONTAINER: Final = "APP_IDENTIFIER"


def main_service(template: Mapping[str, Any], definition: Definition) -> str | None:
    """The service whose container is named like the app; None where that cannot be known.

    It is app.yml's `main`, else the one whose `container_name` is APP_IDENTIFIER, else the web service,
    else the only one.
    """
    services = template["services"]
    if definition.main is not None:
        return definition.main
    named = [name for name, service in services.items() if service.get("container_name") == _APP_CONTAINER]
    if named:
        return str(named[0])
    if definition.web is not None:
        return definition.web.service
    return str(next(iter(services))) if len(services) == 1 else None


def check_definition(
    app: YamlDocument, document: YamlDocument, template: Mapping[str, Any], definition: Definition
) -> list[Finding]:
    """Names that the template lacks, services without an image, an unclear main service, and the like."""
    return [
        *_check_names(app, template, definition),
        *_check_web(document, template, definition),
        *_check_web_network(document, template, definition),
        *_check_images(document, template, definition),
        *_check_main(app, document, template, definition),
        *_check_configs(document, template),
        *_check_settings(app, template, definition),
    ]


def _check_names(app: YamlDocument, template: Mapping[str, Any], definition: Definition) -> Iterator[Finding]:
    named: list[tuple[KeyPath, str]] = [(("images", name), name) for name in definition.images]
    named += [(("limits", "services", name), name) for name in definition.limits.services]
    if definition.web:
        named.append((("web", "service"), definition.web.service))
    if definition.main:
        named.append((("main",), definition.main))
    known = ", ".join(template["services"])
    for path, name in named:
        if name not in template["services"]:
            what = f"There is no service {name!r} in {definition.compose}."
            yield app.finding(path, "service-unknown", what, f"Name one that is there: {known}.")


def _check_web(
    document: YamlDocument, template: Mapping[str, Any], definition: Definition
) -> Iterator[Finding]:
    """HOST_PORT leads to the web page and nowhere else."""
    web = definition.web
    ports, _ = read_ports(Scope(template["services"], ("services",), document.file, document.line_of))
    for port in ports:
        if port.host_port is not None:
            continue
        here = f"web: {{service: {port.service}, port: {port.container_port}}}"
        if web is None:
            what = "HOST_PORT is the port of an app's web page, and app.yml has no `web`."
            yield port.scope.finding("web-port", what, f"Add `{here}` to app.yml, or publish a number.")
        elif web.service in template["services"] and (web.service, web.port) != (
            port.service,
            port.container_port,
        ):
            there = f"{port.service}:{port.container_port}"
            what = f"HOST_PORT leads to {there}, but app.yml says {web.service}:{web.port}."
            yield port.scope.finding("web-port", what, f"Make them the same: `{here}`.")


def _check_web_network(
    document: YamlDocument, template: Mapping[str, Any], definition: Definition
) -> Iterator[Finding]:
    """The web service can publish a port, or listens on the box itself (`network_mode: host`)."""
    web = definition.web
    service = template["services"].get(web.service, {}) if web else {}
    mode = str(service.get("network_mode") or "host")
    if web is None or mode == "host":
        return
    path = ("services", web.service, "network_mode")
    what = f"With `network_mode: {mode}` the web service has no port to publish."
    remedy = "Leave it out here."
    if mode.startswith("service:"):
        remedy = f"Name the service whose network it uses: `web: {{service: {mode[8:]}, port: {web.port}}}`."
    yield document.finding(path, "web-port", what, remedy)


def _check_images(
    document: YamlDocument, template: Mapping[str, Any], definition: Definition
) -> Iterator[Finding]:
    for name, service in template["services"].items():
        if not service.get("image") and service.get("build") is None and name not in definition.images:
            what = f"The service {name!r} has no image."
            remedy = f"Add `image: …` here, or `{name}: {{context: ./{name}}}` under `images` in app.yml."
            yield document.finding(("services", name), "image-missing", what, remedy)


def _check_main(
    app: YamlDocument, document: YamlDocument, template: Mapping[str, Any], definition: Definition
) -> Iterator[Finding]:
    main = main_service(template, definition)
    if main is None:
        what = "With several services and no web page, it is not clear which container is named like the app."
        yield app.finding(("main",), "main-missing", what, f"Add `main: {next(iter(template['services']))}`.")
    for name, service in template["services"].items():
        container = service.get("container_name")
        path = ("services", name, "container_name")
        if container == _APP_CONTAINER and name != main:
            what = f"Only the main service, {main}, has the app's own name."
            remedy = f"Use APP_IDENTIFIER_{name}, or `main: {name}` in app.yml."
            yield document.finding(path, "container-name", what, remedy)


def _check_configs(document: YamlDocument, template: Mapping[str, Any]) -> Iterator[Finding]:
    declared = template.get("configs") or {}
    for name, config in declared.items():
        if not isinstance(config, dict) or "content" not in config:
            what = f"The config {name!r} has no content."
            yield document.finding(("configs", name), "config-source", what, "Add `content` or `file`.")
    for name, service in template["services"].items():
        for index, item in enumerate(service.get("configs") or ()):
            source = item.get("source") if isinstance(item, dict) else item
            if source not in declared:
                what = f"There is no config {source!r}."
                path = ("services", name, "configs", index)
                yield document.finding(path, "config-unknown", what, "Declare it under `configs`.")


def _check_settings(
    app: YamlDocument, template: Mapping[str, Any], definition: Definition
) -> Iterator[Finding]:
    builds = bool(definition.images) or any(
        service.get("build") is not None for service in template["services"].values()
    )
    for name, setting in definition.settings.items():
        if setting.build and not builds:
            what = f"The setting {name} is a build argument, and no service is built."
            yield app.finding(("settings", name, "build"), "setting", what, "Leave `build` out.")
        if setting.build and steers_buildkit(name):
            what = f"The build argument {name!r} steers BuildKit, and could take a build out of its limits."
            yield app.finding(("settings", name), "build-argument", what, "Remove it.")
