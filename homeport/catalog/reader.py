"""Reads the definition in a folder: bounded, checked against schema and policy, and taken apart."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Never, Self

from homeport.catalog.builds import read_builds
from homeport.catalog.composition import fill_settings, settle
from homeport.catalog.crosscheck import check_definition, main_service
from homeport.catalog.definition import APP_FILE, Definition, parse_definition
from homeport.catalog.granting import check_unused
from homeport.catalog.limits import read_limits, with_limits
from homeport.catalog.loaded import BuildSpec, LoadedDefinition, builds_images
from homeport.catalog.parts import bind_folders, pulled_services, shown_ports, without_settled
from homeport.catalog.policy import judge_compose
from homeport.catalog.schema import check_schema
from homeport.catalog.sources import digest_folder, read_text
from homeport.catalog.yaml12 import MAX_BYTES, YamlDocument, load_yaml
from homeport.errors import DefinitionInvalidError, Finding, PolicyRefusedError
from homeport.permissions import Permission, missing_permissions, parse_permissions

__all__ = ["BuildSpec", "LoadedDefinition", "builds_images", "read_definition"]


def read_definition(folder: Path, *, settings: Mapping[str, str] | None = None) -> LoadedDefinition:
    """The definition in the folder.

    Args:
        folder: the definition's.
        settings: the owner's values by name, in place of the defaults (`owner_settings.settle_settings`).

    Raises:
        DefinitionInvalidError: it is incomplete, cannot be read, or breaks a schema; with every finding.
        PolicyRefusedError: its compose file asks for what is not allowed, or not declared in app.yml.
    """
    digest = digest_folder(folder)
    app = _load(folder, APP_FILE)
    definition = parse_definition(app)
    document = _load(folder, definition.compose)
    declared = parse_permissions(definition.permissions)
    values = _Values.of(definition, settings or {})
    template, needed = _read_template(folder, document, values.of_services, _Judge(declared))
    builds, findings = read_builds(folder, app, document, template, definition, settings=values.of_builds)
    limits, wrong_limits = read_limits(document, template)
    findings += wrong_limits + check_definition(app, document, template, definition)
    findings += check_unused(app, definition.permissions, needed)
    if findings:
        raise DefinitionInvalidError(f"The definition {definition.name!r} is not valid.", findings)
    return LoadedDefinition(
        definition=with_limits(definition, limits),
        template=without_settled(template, builds),
        folder=folder.resolve(),
        built_services=builds,
        pulled_services=pulled_services(template, builds),
        main=main_service(template, definition) or "",
        shown_ports=shown_ports(template),
        bind_folders=bind_folders(template),
        digest=digest,
        permissions=declared,
    )


def _load(folder: Path, name: str) -> YamlDocument:
    return load_yaml(read_text(folder, name, limit_bytes=MAX_BYTES), file=name)


@dataclass(frozen=True, kw_only=True)
class _Values:
    """What the settings are: the owner's values, else the defaults."""

    of_services: dict[str, str]
    of_builds: dict[str, str]

    @classmethod
    def of(cls, definition: Definition, given: Mapping[str, str]) -> Self:
        settings = definition.settings.items()
        values = {name: given.get(name, setting.default) for name, setting in settings}
        return cls(
            of_services={name: values[name] for name, setting in settings if not setting.build},
            of_builds={name: values[name] for name, setting in settings if setting.build},
        )


def _read_template(
    folder: Path, document: YamlDocument, settings: dict[str, str], judge: "_Judge"
) -> tuple[dict[str, Any], tuple[Permission, ...]]:
    """The template on its own, and the permissions that it needs."""
    _check_shape(document)
    template = fill_settings(document.value, settings)
    judge.check_file(document, template)
    settled = settle(
        document,
        template=template,
        read_file=functools.partial(_read_extra, folder),
        read_template=functools.partial(_read_extended, folder, settings, judge),
    )
    return settled, judge.check_settled(document, settled)


def _read_extra(folder: Path, name: str) -> bytes:
    raw = read_text(folder, name, limit_bytes=MAX_BYTES)
    if len(raw) > MAX_BYTES:
        remedy = "1 MiB is the most."
        finding = Finding(
            file=name, key="file", line=None, rule="file-too-large", what="It is too large.", remedy=remedy
        )
        raise DefinitionInvalidError(f"{name} cannot be read.", [finding])
    return raw


def _read_extended(folder: Path, settings: dict[str, str], judge: "_Judge", name: str) -> YamlDocument:
    document = _load(folder, name)
    _check_shape(document)
    filled = fill_settings(document.value, settings)
    judge.check_file(document, filled)
    return document.with_value(filled)


def _check_shape(document: YamlDocument) -> None:
    if findings := check_schema(document):
        raise DefinitionInvalidError(f"{document.file} is not a valid compose file.", findings)


@dataclass(frozen=True)
class _Judge:
    """Judges the files of one definition, and remembers where what needs a permission stands in them."""

    declared: tuple[Permission, ...]
    _places: dict[Permission, Finding] = field(default_factory=dict)

    def check_file(self, document: YamlDocument, template: Any) -> None:
        """Refuses what nobody may have; what is needed may belong to a service that nothing extends."""
        judgement = judge_compose(template, lines=document.line_of, file=document.file)
        if judgement.findings:
            _refuse(document, judgement.refused(self.declared))
        for need in judgement.needs:
            self._places.setdefault(need.permission, need.finding)

    def check_settled(self, document: YamlDocument, template: Any) -> tuple[Permission, ...]:
        """What all services together need, if it is declared."""
        judgement = judge_compose(template, lines=document.line_of, file=document.file)
        for need in judgement.needs:
            self._places.setdefault(need.permission, need.finding)
        missing = missing_permissions(judgement.permissions, self.declared)
        if judgement.findings or missing:
            _refuse(document, [*judgement.findings, *(self._places[permission] for permission in missing)])
        return judgement.permissions


def _refuse(document: YamlDocument, findings: Sequence[Finding]) -> Never:
    raise PolicyRefusedError(f"{document.file} asks for what is not allowed.", findings)
