"""How services are built: the `images` of app.yml and the `build` sections of a compose file, in one form."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from homeport.catalog.build_arguments import steers_buildkit
from homeport.catalog.composition import as_variables
from homeport.catalog.definition import Definition
from homeport.catalog.dockerfile.parse import Dockerfile, readings_of
from homeport.catalog.dockerfile.rules import Refused, judge_dockerfile
from homeport.catalog.fields import SERVICE_CONTEXT
from homeport.catalog.loaded import BuildSpec
from homeport.catalog.sources import find_inside
from homeport.catalog.yaml12 import YamlDocument
from homeport.errors import Finding

_DOCKERFILE_BYTES: Final = 256 * 1024  # the longest that anybody was seen to write has a tenth
_MOST_JUDGED: Final = 1024 * 1024  # each is read anew for every service that is built otherwise
_NAMES_IMAGES: Final = re.compile(r"\s*(?:FROM|ARG)\s|.*\bfrom=", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\s=,\"'\[\]]+")
_LONGEST_CHAIN: Final = 32  # of images that are built upon each other; no app needs a tenth of that
_COMMON_PREFIX: Final = re.compile(r"(?:docker\.io/)?(?:library/)?")


def read_builds(
    folder: Path,
    app: YamlDocument,
    document: YamlDocument,
    template: Mapping[str, Any],
    definition: Definition,
    *,
    settings: Mapping[str, str],
) -> tuple[dict[str, BuildSpec], list[Finding]]:
    """How each service is built, those first that others are built upon, and what is wrong there.

    A service that only names the image which another one is built as is built like that one. `settings` are
    the arguments that the owner may set, with their values.
    """
    builds = _Builds(folder, template["services"])
    for service, section in definition.images.items():
        builds.add(service, section.model_dump(), settings, app, ("images", service))
    for service, given in template["services"].items():
        if given.get("build") is None:
            continue
        path = ("services", service, "build")
        if service in definition.images:
            what = "app.yml says under `images` how this service is built, too."
            builds.findings.append(document.finding(path, "build-twice", what, "Keep one of the two."))
            continue
        builds.add(service, _written_out(given["build"]), settings, document, path)
    builds.link()
    builds.judge()
    return builds.in_order(), builds.findings


def _written_out(build: Any) -> dict[str, Any]:
    """A template's `build` in the words of app.yml."""
    given = build if isinstance(build, dict) else {"context": build}
    return {
        "context": given.get("context") or ".",
        "dockerfile": posixpath.normpath(given.get("dockerfile") or "Dockerfile"),
        "target": _text(given.get("target") or ""),
        **{
            ours: {name: _text(value) for name, value in as_variables(given.get(theirs)).items()}
            for ours, theirs in (("args", "args"), ("labels", "labels"), ("contexts", "additional_contexts"))
        },
    }


def _text(value: Any) -> str:
    """A scalar as Compose hands it to a build, `$$` read as one dollar sign."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return str(value).replace("$$", "$")


@dataclass
class _Builds:
    """The builds of one definition while they are read."""

    folder: Path
    services: Mapping[str, Mapping[str, Any]]
    specs: dict[str, BuildSpec] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _places: dict[str, tuple[YamlDocument, tuple[str, ...]]] = field(default_factory=dict)

    def add(
        self,
        service: str,
        given: Mapping[str, Any],
        settings: Mapping[str, str],
        document: YamlDocument,
        path: tuple[str, ...],
    ) -> None:
        """Adds what one section says; the service's own arguments count more than the settings."""
        contexts = given.get("contexts", {})
        folders = {name: text for name, text in contexts.items() if not text.startswith(SERVICE_CONTEXT)}
        spec = BuildSpec(
            context=(self.folder / given["context"]).resolve(),
            dockerfile=given["dockerfile"],
            args={**settings, **given["args"]},
            target=given["target"],
            labels=given.get("labels", {}),
            folders={name: (self.folder / text).resolve() for name, text in folders.items()},
            upon={
                name: text.removeprefix(SERVICE_CONTEXT)
                for name, text in contexts.items()
                if name not in folders
            },
        )
        self.specs[service] = spec
        self._places[service] = (document, path)
        self._check_arguments(service, given["args"])
        self._check_files(service, given["context"], folders)

    def link(self) -> None:
        """Finds what is built upon what, and the services that run what another one is built as."""
        images = {name: _plain(str(given.get("image") or "")) for name, given in self.services.items()}
        built: dict[str, str] = {}
        for name, image in images.items():
            if image and name in self.specs:
                built.setdefault(image, name)
        for name, image in images.items():
            if name not in self.specs and (twin := built.get(image)) is not None:
                self.specs[name], self._places[name] = self.specs[twin], self._places[twin]
        words: dict[tuple[Path, str], set[str]] = {}
        for name, spec in self.specs.items():
            place = (spec.context, spec.dockerfile)
            if place not in words:
                words[place] = _images_named_in(*place)
            named = words[place] | {_plain(value) for value in spec.args.values()}
            named &= built.keys() - {images.get(name, ""), *spec.upon}
            self.specs[name] = replace(spec, upon={**spec.upon, **{image: built[image] for image in named}})

    def judge(self) -> None:
        """Finds what is refused in the Dockerfiles, each once for all services that are built alike."""
        readings: dict[Path, Sequence[Dockerfile]] = {}
        judged: set[tuple[Path, frozenset[tuple[str, str]], frozenset[str]]] = set()
        total = 0
        for service, spec in self.specs.items():
            path = find_inside(spec.context, spec.dockerfile)
            contexts = frozenset((*spec.folders, *spec.upon))
            use = (spec.context / spec.dockerfile, frozenset(spec.args.items()), contexts)
            if path is None or not path.is_file() or use in judged:
                continue
            judged.add(use)
            size = path.stat().st_size
            total += size
            if size > _DOCKERFILE_BYTES or total > _MOST_JUDGED:
                most = f"{_DOCKERFILE_BYTES // 1024} KiB are the most, {_MOST_JUDGED // 1024} KiB together"
                remedy = "Move what is long into files that the Dockerfile copies."
                self._refuse(
                    service, ("dockerfile",), "build-dockerfile", f"It is too large: {most}.", remedy
                )
                return
            if path not in readings:
                readings[path] = readings_of(path.read_bytes())
            self._add_refused(path, judge_dockerfile(readings[path], spec.args, contexts))

    def _add_refused(self, path: Path, listed: Sequence[Refused]) -> None:
        for refused in listed:
            finding = Finding(
                file=str(path.relative_to(self.folder.resolve())),
                key=refused.keyword,
                line=refused.line,
                rule=refused.rule,
                what=refused.what,
                remedy=refused.remedy,
            )
            if finding not in self.findings:
                self.findings.append(finding)

    def in_order(self) -> dict[str, BuildSpec]:
        """Every build after those that it is built upon; circles and unknown services become findings."""
        ordered: dict[str, BuildSpec] = {}
        for service in self.services:
            if service in self.specs:
                self._place(service, ordered, ())
        return ordered | {name: spec for name, spec in self.specs.items() if name not in ordered}

    def _place(self, service: str, ordered: dict[str, BuildSpec], above: tuple[str, ...]) -> None:
        if service in above:
            circle = " -> ".join([*above[above.index(service) :], service])
            what = f"These are built upon each other: {circle}."
            self._refuse(above[-1], (), "build-circle", what, "Build one of them upon something else.")
            return
        if service in ordered:
            return
        if len(above) == _LONGEST_CHAIN:
            what = f"More than {_LONGEST_CHAIN} images are built upon each other."
            self._refuse(
                service, (), "build-chain", what, "Build several steps in one Dockerfile, as stages."
            )
            return
        for name, other in sorted(self.specs[service].upon.items()):
            if other in self.specs:
                self._place(other, ordered, (*above, service))
            else:
                what = f"{name!r} is to be the image of the service {other!r}, which is not built here."
                self._refuse(service, ("contexts",), "build-upon", what, "Name a service that is built.")
        ordered[service] = self.specs[service]

    def _check_arguments(self, service: str, args: Mapping[str, str]) -> None:
        for name in filter(steers_buildkit, args):
            what = f"The build argument {name!r} steers BuildKit, and could take a build out of its limits."
            self._refuse(service, ("args", name), "build-argument", what, "Remove it.")

    def _check_files(self, service: str, context: str, folders: Mapping[str, str]) -> None:
        spec = self.specs[service]
        for key, name in [("context", context), *(("contexts", text) for text in folders.values())]:
            found = find_inside(self.folder, name)
            if found is None or not found.is_dir():
                what = f"The build context {posixpath.normpath(name)} is no folder of the definition."
                self._refuse(service, (key,), "build-context", what, "Name a folder beside app.yml.")
                return
        dockerfile = find_inside(spec.context, spec.dockerfile)
        if dockerfile is None or not dockerfile.is_file():
            what = f"There is no {spec.dockerfile} in {posixpath.normpath(context)}."
            remedy = "Add it, or name it: `dockerfile:` is relative to the context."
            self._refuse(service, ("dockerfile",), "build-dockerfile", what, remedy)

    def _refuse(self, service: str, key: tuple[str, ...], rule: str, what: str, remedy: str) -> None:
        document, path = self._places[service]
        if key == ("contexts",) and path[0] == "services":
            key = ("additional_contexts",)
        finding = document.finding((*path, *key), rule, what, remedy)
        if finding not in self.findings:
            self.findings.append(finding)


def _images_named_in(context: Path, dockerfile: str) -> set[str]:
    """What may be an image in a Dockerfile: every word where images are named, its own stages apart.

    More than there are does no harm: only names that a service of the same definition has are looked for.
    """
    path = find_inside(context, dockerfile)
    if path is None or not path.is_file():
        return set()
    with path.open("rb") as file:
        text = file.read(_DOCKERFILE_BYTES).decode("utf-8", "replace")
    words: set[str] = set()
    stages: set[str] = set()
    for line in text.splitlines():
        if not _NAMES_IMAGES.match(line) or line.lstrip().startswith("#"):
            continue
        words |= {_plain(word) for word in _WORD.findall(line)}
        stages |= _stage_named_in(line.split())
    return words - stages


def _stage_named_in(words: Sequence[str]) -> set[str]:
    """The stage that `FROM image AS stage` names."""
    if len(words) < 4 or (words[0].upper(), words[-2].upper()) != ("FROM", "AS"):
        return set()
    return {words[-1].lower()}


def _plain(reference: str) -> str:
    """An image's name without what may be left out of it."""
    return _COMMON_PREFIX.sub("", reference, count=1).removesuffix(":latest")
