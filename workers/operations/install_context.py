"""What the steps of an install share: whose app it is, its definition, its rendered project."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from compose.values import SNAPSHOT, ProjectFacts, RenderedProject
from homeport.catalog.granting import require_granted
from homeport.catalog.loaded import LoadedDefinition
from homeport.catalog.reader import read_definition
from homeport.models import SHIPPED
from homeport.permissions import Permission, parse_permissions
from workers.operation import RunningJob
from workers.operations.app_project import AppProject
from workers.operations.own_copy import OwnCopy
from workers.operations.wanted import WantedImage
from workers.tools import Tools


class InstallContext(AppProject):
    """An install on its way. What is read from disk is read when a step asks for it first."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        self.tools = tools
        self.running = running
        self.copy = OwnCopy(tools, running)

    @property
    def identifier(self) -> str:
        """The app's."""
        return self.facts.identifier

    @cached_property
    def facts(self) -> ProjectFacts:
        """See `AppProject`."""
        return _facts(self.tools, self.running.job.parameters)

    @cached_property
    def loaded(self) -> LoadedDefinition:
        """The definition, read and judged again: the snapshot once there is one, else the job's copy.

        Raises:
            HomeportError: see `OwnCopy.read`.
        """
        rendering = self.running.record_of("render project") or {}
        if rendering.get("snapshot"):
            return read_definition(self.facts.project_dir / SNAPSHOT, settings=self.copy.settings)
        return self.copy.read()

    @cached_property
    def granted(self) -> tuple[Permission, ...]:
        """What the app may do beyond what every app may.

        Raises:
            PermissionsNotGrantedError: the definition needs more than the owner granted.
        """
        return require_granted(
            self.loaded, parse_permissions(self.running.job.parameters.get("permissions", ()))
        )

    @property
    def catalog(self) -> str | None:
        """The catalog that the definition came from; None where it was uploaded."""
        parameters = self.running.job.parameters
        return None if self.copy.upload is not None else str(parameters.get("catalog") or SHIPPED)

    @property
    def wanted_images(self) -> tuple[WantedImage, ...]:
        """See `ImagesContext.wanted_images`: all."""
        return self.project_images

    @property
    def rendered(self) -> RenderedProject:
        """The project as it will run; before its images are there, without the volumes that they ask for."""
        volumes = (self.running.record_of("fetch images") or {}).get("volumes")
        return self._without_image_volumes if volumes is None else self._with_image_volumes

    @cached_property
    def _without_image_volumes(self) -> RenderedProject:
        return self.render({})

    @cached_property
    def _with_image_volumes(self) -> RenderedProject:
        return self.render((self.running.record_of("fetch images") or {}).get("volumes", {}))

    @property
    def images(self) -> Mapping[str, Any]:
        """What the fetch step found or made, by service."""
        images: Mapping[str, Any] = (self.running.record_of("fetch images") or {}).get("images", {})
        return images

    def result(self) -> Mapping[str, Any]:
        """See `OperationContext.result`."""
        return {
            "identifier": self.facts.identifier,
            "app_id": self.facts.app_id,
            "host_name": self.facts.host_name,
            "host_port": self.web_port or self.facts.host_port,
            "builds": dict((self.running.record_of("fetch images") or {}).get("builds", {})),
        }

    def give_up(self, connection: Connection) -> None:
        """See `OperationContext.give_up`: the upload."""
        self.copy.remove_upload()


def _facts(tools: Tools, parameters: Mapping[str, Any]) -> ProjectFacts:
    identifier = str(parameters["identifier"])
    return ProjectFacts(
        app_id=int(parameters["app_id"]),
        identifier=identifier,
        host_name=str(parameters["host_name"]),
        host_port=int(parameters["host_port"]),
        project_dir=tools.settings.projects_dir / identifier,
        version="",
    )
