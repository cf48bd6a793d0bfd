"""A definition that was read, checked and taken apart: what the other packages work with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homeport.catalog.definition import Definition
from homeport.permissions import Permission


@dataclass(frozen=True, kw_only=True)
class BuildSpec:
    """How one service's image is built on the box; services with equal ones share an image.

    `context` is an absolute folder inside the definition, `dockerfile` is relative to it. `target` is a
    stage, the last one where it is empty; `folders` are further contexts, by the names that the Dockerfile
    has for them; `upon` says which service's image such a name, or an image's own name, stands for there.
    """

    context: Path
    dockerfile: str
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    upon: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LoadedDefinition:
    """A definition in a folder. Everything in it has passed schema, policy and cross-checks."""

    definition: Definition
    """app.yml; limits that the template has for a service stand in `limits.services`, where it has none."""
    template: Mapping[str, Any]
    """The compose document, placeholders still in.

    `extends`, `env_file`, `build`, `version`, `x-…`, `deploy`, `cpus`, `mem_limit`, `pids_limit` and a built
    service's `image` are gone, settled into what is beside.
    """
    folder: Path
    built_services: Mapping[str, BuildSpec]
    """In an order in which they can be built: each after those it is built upon."""
    pulled_services: Mapping[str, str]
    """From service to image reference."""
    main: str
    """The service whose container is named like the app."""
    shown_ports: tuple[Mapping[str, Any], ...]
    """Further published ports: `{"service", "host_port", "container_port", "protocol"}`."""
    bind_folders: tuple[str, ...]
    """What services mount from the project folder, relative to it, sorted."""
    digest: str
    """SHA-256 over the definition's folder."""
    permissions: tuple[Permission, ...] = ()
    """What app.yml declares, sorted: exactly what the template needs, and what an owner is to grant."""

    @property
    def services(self) -> tuple[str, ...]:
        """The names of all services, as the template orders them."""
        return tuple(self.template["services"])

    @property
    def web_on_host(self) -> bool:
        """Whether the web page is on the box's own network: it answers on `web.port` of the box itself.

        Nothing is published then, so nothing answers on the app's host port.
        """
        web = self.definition.web
        return web is not None and self.template["services"][web.service].get("network_mode") == "host"

    @property
    def claimed_ports(self) -> frozenset[int]:
        """The ports of the box that the app takes besides the host port it will be given."""
        ports = {int(port["host_port"]) for port in self.shown_ports}
        web = self.definition.web
        return frozenset(ports | {web.port} if web and self.web_on_host else ports)


def builds_images(loaded: LoadedDefinition) -> bool:
    """Whether installing the definition builds an image on the box."""
    return bool(loaded.built_services)
