"""Builds: of a definition of the catalog, or of an archive that is sent."""

import uuid
from datetime import UTC, datetime
from functools import partial

from aiohttp import web
from sqlalchemy import Connection

from api.context import Context
from api.jobs import accepted
from api.parsing import read_body
from api.uploads import ARCHIVES, accept_upload, refuse_query
from homeport.catalog.loaded import builds_images
from homeport.catalog.owner_settings import settle_settings
from homeport.catalog.uploaded import Uploaded, judge_upload
from homeport.jobs import queue_of
from homeport.models import Job
from homeport.shapes import BuildQuery, BuildRequest
from homeport.state.accept import accept_build
from homeport.state.reserve import require_room


async def create(context: Context, *, request: web.Request, query: BuildQuery) -> web.Response:
    """Builds the images of a definition of the catalog, or of a definition or build context that is sent."""
    require_room(context.settings)
    if request.content_type in ARCHIVES:
        return accepted(context, await _accept_archive(context, request, query))
    body = await read_body(request, BuildRequest)
    refuse_query(query)
    found = await context.definitions.find(body.definition)
    settings = settle_settings(found.loaded.definition, body.settings)
    job = await context.writer.write(
        lambda connection: accept_build(
            connection,
            job_id=uuid.uuid4().hex,
            definition=found.loaded.definition.name,
            catalog=found.catalog,
            upload=None,
            name=found.loaded.definition.name,
            queue=queue_of(builds_images=builds_images(found.loaded)),
            now=datetime.now(UTC),
            settings=settings,
        )
    )
    return accepted(context, job)


async def _accept_archive(context: Context, request: web.Request, query: BuildQuery) -> Job:
    judge = partial(
        judge_upload,
        name=query.name,
        dockerfile=query.dockerfile,
        settings=query.settings,
        max_bytes=context.settings.context_max_bytes,
        max_files=context.settings.unpacked_max_files,
    )

    def accept(connection: Connection, upload: str, judged: Uploaded) -> Job:
        return accept_build(
            connection,
            job_id=upload,
            definition=None,
            upload=upload,
            name=judged.name,
            queue=queue_of(builds_images=judged.builds_images),
            now=datetime.now(UTC),
            dockerfile=query.dockerfile,
            settings=query.settings,
        )

    return await accept_upload(context, request, judge, accept)
