"""Builds: of a definition of the catalog, or of an archive that is sent."""

from functools import partial
from pathlib import Path

from aiohttp import web

from api.accepting import Change, accept_judged
from api.context import Context
from api.parsing import read_body
from api.uploads import ARCHIVES, accept_upload, refuse_query
from homeport.asked import BuildQuery, BuildRequest
from homeport.catalog.loaded import builds_images
from homeport.catalog.owner_settings import settle_settings
from homeport.catalog.uploaded import judge_upload
from homeport.jobs import queue_of
from homeport.state.accept import accept_build


async def create(context: Context, *, request: web.Request, query: BuildQuery) -> web.Response:
    """Builds the images of a definition of the catalog, or of a definition or build context that is sent."""
    if request.content_type in ARCHIVES:
        return await _build_archive(context, request, query)
    body = await read_body(request, BuildRequest)
    refuse_query(query)
    return await accept_judged(context, request, _judge(context, body))


async def _judge(context: Context, body: BuildRequest) -> Change:
    found = await context.definitions.find(body.definition)
    name = found.loaded.definition.name
    return partial(
        accept_build,
        definition=name,
        catalog=found.catalog,
        upload=None,
        name=name,
        queue=queue_of(builds_images=builds_images(found.loaded)),
        settings=settle_settings(found.loaded.definition, body.settings),
    )


async def _build_archive(context: Context, request: web.Request, query: BuildQuery) -> web.Response:
    def judge(archive: Path) -> Change:
        judged = judge_upload(
            archive,
            name=query.name,
            dockerfile=query.dockerfile,
            settings=query.settings,
            max_bytes=context.settings.context_max_bytes,
            max_files=context.settings.unpacked_max_files,
        )
        return partial(
            accept_build,
            definition=None,
            name=judged.name,
            queue=queue_of(builds_images=judged.builds_images),
            dockerfile=query.dockerfile,
            settings=query.settings,
        )

    return await accept_upload(context, request, judge)
