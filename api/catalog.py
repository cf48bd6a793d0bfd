"""The catalog: what can be installed."""

from aiohttp import web

from api.context import Context
from homeport.catalog.shown import definition_json, entry_json


async def list_all(context: Context) -> web.Response:
    """Every definition; a broken one with what is wrong."""
    items = [entry_json(entry) for entry in await context.definitions.entries()]
    return web.json_response({"items": items, "next": None})


async def show(context: Context, *, name: str) -> web.Response:
    """One definition, with what it would run, build and publish."""
    return web.json_response(definition_json(await context.definitions.find(name)))
