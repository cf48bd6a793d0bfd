"""The catalog: what can be installed, where it comes from, and what can be made into a definition."""

import asyncio
from datetime import datetime
from functools import partial

from aiohttp import web
from sqlalchemy import Connection

from api.accepting import accept
from api.context import Context
from homeport.asked import (
    CatalogRequest,
    ConvertRequest,
    PageQuery,
    RefreshRequest,
)
from homeport.catalog.addresses import settle_source
from homeport.catalog.convert import convert as convert_text
from homeport.catalog.convert.conversion import conversion_json
from homeport.catalog.shown import catalog_json, definition_json, entry_json
from homeport.models import Job
from homeport.state.accept import accept_refresh
from homeport.state.catalogs import add_catalog, list_catalogs, remove_catalog
from homeport.wire import part


async def list_all(context: Context, *, query: PageQuery) -> web.Response:
    """Every definition of every catalog, by name; a broken one with what is wrong."""
    entries = part(await context.definitions.entries(), lambda entry: entry.name, query.limit, query.cursor)
    return web.json_response({"items": [entry_json(entry) for entry in entries.items], "next": entries.next})


async def show(context: Context, *, name: str) -> web.Response:
    """One definition, with what it would run, build, publish and be granted."""
    return web.json_response(definition_json(await context.definitions.find(name), name))


async def show_qualified(context: Context, *, catalog: str, name: str) -> web.Response:
    """One definition by its qualified name."""
    return await show(context, name=f"{catalog}/{name}")


async def list_sources(context: Context, *, query: PageQuery) -> web.Response:
    """The catalogs that were added, and how their last refresh went."""
    found = part(await context.read(list_catalogs), lambda catalog: catalog.name, query.limit, query.cursor)
    return web.json_response(
        {"items": [catalog_json(catalog) for catalog in found.items], "next": found.next}
    )


async def add_source(context: Context, *, request: web.Request, body: CatalogRequest) -> web.Response:
    """Adds a catalog, and fetches it."""
    kind, source = settle_source(body.source, body.kind)

    def add(connection: Connection, *, job_id: str, now: datetime) -> Job:
        add_catalog(connection, name=body.name, kind=kind, source=source, now=now)
        return accept_refresh(connection, job_id=job_id, catalogs=[body.name], now=now)

    return await accept(context, request, add)


async def remove_source(context: Context, *, name: str) -> web.Response:
    """Removes a catalog; the apps that came from it stay."""
    await context.writer.write(lambda connection: remove_catalog(connection, name))
    context.definitions.forget()
    return web.Response(status=204)


async def refresh(context: Context, *, request: web.Request, body: RefreshRequest) -> web.Response:
    """Fetches catalogs anew; one that cannot be fetched stays as it was."""
    return await accept(context, request, partial(accept_refresh, catalogs=body.catalogs))


async def convert(context: Context, *, body: ConvertRequest) -> web.Response:
    """Makes a definition of a docker run line, a compose file or an install script, and stores nothing."""
    async with context.judging:
        conversion = await asyncio.to_thread(
            convert_text, body.text, uninstall=body.uninstall, name=body.name
        )
    return web.json_response(conversion_json(conversion))
