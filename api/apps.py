"""Apps: install, list, show, uninstall, and their logs."""

import uuid
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from api.context import Context
from api.jobs import accepted
from api.parsing import read_body
from api.streams import EVENT_STREAM, PLAIN_TEXT, comment, server_sent_event
from api.uploads import ARCHIVES, accept_upload, refuse_query
from homeport.catalog.terms import settle_terms
from homeport.catalog.uploaded import judged_definition
from homeport.models import App, Job
from homeport.shapes import AppLogsQuery, InstallQuery, InstallRequest, PageQuery, UninstallQuery
from homeport.state.accept import accept_install, accept_uninstall
from homeport.state.apps import find_app, list_apps, no_such_app
from homeport.state.reserve import draw_on_reserve, require_room
from homeport.wire import app_json, key_of, page

_LONGEST_LINE = 64 * 1024  # what has no line's end for so long is sent as a line


async def install(context: Context, *, request: web.Request, query: InstallQuery) -> web.Response:
    """Installs a definition of the catalog, or one that is sent with the request."""
    require_room(context.settings)
    if request.content_type in ARCHIVES:
        return accepted(context, await _accept_archive(context, request, query))
    body = await read_body(request, InstallRequest)
    refuse_query(query)
    found = await context.definitions.find(body.definition)
    terms = settle_terms(found.loaded, body, context.settings.domain, datetime.now(UTC))
    job = await context.writer.write(
        lambda connection: accept_install(
            connection, job_id=uuid.uuid4().hex, catalog=found.catalog, upload=None, **terms
        )
    )
    return accepted(context, job)


async def _accept_archive(context: Context, request: web.Request, query: InstallQuery) -> Job:
    def judge(archive: Path) -> Mapping[str, Any]:
        with judged_definition(archive, max_files=context.settings.unpacked_max_files) as loaded:
            return settle_terms(loaded, query, context.settings.domain, datetime.now(UTC))

    def accept(connection: Connection, upload: str, terms: Mapping[str, Any]) -> Job:
        return accept_install(connection, job_id=upload, catalog=None, upload=upload, **terms)

    return await accept_upload(context, request, judge, accept)


async def uninstall(context: Context, *, identifier: str, query: UninstallQuery) -> web.Response:
    """Uninstalls an app; its data stays unless purge is asked."""
    parameters = {"purge": query.purge, "remove_images": query.remove_images}
    draw_on_reserve(context.settings)
    job = await context.writer.write(
        lambda connection: accept_uninstall(
            connection,
            job_id=uuid.uuid4().hex,
            identifier=identifier,
            parameters=parameters,
            now=datetime.now(UTC),
        )
    )
    return accepted(context, job)


async def list_all(context: Context, *, query: PageQuery) -> web.Response:
    """The installed apps, by identifier."""
    after = key_of(query.cursor)
    apps = await context.read(lambda connection: list_apps(connection, after=after, limit=query.limit + 1))
    last = apps[query.limit - 1].identifier if len(apps) > query.limit else None
    return web.json_response(page([app_json(app) for app in apps], query.limit, last))


async def show(context: Context, *, identifier: str) -> web.Response:
    """One app."""
    return web.json_response(app_json(await _known_app(context, identifier)))


async def logs(
    context: Context, *, request: web.Request, identifier: str, query: AppLogsQuery
) -> web.StreamResponse:
    """What the app's containers wrote: text, or events where `Accept: text/event-stream` asks for them."""
    app = await _known_app(context, identifier)
    lines = context.steward.app_log(
        app.identifier, tail=query.tail, follow=query.follow, service=query.service
    )
    await anext(lines)  # a steward that is away is told with a status, before anything is sent
    if EVENT_STREAM in request.headers.get("Accept", ""):
        return await context.streams.send(request, _as_events(lines), content_type=EVENT_STREAM)
    return await context.streams.send(request, lines, content_type=PLAIN_TEXT)


async def _known_app(context: Context, identifier: str) -> App:
    app = await context.read(lambda connection: find_app(connection, identifier))
    if app is None:
        raise no_such_app(identifier)
    return app


async def _as_events(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """A message per line."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        if not piece:
            yield comment("still here")
        for line in lines:
            yield server_sent_event(line.decode("utf-8", "replace").replace("\r", ""))
    if rest:
        yield server_sent_event(rest.decode("utf-8", "replace").replace("\r", ""))
