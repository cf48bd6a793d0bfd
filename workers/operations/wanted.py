"""Which images a job needs: what they are named, and how those are built that are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from build_cache.content_tag import content_tag
from homeport.catalog.definition import Definition
from homeport.catalog.loaded import BuildSpec


@dataclass(frozen=True, kw_only=True)
class WantedImage:
    """The image of one service; `build` is None where it is pulled.

    `upon` has the tag of each image that it is built upon, by the name that the Dockerfile has for it.
    """

    service: str
    reference: str
    build: BuildSpec | None = None
    upon: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What images are fetched for: a definition, or a build context that was uploaded."""

    name: str
    version: str
    title: str

    @classmethod
    def of(cls, definition: Definition) -> Self:
        """That of a definition."""
        return cls(name=definition.name, version=definition.version, title=definition.title)


def images_to_build(source: Source, specs: Mapping[str, BuildSpec]) -> tuple[WantedImage, ...]:
    """The images of services that are built, named by their content, in the order of the specs.

    Args:
        source: what they are built for.
        specs: how each service is built, those first that others are built upon.

    Raises:
        BuildFailedError: a context or a Dockerfile is not there.
    """
    wanted: dict[str, WantedImage] = {}
    for service, spec in specs.items():
        twin = next((image for image in wanted.values() if image.build == spec), None)
        upon = {alias: wanted[other].reference for alias, other in spec.upon.items()}
        tag = twin.reference if twin is not None else _tag(source, service, spec, upon)
        wanted[service] = WantedImage(service=service, reference=tag, build=spec, upon=upon)
    return tuple(wanted.values())


def _tag(source: Source, service: str, spec: BuildSpec, upon: Mapping[str, str]) -> str:
    return content_tag(definition=source.name, service=service, version=source.version, spec=spec, upon=upon)
