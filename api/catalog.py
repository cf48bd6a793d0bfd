"""The catalog: what can be installed."""

from typing import Any

from aiohttp import web

from api.context import Context
from homeport.catalog.catalog import CatalogEntry
from homeport.catalog.definition import Definition
from homeport.catalog.loaded import LoadedDefinition


async def list_all(context: Context) -> web.Response:
    """Every definition; a broken one with what is wrong."""
    return web.json_response(
        {"items": [_entry(entry) for entry in await context.definitions.entries()], "next": None}
    )


async def show(context: Context, *, name: str) -> web.Response:
    """One definition, with what it would run, build and publish."""
    return web.json_response(_whole(await context.definitions.find(name)))


def _entry(entry: CatalogEntry) -> dict[str, Any]:
    problem = entry.problem.as_json() if entry.problem else None
    return {**_head(entry.name, entry.definition), "problem": problem}


def _whole(loaded: LoadedDefinition) -> dict[str, Any]:
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
