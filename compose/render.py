"""From a definition to the final compose document. Pure: what is given decides all of it."""

import re
from collections.abc import Mapping
from typing import Any

from compose.guard import check_rendered
from compose.limits import service_limits, sum_limits
from compose.mounts import folder_in_project, parse_mount
from compose.ports import parse_ports, place_ports, render_port
from compose.services import ServiceFrame, may_end, own_labels, render_service
from compose.values import (
    APP_ID_LABEL,
    APP_LABEL,
    DEFINITION_LABEL,
    VERSION_LABEL,
    HealthExpectation,
    ProjectFacts,
    PublishedPort,
    RenderedProject,
)
from homeport.catalog.definition import Definition
from homeport.catalog.reader import LoadedDefinition
from homeport.catalog.yaml12_dump import dump_yaml
from homeport.placeholders import replace_in_tree
from homeport.settings import Settings

__all__ = ["HealthExpectation", "ProjectFacts", "RenderedProject", "render_project"]


def render_project(
    loaded: LoadedDefinition, app: ProjectFacts, *, images: Mapping[str, str], settings: Settings
) -> RenderedProject:
    """The project of an app.

    Args:
        loaded: the definition and its template.
        app: the instance.
        images: the image of each service: what was built or pulled for it.
        settings: the box's.

    Raises:
        PolicyRefusedError: the outcome asks for what no app may have.
        DefinitionInvalidError: a port mapping cannot be understood.
    """
    definition = loaded.definition
    template = replace_in_tree(_unescaped(loaded.template), app.placeholders)
    services: dict[str, Mapping[str, Any]] = template["services"]
    labels = {
        APP_LABEL: app.identifier,
        APP_ID_LABEL: str(app.app_id),
        DEFINITION_LABEL: definition.name,
        VERSION_LABEL: app.version,
    }
    limits = {
        name: service_limits(service, definition.limits.of(name), settings=settings, host_cpus=app.host_cpus)
        for name, service in services.items()
    }
    ports, exposed, published = _all_ports(services, definition, app, settings)
    main = main_service(definition, services)
    awaited = _awaited(services)
    rendered = {
        name: render_service(
            service,
            ServiceFrame(
                name=name,
                image=images[name],
                labels=labels,
                container_name=_container_name(name, main, service, app.identifier),
                ports=ports[name],
                exposed=exposed[name],
                limits=limits[name],
                is_awaited=name in awaited,
            ),
            settings,
        )
        for name, service in services.items()
    }
    document = _document(template, app.project, rendered, labels)
    check_rendered(document, project_dir=app.project_dir, publish_address=settings.publish_address)
    document = _escaped(document)
    return RenderedProject(
        project=app.project,
        document=document,
        text=dump_yaml(document),
        services=tuple(services),
        main=main,
        one_shot=tuple(name for name, service in rendered.items() if may_end(service["restart"])),
        limits=limits,
        limits_sum=sum_limits(limits.values(), disk_bytes=definition.limits.disk_bytes),
        volumes=tuple(f"{app.project}_{name}" for name in document.get("volumes", {})),
        networks=tuple(f"{app.project}_{name}" for name in document["networks"]),
        data_folders=tuple(definition.data),
        bind_folders=_bind_folders(rendered, app),
        ports=tuple(port for port in published if not _is_own(port, app)),
    )


def main_service(definition: Definition, services: Mapping[str, Any]) -> str | None:
    """The service whose container is named as the identifier: `main`, else the web service, else the only one."""
    if definition.main:
        return definition.main
    if definition.web:
        return definition.web.service
    return next(iter(services)) if len(services) == 1 else None


def _unescaped(node: Any) -> Any:
    """The template as its packager means it: Compose writes a dollar sign as two."""
    return _with_texts(node, lambda text: text.replace("$$", "$"))


def _escaped(node: Any) -> Any:
    """The document with every dollar sign doubled: Compose interpolates nothing."""
    return _with_texts(node, lambda text: text.replace("$", "$$"))


def _with_texts(node: Any, change: Any) -> Any:
    """A copy with every text value changed; keys are not interpolated by Compose."""
    match node:
        case str():
            return change(node)
        case dict():
            return {key: _with_texts(value, change) for key, value in node.items()}
        case list():
            return [_with_texts(item, change) for item in node]
        case _:
            return node


def _all_ports(
    services: Mapping[str, Mapping[str, Any]], definition: Definition, app: ProjectFacts, settings: Settings
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[str]], list[PublishedPort]]:
    """Each service's ports, with the web port on the host port where the template does not publish that."""
    address = settings.publish_address
    ports: dict[str, list[dict[str, Any]]] = {}
    exposed: dict[str, list[str]] = {}
    published: list[PublishedPort] = []
    for name, service in services.items():
        found = parse_ports(service.get("ports") or (), key=f"services.{name}.ports")
        ports[name], exposed[name], own = place_ports(name, found, publish_address=address)
        published += own
    if definition.web and not any(_is_own(port, app) for port in published):
        web = PublishedPort(
            service=definition.web.service, host_port=app.host_port, container_port=definition.web.port
        )
        ports[web.service].insert(0, render_port(web, address))
        published.append(web)
    return ports, exposed, published


def _is_own(port: PublishedPort, app: ProjectFacts) -> bool:
    return port.host_port == app.host_port and port.protocol == "tcp"


def _container_name(name: str, main: str | None, service: Mapping[str, Any], identifier: str) -> str | None:
    """The identifier for the main service; another one's own, if it has the identifier in it as a word.

    Any other fixed name could be another app's, or an owner's container.
    """
    if name == main:
        return identifier
    said = str(service.get("container_name") or "")
    own = re.search(rf"(?<![a-z0-9-]){re.escape(identifier)}(?![a-z0-9-])|^{re.escape(identifier)}-", said)
    return said if own and said != identifier else None


def _awaited(services: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The services whose end another waits for."""
    return {
        awaited
        for service in services.values()
        if isinstance(depends := service.get("depends_on"), Mapping)
        for awaited, how in depends.items()
        if (how or {}).get("condition") == "service_completed_successfully"
    }


def _document(
    template: Mapping[str, Any],
    project: str,
    services: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """The whole document; every network and volume it uses is declared, and ours."""
    networks = dict(template.get("networks") or {})
    if any("networks" not in service and "network_mode" not in service for service in services.values()):
        networks.setdefault("default", {})
    volumes = dict(template.get("volumes") or {})
    for service in services.values():
        for entry in service.get("volumes", ()):
            mount = parse_mount(entry)
            if mount.kind == "volume":
                volumes.setdefault(mount.source, {})
    document = {
        key: value
        for key, value in template.items()
        if key not in ("version", "name", "services", "networks", "volumes") and not key.startswith("x-")
    }
    document = {"name": project, "services": dict(services)} | document
    document["networks"] = {name: _owned(about, labels) for name, about in networks.items()}
    if volumes:
        document["volumes"] = {name: _owned(about, labels) for name, about in volumes.items()}
    return document


def _owned(about: Any, labels: Mapping[str, str]) -> dict[str, Any]:
    """A network or volume with our labels, under the name that Compose makes from the project's."""
    kept = {key: value for key, value in (about or {}).items() if key not in ("name", "labels")}
    return {**kept, "labels": {**own_labels((about or {}).get("labels")), **labels}}


def _bind_folders(services: Mapping[str, Mapping[str, Any]], app: ProjectFacts) -> tuple[str, ...]:
    """What is mounted from the project folder, relative to it, each once."""
    found: dict[str, None] = {}
    for service in services.values():
        for entry in service.get("volumes", ()):
            mount = parse_mount(entry)
            if mount.kind == "bind" and (folder := folder_in_project(mount.source, app.project_dir)):
                found[folder] = None
    return tuple(folder for folder in found if folder != ".")
