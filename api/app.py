"""Builds the API's application: the one place that knows how its parts fit together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from importlib.metadata import version

from aiohttp import web

from api.context import CONTEXT, Context
from api.middleware import MIDDLEWARES, add_request_id
from api.openapi import describe
from api.parsing import MAX_BODY_BYTES
from api.routes import DOCUMENT, ROUTES, add_routes
from api.streams import Streams
from homeport.catalog.remembered import Definitions
from homeport.metrics import RequestCounts
from homeport.settings import Settings
from homeport.state.admission import Admission
from homeport.state.catalogs import stored_folders
from homeport.state.database import Database
from homeport.state.doorbell import Doorbell
from homeport.state.feed import EventFeed
from homeport.state.ringer import Ringer
from homeport.state.steward import Steward
from homeport.state.token_check import TokenCheck
from homeport.state.uploads import sweep_uploads
from homeport.state.writer import Writer


def create_app(settings: Settings) -> web.Application:
    """The application. Nothing is opened before it starts."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=MAX_BODY_BYTES)
    app[CONTEXT] = create_context(settings)
    app[DOCUMENT] = describe(ROUTES, version("homeport"))
    app.on_response_prepare.append(add_request_id)
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_run_parts)
    add_routes(app)
    return app


def create_context(settings: Settings) -> Context:
    """The parts, put together."""
    database = Database(settings.database)
    writer = Writer(database, fail_points=settings.fail_points)
    return Context(
        settings=settings,
        database=database,
        writer=writer,
        admission=Admission(settings),
        ringer=Ringer(Doorbell(settings.redis), writer),
        feed=EventFeed(database, settings.redis),
        steward=Steward(settings.steward_socket),
        streams=Streams(),
        tokens=TokenCheck(database),
        definitions=Definitions(partial(stored_folders, database, settings)),
        requests=RequestCounts(),
        judging=asyncio.Semaphore(1),
    )


async def _run_parts(app: web.Application) -> AsyncIterator[None]:
    """Runs what runs beside the requests; at the end, what was accepted is written before anything closes."""
    context = app[CONTEXT]
    await context.read(partial(sweep_uploads, context.settings.uploads_dir))
    tasks = [asyncio.create_task(part.run()) for part in (context.writer, context.ringer, context.feed)]
    yield
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    context.ringer.close()
    context.writer.close()
    context.database.close()


async def _end_streams(app: web.Application) -> None:
    app[CONTEXT].streams.end_all()
