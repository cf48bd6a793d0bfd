"""What the steps of an install share: whose app it is, its definition, its rendered project."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Connection

from compose.render import render_project
from compose.values import HealthExpectation, ProjectFacts, RenderedProject
from homeport.catalog.granting import require_granted
from homeport.catalog.loaded import LoadedDefinition
from homeport.catalog.reader import read_definition
from homeport.models import SHIPPED
from homeport.permissions import Permission, parse_permissions
from homeport.placeholders import replace_placeholders
from homeport.state import apps
from workers.operation import RunningJob
from workers.operations.own_copy import OwnCopy
from workers.operations.wanted import Source, WantedImage, images_to_build
from workers.tools import Tools

SNAPSHOT: Final = "definition"
"""In the project folder: the definition as it was installed. The policy lets no container mount it."""


class InstallContext:
    """An install on its way. What is read from disk is read when a step asks for it first."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        parameters = running.job.parameters
        self.tools = tools
        self.running = running
        self.facts = _facts(tools, parameters)
        self.copy = OwnCopy(tools, running)

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
    def web_port(self) -> int | None:
        """The port of the box on which the web page answers; None for a headless app."""
        web = self.loaded.definition.web
        if web is None:
            return None
        return web.port if self.loaded.web_on_host else self.facts.host_port

    @cached_property
    def app_facts(self) -> ProjectFacts:
        """The instance, with its definition's version."""
        return ProjectFacts(
            app_id=self.facts.app_id,
            identifier=self.facts.identifier,
            host_name=self.facts.host_name,
            host_port=self.facts.host_port,
            project_dir=self.facts.project_dir,
            version=self.loaded.definition.version,
        )

    @cached_property
    def wanted_images(self) -> tuple[WantedImage, ...]:
        """Every service's image, those first that are built, in the order in which they can be."""
        loaded = self.loaded
        pulled = tuple(
            WantedImage(
                service=service, reference=replace_placeholders(reference, self.app_facts.placeholders)
            )
            for service, reference in loaded.pulled_services.items()
        )
        return images_to_build(self.source, loaded.built_services) + pulled

    @property
    def rendered(self) -> RenderedProject:
        """The project as it will run; before its images are there, without the volumes that they ask for."""
        volumes = (self.running.record_of("fetch images") or {}).get("volumes")
        return self._without_image_volumes if volumes is None else self._with_image_volumes

    @cached_property
    def _without_image_volumes(self) -> RenderedProject:
        return self._render({})

    @cached_property
    def _with_image_volumes(self) -> RenderedProject:
        return self._render((self.running.record_of("fetch images") or {}).get("volumes", {}))

    def _render(self, image_volumes: Mapping[str, Sequence[str]]) -> RenderedProject:
        return render_project(
            self.loaded,
            self.app_facts,
            images={wanted.service: wanted.reference for wanted in self.wanted_images},
            image_volumes=image_volumes,
            settings=self.tools.settings,
            granted=self.granted,
        )

    @property
    def expectation(self) -> HealthExpectation:
        """What has to be seen before the app counts as healthy."""
        return HealthExpectation.of(self.rendered, self.app_facts, self.loaded.definition.web)

    @property
    def source(self) -> Source:
        """See `ImagesContext.source`."""
        return Source.of(self.loaded.definition)

    def noted(self) -> dict[str, dict[str, Any]]:
        """See `ImagesContext.noted`."""
        with self.tools.database.read() as connection:
            app = apps.find_app(connection, self.facts.identifier)
        return {service: dict(image) for service, image in app.images.items()} if app is not None else {}

    def note(self, connection: Connection, found: Mapping[str, Mapping[str, Any]]) -> None:
        """See `ImagesContext.note`."""
        apps.update_app(connection, self.facts.identifier, images=found, updated_at=self.tools.now())

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
