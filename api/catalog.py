"""The catalog: what can be installed."""

from typing import Any

from aiohttp import web
from homeport.catalog.catalog import CatalogEntry
from homeport.catalog.reader import LoadedDefinition

from api.context import Context


async def list_all(context: Context) -> web.Response:
    """Every definition; a broken one with what is wrong."""
    return web.json_response({"items": [_entry(entry) for entry in await context.definitions.entries()]})


async def show(context: Context, *, name: str) -> web.Response:
    """One definition, with what it would run, build and publish."""
    return web.json_response(_whole(await context.definitions.find(name)))


def _entry(entry: CatalogEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "version": entry.version,
        "description": entry.description,
        "problem": entry.problem.as_json() if entry.problem else None,
    }


def _whole(loaded: LoadedDefinition) -> dict[str, Any]:
    definition = loaded.definition
    return {
        "name": definition.name,
        "title": definition.title,
        "version": definition.version,
        "description": definition.description,
        "problem": None,
        "web": definition.web.model_dump(mode="json") if definition.web else None,
        "services": sorted([*loaded.built_services, *loaded.pulled_services]),
        "builds": sorted(loaded.built_services),
    }
