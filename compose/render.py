"""From a definition to the final compose document. Pure: what is given decides all of it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from compose.limits import service_limits, sum_limits
from compose.mounts import folder_in_project, parse_mount, unmounted
from compose.ports import further_ports, render_ports, web_port
from compose.resolved_terms import resolved_terms
from compose.services import ServiceFrame, may_end, render_service
from compose.terms import require_covered, with_texts
from compose.values import (
    APP_ID_LABEL,
    APP_LABEL,
    BOX_LABEL,
    DEFINITION_LABEL,
    VERSION_LABEL,
    HealthExpectation,
    ProjectFacts,
    PublishedPort,
    RenderedProject,
)
from homeport.catalog.composition import as_variables, escape_dollars
from homeport.catalog.granting import require_granted
from homeport.catalog.loaded import LoadedDefinition
from homeport.catalog.policy_rules import CLOCK_FILES
from homeport.catalog.yaml12 import dump_yaml
from homeport.errors import Finding, PolicyRefusedError
from homeport.permissions import Permission
from homeport.placeholders import replace_in_tree, replace_placeholders
from homeport.settings import Settings

__all__ = ["HealthExpectation", "ProjectFacts", "RenderedProject", "render_project"]


def render_project(
    loaded: LoadedDefinition,
    app: ProjectFacts,
    *,
    images: Mapping[str, str],
    settings: Settings,
    granted: Collection[Permission] = (),
    image_volumes: Mapping[str, Sequence[str]] | None = None,
) -> RenderedProject:
    """The project of an app.

    Args:
        loaded: the definition and its template.
        app: the instance.
        images: the image of each service: what was built or pulled for it.
        settings: the box's.
        granted: what the app may do beyond what every app may.
        image_volumes: the folders for which each service's image asks a volume. Docker would make one
            without a name for each, which neither an uninstall nor the next install finds again.

    Raises:
        PermissionsNotGrantedError: the definition needs more than was granted.
        PolicyRefusedError: the outcome asks for what no app may have, or what was not granted.
    """
    definition = loaded.definition
    template = _with_image_volumes(_filled(loaded.template, app), image_volumes or {})
    labels = _labels(loaded, app)
    boxed = {**labels, BOX_LABEL: str(settings.state_dir)}
    own, further = web_port(definition.web, app), further_ports(loaded.shown_ports)
    addresses = {port: app.addresses.get(port.host_port, settings.further_address) for port in further}
    if own is not None:
        addresses = {own: app.addresses.get(own.host_port, settings.publish_address), **addresses}
    frames = _frames(
        loaded, app, template["services"], images=images, ports=addresses, settings=settings, labels=boxed
    )
    limits = {name: frame.limits for name, frame in frames.items()}
    services = {
        name: render_service(template["services"][name], frame, settings) for name, frame in frames.items()
    }
    document = _document(template, app.project, services, labels=labels, network_labels=boxed)
    escaped = with_texts(document, escape_dollars)
    rendered = RenderedProject(
        project=app.project,
        document=escaped,
        text=dump_yaml(escaped),
        services=tuple(services),
        main=loaded.main,
        one_shot=tuple(name for name, service in services.items() if may_end(service["restart"])),
        limits=limits,
        limits_sum=sum_limits(limits.values(), disk_bytes=definition.limits.disk_bytes),
        volumes=tuple(f"{app.project}_{name}" for name in document.get("volumes", {})),
        networks=tuple(f"{app.project}_{name}" for name in document["networks"]),
        data_folders=definition.data,
        bind_folders=_bind_folders(services, app),
        ports=further,
        host_paths=_host_paths(services, app),
    )
    require_covered(
        resolved_terms(escaped, rendered, app.project_dir, file="the rendered project"),
        require_granted(loaded, granted),
    )
    return rendered


def _frames(
    loaded: LoadedDefinition,
    app: ProjectFacts,
    services: Mapping[str, Mapping[str, Any]],
    *,
    images: Mapping[str, str],
    ports: Mapping[PublishedPort, str],
    settings: Settings,
    labels: Mapping[str, str],
) -> dict[str, ServiceFrame]:
    """What Homeport adds to each service of the template."""
    awaited = _awaited(services)
    return {
        name: ServiceFrame(
            name=name,
            image=images[name],
            labels=labels,
            project_dir=app.project_dir,
            container_name=app.identifier if name == loaded.main else _second_name(service, app),
            ports=render_ports(name, ports),
            limits=service_limits(
                loaded.definition.limits.of(name), settings=settings, host_cpus=app.host_cpus
            ),
            is_awaited=name in awaited,
        )
        for name, service in services.items()
    }


def _filled(template: Mapping[str, Any], app: ProjectFacts) -> dict[str, Any]:
    """The template as its packager means it for this app: Compose's `$$` read as a dollar sign."""
    meant = with_texts(dict(template), lambda text: text.replace("$$", "$"))
    filled: dict[str, Any] = replace_in_tree(meant, app.placeholders)
    for section in ("services", "networks", "volumes", "configs"):
        if len(filled.get(section) or ()) < len(meant.get(section) or ()):
            raise _become_one(section, meant[section], app)
    return filled


def _become_one(section: str, named: Collection[str], app: ProjectFacts) -> PolicyRefusedError:
    """The error for two names that are the same once their placeholders are filled."""
    seen: set[str] = set()
    for name in named:
        now = replace_placeholders(name, app.placeholders)
        if now in seen:
            break
        seen.add(now)
    finding = Finding(
        file="the rendered project",
        key=f"{section}.{name}",
        line=None,
        rule="name-placeholder",
        what=f"As {app.identifier}, two of its {section} have the name {now[:60]!r}.",
        remedy="Name each by what it is, without placeholders; or install the app as another identifier.",
    )
    return PolicyRefusedError("The rendered project has one name for two things.", [finding])


def _with_image_volumes(
    template: Mapping[str, Any], image_volumes: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The template with a volume for every folder that an image wants on one, and that nothing covers."""
    services = {
        name: service | {"volumes": [*service.get("volumes", ()), *unmounted(service, image_volumes[name])]}
        if image_volumes.get(name)
        else service
        for name, service in template["services"].items()
    }
    return {**template, "services": services}


def _labels(loaded: LoadedDefinition, app: ProjectFacts) -> dict[str, str]:
    """What marks containers, networks and volumes as this app's."""
    return {
        APP_LABEL: app.identifier,
        APP_ID_LABEL: str(app.app_id),
        DEFINITION_LABEL: loaded.definition.name,
        VERSION_LABEL: app.version,
    }


def _second_name(service: Mapping[str, Any], app: ProjectFacts) -> str | None:
    """A further container's own name, if the template has one: the policy asks for the identifier in it."""
    said = service.get("container_name")
    return said if said != app.identifier else None


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
    *,
    labels: Mapping[str, str],
    network_labels: Mapping[str, str],
) -> dict[str, Any]:
    """The whole document; every network and volume that it uses is declared, and ours."""
    networks = dict(template.get("networks") or {})
    if any("networks" not in service and "network_mode" not in service for service in services.values()):
        networks.setdefault("default", {})
    volumes = dict(template.get("volumes") or {})
    for service in services.values():
        for entry in service.get("volumes", ()):
            mount = parse_mount(entry)
            if mount.kind == "volume":
                volumes.setdefault(mount.source, {})
    document = {"name": project, "services": dict(services)}
    document["networks"] = {name: _owned(about, network_labels) for name, about in networks.items()}
    if volumes:
        document["volumes"] = {name: _owned(about, labels) for name, about in volumes.items()}
    return document | {key: value for key, value in template.items() if key == "configs"}


def _owned(about: Any, labels: Mapping[str, str]) -> dict[str, Any]:
    """A network or volume with our labels beside its own."""
    return {**(about or {}), "labels": {**as_variables((about or {}).get("labels")), **labels}}


def _bind_folders(services: Mapping[str, Mapping[str, Any]], app: ProjectFacts) -> tuple[str, ...]:
    """What is mounted from the project folder, relative to it, each once."""
    found = (folder_in_project(source, app.project_dir) for source in _bound(services))
    return tuple(dict.fromkeys(folder for folder in found if folder is not None))


def _host_paths(services: Mapping[str, Mapping[str, Any]], app: ProjectFacts) -> tuple[str, ...]:
    """What is mounted from elsewhere, each once; the files of the clock are everybody's."""
    outside = (source for source in _bound(services) if folder_in_project(source, app.project_dir) is None)
    return tuple(dict.fromkeys(source for source in outside if source not in CLOCK_FILES))


def _bound(services: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The source of every bind."""
    for service in services.values():
        mounts = (parse_mount(entry) for entry in service.get("volumes", ()))
        yield from (mount.source for mount in mounts if mount.kind == "bind")
