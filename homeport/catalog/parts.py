"""Takes a checked template apart: what is built, what is pulled, ports, folders, and the rest."""

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from homeport.catalog.composition import as_variables
from homeport.catalog.definition import Definition
from homeport.catalog.loaded import BuildSpec
from homeport.catalog.policy_mounts import read_mount
from homeport.catalog.policy_ports import read_ports
from homeport.catalog.scope import Scope
from homeport.catalog.sources import find_inside
from homeport.catalog.yaml12 import YamlDocument
from homeport.errors import Finding

_SETTLED: Final = ("build", "deploy", "cpus", "mem_limit", "pids_limit")


def read_builds(
    folder: Path,
    app: YamlDocument,
    document: YamlDocument,
    template: Mapping[str, Any],
    definition: Definition,
) -> tuple[dict[str, BuildSpec], list[Finding]]:
    """How services are built, by app.yml's `images` or the template's `build`, and what is wrong there."""
    specs: dict[str, BuildSpec] = {}
    findings: list[Finding] = []
    for service, section in definition.images.items():
        spec = BuildSpec(context=folder / section.context, dockerfile=section.dockerfile, args=section.args)
        findings += _check_files(folder, spec, app, ("images", service))
        specs[service] = spec
    for service, given in template["services"].items():
        if given.get("build") is None:
            continue
        path = ("services", service, "build")
        if service in definition.images:
            what = "app.yml says under `images` how this service is built, too."
            findings.append(document.finding(path, "build-twice", what, "Keep one of the two."))
            continue
        spec = _template_build(folder, given["build"])
        findings += _check_files(folder, spec, document, path)
        specs[service] = spec
    given = {name: setting.default for name, setting in definition.settings.items() if setting.build}
    return {name: _resolved(spec, given) for name, spec in specs.items()}, findings


def _template_build(folder: Path, given: Any) -> BuildSpec:
    build = given if isinstance(given, dict) else {"context": given}
    return BuildSpec(
        context=folder / build.get("context", "."),
        dockerfile=posixpath.normpath(build.get("dockerfile", "Dockerfile")),
        args={name: _text(value) for name, value in as_variables(build.get("args")).items()},
    )


def _text(value: Any) -> str:
    """A scalar as Compose hands it to a build, `$$` read as one dollar sign."""
    return str(value).lower() if isinstance(value, bool) else str(value).replace("$$", "$")


def _resolved(spec: BuildSpec, given: Mapping[str, str]) -> BuildSpec:
    """With an absolute context, and the settings that are build arguments; the service's own count more."""
    args = {**given, **spec.args}
    return BuildSpec(context=spec.context.resolve(), dockerfile=spec.dockerfile, args=args)


def _check_files(
    folder: Path, spec: BuildSpec, document: YamlDocument, path: tuple[str, ...]
) -> list[Finding]:
    context = posixpath.relpath(spec.context, folder)
    found = find_inside(folder, context)
    if found is None or not found.is_dir():
        what = f"The build context {context} is no folder of the definition."
        return [document.finding((*path, "context"), "build-context", what, "Name a folder beside app.yml.")]
    dockerfile = find_inside(found, spec.dockerfile)
    if dockerfile is None or not dockerfile.is_file():
        what = f"There is no {spec.dockerfile} in {context}."
        remedy = "Add it, or name it: `dockerfile:` is relative to the context."
        return [document.finding((*path, "dockerfile"), "build-dockerfile", what, remedy)]
    return []


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
    """A copy of the template without what was read out of it, and without `version` and `x-...`."""
    rest = {key: value for key, value in template.items() if key != "version" and not key.startswith("x-")}
    rest["services"] = {
        name: {
            key: value
            for key, value in service.items()
            if key not in _SETTLED and not key.startswith("x-") and (key != "image" or name not in builds)
        }
        for name, service in template["services"].items()
    }
    return rest


def _services(template: Mapping[str, Any]) -> Scope:
    return Scope(template["services"], ("services",), "", lambda _path: None)
