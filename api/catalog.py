"""The catalog: what can be installed, where it comes from, and what can be made into a definition."""

import asyncio
import uuid
from datetime import UTC, datetime

from aiohttp import web
from sqlalchemy import Connection

from api.context import Context
from api.jobs import accepted
from homeport.catalog.addresses import settle_source
from homeport.catalog.convert import convert as convert_text
from homeport.catalog.convert.conversion import conversion_json
from homeport.catalog.shown import catalog_json, definition_json, entry_json
from homeport.models import Job
from homeport.shapes import CatalogRequest, ConvertRequest, RefreshRequest
from homeport.state.accept import accept_refresh
from homeport.state.catalogs import add_catalog, list_catalogs, remove_catalog
from homeport.state.reserve import require_room


async def list_all(context: Context) -> web.Response:
    """Every definition of every catalog; a broken one with what is wrong."""
    items = [entry_json(entry) for entry in await context.definitions.entries()]
    return web.json_response({"items": items, "next": None})


async def show(context: Context, *, name: str) -> web.Response:
    """One definition, with what it would run, build, publish and be granted."""
    return web.json_response(definition_json(await context.definitions.find(name), name))


async def show_qualified(context: Context, *, catalog: str, name: str) -> web.Response:
    """One definition by its qualified name."""
    return await show(context, name=f"{catalog}/{name}")


async def list_sources(context: Context) -> web.Response:
    """The catalogs that were added, and how their last refresh went."""
    items = [catalog_json(catalog) for catalog in await context.read(list_catalogs)]
    return web.json_response({"items": items, "next": None})


async def add_source(context: Context, *, body: CatalogRequest) -> web.Response:
    """Adds a catalog, and fetches it."""
    require_room(context.settings)
    kind, source = settle_source(body.source, body.kind)
    now = datetime.now(UTC)

    def add(connection: Connection) -> Job:
        add_catalog(connection, name=body.name, kind=kind, source=source, now=now)
        return accept_refresh(connection, job_id=uuid.uuid4().hex, catalogs=[body.name], now=now)

    return accepted(context, await context.writer.write(add))


async def remove_source(context: Context, *, name: str) -> web.Response:
    """Removes a catalog; the apps that came from it stay."""
    await context.writer.write(lambda connection: remove_catalog(connection, name))
    context.definitions.forget()
    return web.Response(status=204)


async def refresh(context: Context, *, body: RefreshRequest) -> web.Response:
    """Fetches catalogs anew; one that cannot be fetched stays as it was."""
    require_room(context.settings)
    job = await context.writer.write(
        lambda connection: accept_refresh(
            connection, job_id=uuid.uuid4().hex, catalogs=body.catalogs, now=datetime.now(UTC)
        )
    )
    return accepted(context, job)


async def convert(context: Context, *, body: ConvertRequest) -> web.Response:
    """Makes a definition of a docker run line, a compose file or an install script, and stores nothing."""
    async with context.judging:
        conversion = await asyncio.to_thread(
            convert_text, body.text, uninstall=body.uninstall, name=body.name
        )
    return web.json_response(conversion_json(conversion))
