"""What rendering is given and what it gives, as values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from homeport.models import Limits
from homeport.names import project_name
from homeport.wire import limits_json

COMPOSE_FILE: Final = "docker-compose.yml"
"""The rendered document's name in the project folder: an owner can run it there by hand."""

SNAPSHOT: Final = "definition"
"""Likewise: the definition as it was installed. The policy lets no container mount it."""

RECORD_FILE: Final = ".homeport-made.json"
"""Likewise: which folders we made there. No container may mount it."""

APP_LABEL: Final = "homeport.app"
APP_ID_LABEL: Final = "homeport.app_id"
DEFINITION_LABEL: Final = "homeport.definition"
VERSION_LABEL: Final = "homeport.version"
SERVICE_LABEL: Final = "homeport.service"
BOX_LABEL: Final = "homeport.box"
"""Whose container or network it is, where several Homeports share an engine: its state folder. Volumes go
without: Compose takes one with other labels than before for another one."""

NEVER_GAIN: Final = "no-new-privileges:true"
"""The security option that every service has unless its owner granted otherwise."""

MAY_GAIN: Final = "no-new-privileges:false"
"""What stands in its place where the owner did."""


@dataclass(frozen=True, kw_only=True)
class ProjectFacts:
    """The installed instance that a definition is rendered for.

    `host_name` is the full one; `project_dir` is absolute; `host_cpus` is how many cores the engine has: it
    refuses a container that is given more; `addresses` are those of host ports as they were rendered before,
    which they keep.
    """

    app_id: int
    identifier: str
    host_name: str
    host_port: int
    project_dir: Path
    version: str
    host_cpus: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    addresses: Mapping[int, str] = field(default_factory=dict)

    @property
    def project(self) -> str:
        """The compose project's name."""
        return project_name(self.identifier)

    @property
    def placeholders(self) -> dict[str, str]:
        """What stands in for each placeholder."""
        return {
            "HOST_PORT": str(self.host_port),
            "WEBAPP_PATH": str(self.project_dir),
            "APP_IDENTIFIER": self.identifier,
            "APP_HOSTNAME": self.host_name,
        }


@dataclass(frozen=True, kw_only=True)
class PublishedPort:
    """A container's port on the host."""

    service: str
    host_port: int
    container_port: int
    protocol: str = "tcp"

    def as_json(self) -> dict[str, Any]:
        """A JSON object with the fields by name, as `App.ports` holds them."""
        return {
            "host_port": self.host_port,
            "container_port": self.container_port,
            "protocol": self.protocol,
            "service": self.service,
        }


@dataclass(frozen=True, kw_only=True)
class RenderedProject:
    """The final compose document and what the steps around it need to know of it.

    `services` are all of them; `main` the one whose container is named as the identifier;
    `one_shot` those that may end with 0 and count as healthy; `limits` each service's, `limits_sum` their sum
    (None where one service has none); `volumes` and `networks` are named as Docker names them; folders are
    relative to the project folder: `data_folders` are the definition's own, `bind_folders` every one that is
    mounted; `ports` are the published ones without the app's own host port; `host_paths` is what is mounted
    of the host outside the project folder, by permission.
    """

    project: str
    document: Mapping[str, Any]
    text: str
    services: tuple[str, ...]
    main: str
    one_shot: tuple[str, ...]
    limits: Mapping[str, Limits]
    limits_sum: Limits
    volumes: tuple[str, ...]
    networks: tuple[str, ...]
    data_folders: tuple[str, ...]
    bind_folders: tuple[str, ...]
    ports: tuple[PublishedPort, ...]
    host_paths: tuple[str, ...] = ()

    @property
    def objects(self) -> int:
        """How many things Docker makes for it: containers, networks and volumes."""
        return len(self.services) + len(self.networks) + len(self.volumes)

    def summary(self) -> dict[str, Any]:
        """What a step's record keeps: JSON values, without the document (it may hold passwords)."""
        return {
            "project": self.project,
            "services": list(self.services),
            "main": self.main,
            "one_shot": list(self.one_shot),
            "limits": {name: limits_json(limits) for name, limits in self.limits.items()},
            "limits_sum": limits_json(self.limits_sum),
            "volumes": list(self.volumes),
            "networks": list(self.networks),
            "data_folders": list(self.data_folders),
            "bind_folders": list(self.bind_folders),
            "ports": [port.as_json() for port in self.ports],
        }


@dataclass(frozen=True, kw_only=True)
class HealthExpectation:
    """What has to be seen before an app counts as healthy.

    `services` are all that must run; `one_shot` of them may end with 0. `web_service` answers on `host_port`
    of the loopback address; `health_path` is the path asked for there, None to try no more than TCP. Without
    a web service the app is headless.
    """

    services: tuple[str, ...]
    one_shot: tuple[str, ...] = ()
    web_service: str | None = None
    host_port: int | None = None
    host_name: str = "localhost"
    health_path: str | None = None

    @classmethod
    def of(cls, rendered: RenderedProject, facts: ProjectFacts, web: Any) -> Self:
        """What is expected of a rendered project; `web` is the definition's, None for a headless app."""
        return cls(
            services=rendered.services,
            one_shot=rendered.one_shot,
            web_service=web.service if web else None,
            host_port=_web_port(rendered, facts, web) if web else None,
            host_name=facts.host_name,
            health_path=web.health if web else None,
        )


def _web_port(rendered: RenderedProject, facts: ProjectFacts, web: Any) -> int:
    """Where the web page answers: on the app's host port, or where it listens in the host's own network."""
    mode = rendered.document["services"][web.service].get("network_mode")
    return int(web.port) if mode == "host" else facts.host_port
