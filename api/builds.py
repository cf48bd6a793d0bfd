"""Builds: of a definition of the catalog, or of an archive that is uploaded."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import aiohttp
from aiohttp import web

from api.context import Context
from api.jobs import accepted
from api.parsing import read_body
from homeport.catalog.loaded import builds_images
from homeport.catalog.uploaded import judge_upload
from homeport.errors import HomeportError, InvalidInputError
from homeport.jobs import queue_of
from homeport.models import Job
from homeport.shapes import BuildQuery, BuildRequest
from homeport.state.accept import accept_build
from homeport.state.uploads import remove_upload, store_upload

ARCHIVES: Final = ("application/x-tar", "application/gzip")
"""The media types of an upload; whether it is packed is seen in it."""


async def create(context: Context, *, request: web.Request, query: BuildQuery) -> web.Response:
    """Builds the images of a definition of the catalog, or of an uploaded definition or build context."""
    if request.content_type in ARCHIVES:
        return accepted(context, await _accept_upload(context, request, query))
    body = await read_body(request, BuildRequest)
    if query.model_fields_set:
        raise InvalidInputError(
            "Name and Dockerfile belong to an uploaded archive.",
            remedy=f"Leave them out, or send an archive with Content-Type: {ARCHIVES[0]}.",
            errors=[
                {"pointer": f"?{field}", "detail": "not here"} for field in sorted(query.model_fields_set)
            ],
        )
    definition = await context.definitions.find(body.definition)
    job = await context.writer.write(
        lambda connection: accept_build(
            connection,
            job_id=uuid.uuid4().hex,
            definition=body.definition,
            upload=None,
            name=body.definition,
            queue=queue_of(builds_images=builds_images(definition)),
            now=datetime.now(UTC),
        )
    )
    return accepted(context, job)


async def _accept_upload(context: Context, request: web.Request, query: BuildQuery) -> Job:
    """Stores the archive under its job's id, judges it and queues its build; removes it if it is refused."""
    settings, upload = context.settings, uuid.uuid4().hex
    archive = await store_upload(
        settings.uploads_dir,
        upload,
        _pieces(request),
        max_bytes=settings.upload_max_bytes,
        spare_bytes=settings.spare_bytes,
        announced_bytes=request.content_length,
    )
    try:
        async with context.judging:
            judged = await asyncio.to_thread(
                judge_upload,
                archive,
                name=query.name,
                dockerfile=query.dockerfile,
                max_bytes=settings.context_max_bytes,
                max_files=settings.unpacked_max_files,
            )
    except BaseException:
        remove_upload(settings.uploads_dir, upload)
        raise
    try:
        return await context.writer.write(
            lambda connection: accept_build(
                connection,
                job_id=upload,
                definition=None,
                upload=upload,
                name=judged.name,
                queue=queue_of(builds_images=judged.builds_images),
                now=datetime.now(UTC),
                dockerfile=query.dockerfile,
            )
        )
    except HomeportError:
        remove_upload(settings.uploads_dir, upload)
        raise


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.content.iter_any():
            yield piece
    except (aiohttp.ClientError, ConnectionError) as error:
        raise InvalidInputError("The upload broke off.", why=str(error), remedy="Send it again.") from error
