"""Reads the definition in a folder: bounded, checked against schema and policy, and taken apart."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from homeport.catalog.builds import read_builds
from homeport.catalog.composition import fill_settings, settle
from homeport.catalog.crosscheck import check_definition, main_service
from homeport.catalog.definition import APP_FILE, Definition, parse_definition
from homeport.catalog.granting import check_unused
from homeport.catalog.judgement import Judgement
from homeport.catalog.limits import read_limits, with_limits
from homeport.catalog.loaded import BuildSpec, LoadedDefinition, builds_images
from homeport.catalog.parts import bind_folders, pulled_services, shown_ports, without_settled
from homeport.catalog.policy import judge_compose
from homeport.catalog.schema import check_schema
from homeport.catalog.sources import digest_folder, read_text
from homeport.catalog.yaml12 import MAX_BYTES, YamlDocument, load_yaml
from homeport.errors import DefinitionInvalidError, Finding, PolicyRefusedError
from homeport.permissions import Permission, parse_permissions

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
    template, needed = _read_template(folder, document, values, declared)
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
    folder: Path, document: YamlDocument, values: _Values, declared: tuple[Permission, ...]
) -> tuple[dict[str, Any], tuple[Permission, ...]]:
    """The template on its own, and the permissions that it needs."""
    settings = values.of_services
    _check_shape(document)
    template = fill_settings(document.value, settings)
    _judge(document, template, declared)
    settled = settle(
        document,
        template=template,
        read_file=functools.partial(_read_extra, folder),
        read_template=functools.partial(_read_extended, folder, settings, declared),
    )
    return settled, _judge(document, settled, declared).permissions


def _read_extra(folder: Path, name: str) -> bytes:
    raw = read_text(folder, name, limit_bytes=MAX_BYTES)
    if len(raw) > MAX_BYTES:
        remedy = "1 MiB is the most."
        finding = Finding(
            file=name, key="file", line=None, rule="file-too-large", what="It is too large.", remedy=remedy
        )
        raise DefinitionInvalidError(f"{name} cannot be read.", [finding])
    return raw


def _read_extended(
    folder: Path, settings: dict[str, str], declared: tuple[Permission, ...], name: str
) -> YamlDocument:
    document = _load(folder, name)
    _check_shape(document)
    filled = fill_settings(document.value, settings)
    _judge(document, filled, declared)
    return document.with_value(filled)


def _check_shape(document: YamlDocument) -> None:
    if findings := check_schema(document):
        raise DefinitionInvalidError(f"{document.file} is not a valid compose file.", findings)


def _judge(document: YamlDocument, template: Any, declared: tuple[Permission, ...]) -> Judgement:
    judgement = judge_compose(template, lines=document.line_of, file=document.file)
    if findings := judgement.refused(declared):
        raise PolicyRefusedError(f"{document.file} asks for what is not allowed.", findings)
    return judgement
