"""The JSON shapes of the catalog, as clients see it."""

from typing import Any

from homeport.catalog.catalog import CatalogEntry
from homeport.catalog.definition import Definition
from homeport.catalog.loaded import LoadedDefinition


def entry_json(entry: CatalogEntry) -> dict[str, Any]:
    """An entry of the catalog in short; a broken one with its problem."""
    problem = entry.problem.as_json() if entry.problem else None
    return {**_head(entry.name, entry.definition), "problem": problem}


def definition_json(loaded: LoadedDefinition) -> dict[str, Any]:
    """A definition with what it would run, build and publish."""
    definition = loaded.definition
    return {
        **_head(definition.name, definition),
        "problem": None,
        "web": definition.web.model_dump(mode="json") if definition.web else None,
        "services": list(loaded.services),
        "builds": sorted(loaded.built_services),
        "pulls": dict(loaded.pulled_services),
        "ports": [dict(port) for port in loaded.shown_ports],
    }


def _head(name: str, definition: Definition | None) -> dict[str, Any]:
    return {
        "name": name,
        "title": definition.title if definition else None,
        "version": definition.version if definition else None,
        "description": definition.description if definition else None,
    }
