"""An app's project as its definition describes it: what every job needs that renders or starts one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from compose.render import render_project
from compose.values import HealthExpectation, ProjectFacts, RenderedProject
from homeport.catalog.loaded import LoadedDefinition
from homeport.permissions import Permission
from homeport.placeholders import replace_placeholders
from homeport.state import apps
from workers.operation import RunningJob
from workers.operations.wanted import Source, WantedImage, images_to_build
from workers.tools import Tools


class AppProject(ABC):
    """One app's project, in one run of a job. What is read from disk is read when it is asked for first."""

    tools: Tools
    running: RunningJob

    @property
    @abstractmethod
    def facts(self) -> ProjectFacts:
        """The instance, without its version."""

    @property
    @abstractmethod
    def loaded(self) -> LoadedDefinition:
        """The definition, read and judged again.

        Raises:
            HomeportError: it cannot be read, or breaks a rule.
        """

    @property
    @abstractmethod
    def granted(self) -> tuple[Permission, ...]:
        """What the app may do beyond what every app may.

        Raises:
            PermissionsNotGrantedError: the definition needs more than the owner granted.
        """

    @property
    @abstractmethod
    def rendered(self) -> RenderedProject:
        """The project as it will run."""

    @cached_property
    def app_facts(self) -> ProjectFacts:
        """The instance, with its definition's version."""
        facts = self.facts
        return ProjectFacts(
            app_id=facts.app_id,
            identifier=facts.identifier,
            host_name=facts.host_name,
            host_port=facts.host_port,
            project_dir=facts.project_dir,
            version=self.loaded.definition.version,
            addresses=facts.addresses,
        )

    @cached_property
    def project_images(self) -> tuple[WantedImage, ...]:
        """Every service's image, those first that are built, in the order in which they can be."""
        pulled = tuple(
            WantedImage(
                service=service, reference=replace_placeholders(reference, self.app_facts.placeholders)
            )
            for service, reference in self.loaded.pulled_services.items()
        )
        return images_to_build(self.source, self.loaded.built_services) + pulled

    @property
    def web_port(self) -> int | None:
        """The port of the box on which the web page answers; None for a headless app."""
        web = self.loaded.definition.web
        if web is None:
            return None
        return web.port if self.loaded.web_on_host else self.facts.host_port

    @property
    def expectation(self) -> HealthExpectation:
        """What has to be seen before the app counts as healthy."""
        return HealthExpectation.of(self.rendered, self.app_facts, self.loaded.definition.web)

    @property
    def source(self) -> Source:
        """See `ImagesContext.source`."""
        return Source.of(self.loaded.definition)

    def render(self, image_volumes: Mapping[str, Sequence[str]]) -> RenderedProject:
        """The project, with a volume for every folder that a service's image wants on one."""
        return render_project(
            self.loaded,
            self.app_facts,
            images={wanted.service: wanted.reference for wanted in self.project_images},
            image_volumes=image_volumes,
            settings=self.tools.settings,
            granted=self.granted,
        )

    def noted(self) -> dict[str, dict[str, Any]]:
        """See `ImagesContext.noted`."""
        with self.tools.database.read() as connection:
            app = apps.find_app(connection, self.facts.identifier)
        return {service: dict(image) for service, image in app.images.items()} if app is not None else {}

    def note(self, connection: Connection, found: Mapping[str, Mapping[str, Any]]) -> None:
        """See `ImagesContext.note`."""
        apps.update_app(connection, self.facts.identifier, images=found, updated_at=self.tools.now())
