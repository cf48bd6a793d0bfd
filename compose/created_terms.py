"""What Docker made of a project, by its own inspection of it, in a template's terms. Pure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from compose.created_service import Surroundings, container_name, created_service
from compose.terms import Terms, is_true
from compose.values import APP_LABEL, RenderedProject
from homeport.host.engine_values import SERVICE_LABEL, EngineMakeup, ProjectInspection

_NETWORK_OPTIONS: Final = frozenset(
    {
        "com.docker.network.driver.mtu", "com.docker.network.enable_ipv4", "com.docker.network.enable_ipv6",
    }
)  # fmt: skip
"""Options that an engine gives every network by itself or by its owner's configuration."""


def created_terms(
    inspection: ProjectInspection,
    rendered: RenderedProject,
    project_dir: Path,
    makeup: EngineMakeup,
) -> Terms:
    """What Docker made in a template's terms, compared with what was rendered.

    Args:
        inspection: the engine's own words about containers, networks and volumes of the project.
        rendered: the project as it should be.
        project_dir: the project folder.
        makeup: what the engine decides for all containers.
    """
    terms = Terms(f"what Docker made of {rendered.project}")
    by_service: dict[str, Mapping[str, Any]] = {}
    for container in inspection.containers:
        name = (container["Config"].get("Labels") or {}).get(SERVICE_LABEL, "")
        if name not in rendered.services or name in by_service:
            terms.refuse(f"services.{name}", f"The container {container_name(container)} was not rendered.")
        by_service[name] = container
    terms.expect("services", sorted(by_service), sorted(rendered.services))
    services = {str(container["Id"]): name for name, container in by_service.items()}
    services |= {container_name(container): name for name, container in by_service.items()}
    surroundings = Surroundings(
        project=rendered.project,
        project_dir=project_dir,
        wanted=rendered.document["services"],
        services=services,
        networks=_shortened(rendered, "networks"),
        volumes=_shortened(rendered, "volumes"),
        makeup=makeup,
    )
    for name, container in by_service.items():
        terms.names[f"services.{name}"] = f"the container {container_name(container)}"
        if name in rendered.services:
            terms.document["services"][name] = created_service(terms, name, container, surroundings)
    terms.document["networks"] = _networks(terms, inspection.networks, rendered)
    terms.document["volumes"] = _volumes(terms, inspection.volumes, rendered)
    return terms


def _networks(
    terms: Terms, found: Sequence[Mapping[str, Any]], rendered: RenderedProject
) -> dict[str, dict[str, Any]]:
    names, networks = _shortened(rendered, "networks"), {}
    for about in found:
        short = names[about["Name"]]
        place = f"networks.{short}"
        terms.names[place] = f"the network {about['Name']}"
        wanted = rendered.document["networks"][short]
        terms.expect_labels(place, about.get("Labels"), wanted["labels"])
        terms.expect(f"{place}.internal", bool(about.get("Internal")), is_true(wanted.get("internal")))
        options = {
            key: value for key, value in (about.get("Options") or {}).items() if key not in _NETWORK_OPTIONS
        }
        ipam = (about.get("IPAM") or {}).get("Options")
        given = {"driver_opts": options, "attachable": about.get("Attachable"), "ipam": ipam}
        networks[short] = {
            "driver": about.get("Driver"),
            **{key: value for key, value in given.items() if value},
        }
    return networks


def _volumes(
    terms: Terms, found: Sequence[Mapping[str, Any]], rendered: RenderedProject
) -> dict[str, dict[str, Any]]:
    """The volumes; one that was there before may be of another version of the app, but of no other app."""
    names, volumes = _shortened(rendered, "volumes"), {}
    for about in found:
        short = names[about["Name"]]
        place = f"volumes.{short}"
        terms.names[place] = f"the volume {about['Name']}"
        ours = rendered.document["volumes"][short]["labels"]
        labels = about.get("Labels") or {}
        terms.expect(f"{place}.labels.{APP_LABEL}", labels.get(APP_LABEL), ours[APP_LABEL])
        volumes[short] = {"driver": about.get("Driver")}
        if about.get("Options"):
            volumes[short]["driver_opts"] = about["Options"]
    return {name: volumes.get(name, {}) for name in names.values()}


def _shortened(rendered: RenderedProject, kind: str) -> dict[str, str]:
    """From Docker's name of every network or volume to the document's."""
    return {f"{rendered.project}_{name}": name for name in rendered.document.get(kind) or ()}
