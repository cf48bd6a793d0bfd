"""What is asked of a build, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from homeport.caches import BuildReport


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What is to be built.

    `dockerfile` is a path inside `context`; `tag` the whole name, as `content_tag` makes it; `target` a
    stage, the last one where it is empty; `contexts` gives further images, or folders by their absolute
    paths, by the names that the Dockerfile has for them; `durations` is what `BuildReport.durations` said the
    last time; `title` and `version` are for the image's labels.
    """

    service: str
    context: Path
    dockerfile: str
    tag: str
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    contexts: Mapping[str, str] = field(default_factory=dict)
    durations: Mapping[str, float] = field(default_factory=dict)
    title: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """An image that was built, its name, and what the build says of itself."""

    image_id: str
    tag: str
    report: BuildReport = field(default_factory=BuildReport)
