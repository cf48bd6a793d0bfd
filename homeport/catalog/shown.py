"""The JSON shapes of the catalog, as clients see it."""

from collections.abc import Iterable
from typing import Any

from homeport.catalog.addresses import shown_source
from homeport.catalog.catalog import CatalogEntry, FoundDefinition
from homeport.catalog.definition import Definition
from homeport.catalog.loaded import LoadedDefinition
from homeport.models import Catalog
from homeport.permissions import Permission
from homeport.risks import permission_json, rate
from homeport.wire import time_json


def entry_json(entry: CatalogEntry) -> dict[str, Any]:
    """An entry of the catalog in short; a broken one with its problem."""
    return {
        **_head(entry.name, entry.catalog, entry.qualified, entry.definition),
        **_asked(entry.loaded),
        "problem": entry.problem.as_json() if entry.problem else None,
    }


def definition_json(found: FoundDefinition, name: str) -> dict[str, Any]:
    """A definition, by the name that it was asked for by: what it would run, publish, be granted and set."""
    loaded = found.loaded
    definition = loaded.definition
    return {
        **_head(name, found.catalog, found.qualified, definition),
        **_asked(loaded),
        "problem": None,
        "web": definition.web.model_dump(mode="json") if definition.web else None,
        "services": list(loaded.services),
        "builds": sorted(loaded.built_services),
        "pulls": dict(loaded.pulled_services),
        "ports": [dict(port) for port in loaded.shown_ports],
        "settings": {name: setting.model_dump() for name, setting in definition.settings.items()},
    }


def catalog_json(catalog: Catalog) -> dict[str, Any]:
    """An added catalog, without what may be secret in its source."""
    return {
        "name": catalog.name,
        "kind": catalog.kind.value,
        "source": shown_source(catalog.source),
        "revision": catalog.revision,
        "definitions": catalog.definitions,
        "added_at": time_json(catalog.added_at),
        "refreshed_at": time_json(catalog.refreshed_at),
        "problem": catalog.problem.as_json() if catalog.problem else None,
    }


def _head(name: str, catalog: str, qualified: str, definition: Definition | None) -> dict[str, Any]:
    return {
        "name": name,
        "catalog": catalog,
        "qualified": qualified,
        "title": definition.title if definition else None,
        "version": definition.version if definition else None,
        "description": definition.description if definition else None,
    }


def _asked(loaded: LoadedDefinition | None) -> dict[str, Any]:
    """What the owner is asked to grant; nothing is known of a broken definition."""
    permissions: Iterable[Permission] = loaded.permissions if loaded else ()
    return {
        "permissions": [permission_json(permission) for permission in permissions],
        "rating": rate(loaded.permissions).as_json() if loaded else None,
    }
