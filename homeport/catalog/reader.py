"""Reads the definition in a folder: bounded, checked against schema and policy, and taken apart."""

import functools
from pathlib import Path
from typing import Any

from homeport.catalog.builds import read_builds
from homeport.catalog.composition import fill_settings, settle
from homeport.catalog.crosscheck import check_definition, main_service
from homeport.catalog.definition import APP_FILE, Definition, parse_definition
from homeport.catalog.limits import read_limits, with_limits
from homeport.catalog.loaded import BuildSpec, LoadedDefinition, builds_images
from homeport.catalog.parts import bind_folders, pulled_services, shown_ports, without_settled
from homeport.catalog.policy import check_template
from homeport.catalog.schema import check_schema
from homeport.catalog.sources import digest_folder, read_text
from homeport.catalog.yaml12 import MAX_BYTES, YamlDocument, load_yaml
from homeport.errors import DefinitionInvalidError, Finding, PolicyRefusedError

__all__ = ["BuildSpec", "LoadedDefinition", "builds_images", "read_definition"]


def read_definition(folder: Path) -> LoadedDefinition:
    """The definition in the folder.

    Raises:
        DefinitionInvalidError: it is incomplete, cannot be read, or breaks a schema; with every finding.
        PolicyRefusedError: its compose file asks for what is not allowed.
    """
    digest = digest_folder(folder)
    app = _load(folder, APP_FILE)
    definition = parse_definition(app)
    document = _load(folder, definition.compose)
    template = _read_template(folder, document, definition)
    builds, findings = read_builds(folder, app, document, template, definition)
    limits, wrong_limits = read_limits(document, template)
    findings += wrong_limits + check_definition(app, document, template, definition)
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
    )


def _load(folder: Path, name: str) -> YamlDocument:
    return load_yaml(read_text(folder, name, limit_bytes=MAX_BYTES), file=name)


def _read_template(folder: Path, document: YamlDocument, definition: Definition) -> dict[str, Any]:
    settings = {name: setting.default for name, setting in definition.settings.items() if not setting.build}
    _check_shape(document)
    template = fill_settings(document.value, settings)
    _check_policy(document, template)
    settled = settle(
        document,
        template=template,
        read_file=functools.partial(_read_extra, folder),
        read_template=functools.partial(_read_extended, folder, settings),
    )
    _check_policy(document, settled)
    return settled


def _read_extra(folder: Path, name: str) -> bytes:
    raw = read_text(folder, name, limit_bytes=MAX_BYTES)
    if len(raw) > MAX_BYTES:
        remedy = "1 MiB is the most."
        finding = Finding(
            file=name, key="file", line=None, rule="file-too-large", what="It is too large.", remedy=remedy
        )
        raise DefinitionInvalidError(f"{name} cannot be read.", [finding])
    return raw


def _read_extended(folder: Path, settings: dict[str, str], name: str) -> YamlDocument:
    document = _load(folder, name)
    _check_shape(document)
    filled = fill_settings(document.value, settings)
    _check_policy(document, filled)
    return document.with_value(filled)


def _check_shape(document: YamlDocument) -> None:
    if findings := check_schema(document):
        raise DefinitionInvalidError(f"{document.file} is not a valid compose file.", findings)


def _check_policy(document: YamlDocument, template: Any) -> None:
    findings = check_template(template, lines=document.line_of, file=document.file)
    if findings:
        raise PolicyRefusedError(f"{document.file} asks for what is not allowed.", findings)
