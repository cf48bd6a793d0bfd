"""Apps: install, list, show, uninstall, and their logs."""

import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from aiohttp import web

from api.context import Context
from api.jobs import accepted
from api.streams import EVENT_STREAM, PLAIN_TEXT, comment, server_sent_event
from homeport.catalog.loaded import builds_images
from homeport.jobs import queue_of
from homeport.models import App
from homeport.names import check_app_id, check_host_name, check_identifier, full_host_name
from homeport.shapes import AppLogsQuery, InstallRequest, PageQuery, UninstallQuery
from homeport.state.accept import accept_install, accept_uninstall
from homeport.state.apps import find_app, list_apps, no_such_app
from homeport.wire import app_json, key_of, page

_LONGEST_LINE = 64 * 1024  # what has no line's end for so long is sent as a line


async def install(context: Context, *, body: InstallRequest) -> web.Response:
    """Installs a definition of the catalog."""
    definition = await context.definitions.find(body.definition)
    name = definition.definition.name
    identifier = check_identifier(name if body.identifier is None else body.identifier)
    host_label = identifier if body.host_name is None else body.host_name
    host_name = check_host_name(full_host_name(host_label, context.settings.domain))
    app_id = None if body.app_id is None else check_app_id(body.app_id)
    ports = sorted({port["host_port"] for port in definition.shown_ports})
    queue = queue_of(builds_images=builds_images(definition))

    job = await context.writer.write(
        lambda connection: accept_install(
            connection,
            job_id=uuid.uuid4().hex,
            identifier=identifier,
            host_name=host_name,
            app_id=app_id,
            ports=ports,
            definition=name,
            queue=queue,
            now=datetime.now(UTC),
        )
    )
    return accepted(context, job)


async def uninstall(context: Context, *, identifier: str, query: UninstallQuery) -> web.Response:
    """Uninstalls an app; its data stays unless purge is asked."""
    parameters = {"purge": query.purge, "remove_images": query.remove_images}
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
