"""Apps: install, list, show, uninstall, and their logs."""

from functools import partial
from pathlib import Path

from aiohttp import web

from api.accepting import Change, accept, accept_judged
from api.context import Context
from api.parsing import read_body
from api.streams import EVENT_STREAM, PLAIN_TEXT
from api.uploads import ARCHIVES, accept_upload, refuse_query
from homeport.asked import (
    AppLogsQuery,
    InstallQuery,
    InstallRequest,
    PageQuery,
    UninstallQuery,
)
from homeport.catalog.terms import settle_terms
from homeport.catalog.uploaded import judged_definition
from homeport.models import App
from homeport.server_sent import lines_as_events
from homeport.state.accept import accept_install, accept_uninstall
from homeport.state.apps import find_app, list_apps, no_such_app
from homeport.wire import app_json, key_of, page


async def install(context: Context, *, request: web.Request, query: InstallQuery) -> web.Response:
    """Installs a definition of the catalog, or one that is sent with the request."""
    if request.content_type in ARCHIVES:
        return await _install_archive(context, request, query)
    body = await read_body(request, InstallRequest)
    refuse_query(query)
    return await accept_judged(context, request, _judge(context, body))


async def _judge(context: Context, body: InstallRequest) -> Change:
    found = await context.definitions.find(body.definition)
    terms = settle_terms(found.loaded, body, context.settings)
    return partial(accept_install, catalog=found.catalog, **terms)


async def _install_archive(context: Context, request: web.Request, query: InstallQuery) -> web.Response:
    def judge(archive: Path) -> Change:
        with judged_definition(archive, max_files=context.settings.unpacked_max_files) as loaded:
            return partial(accept_install, catalog=None, **settle_terms(loaded, query, context.settings))

    return await accept_upload(context, request, judge)


async def uninstall(
    context: Context, *, request: web.Request, identifier: str, query: UninstallQuery
) -> web.Response:
    """Uninstalls an app; its data stays unless purge is asked."""
    parameters = {"purge": query.purge, "remove_images": query.remove_images}
    change = partial(accept_uninstall, identifier=identifier, parameters=parameters)
    return await accept(context, request, change, makes_room=True)


async def list_all(context: Context, *, query: PageQuery) -> web.Response:
    """The installed apps, by identifier."""
    after = key_of(query.cursor)
    apps = await context.read(lambda connection: list_apps(connection, after=after, limit=query.limit + 1))
    last = apps[query.limit - 1].identifier if len(apps) > query.limit else None
    return web.json_response(page([app_json(app, context.settings) for app in apps], query.limit, last))


async def show(context: Context, *, identifier: str) -> web.Response:
    """One app."""
    return web.json_response(app_json(await _known_app(context, identifier), context.settings))


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
        return await context.streams.send(request, lines_as_events(lines), content_type=EVENT_STREAM)
    return await context.streams.send(request, lines, content_type=PLAIN_TEXT)


async def _known_app(context: Context, identifier: str) -> App:
    app = await context.read(lambda connection: find_app(connection, identifier))
    if app is None:
        raise no_such_app(identifier)
    return app
