"""Archives that are sent with a request: stored under their job's id, judged, and removed if refused."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
from aiohttp import web
from pydantic import BaseModel
from sqlalchemy import Connection

from api.context import Context
from homeport.errors import HomeportError, InvalidInputError
from homeport.models import Job
from homeport.state.uploads import remove_upload, store_upload

T = TypeVar("T")

ARCHIVES: Final = ("application/x-tar", "application/gzip")
"""The media types of an upload; whether it is packed is seen in it."""


async def accept_upload(
    context: Context,
    request: web.Request,
    judge: Callable[[Path], T],
    accept: Callable[[Connection, str, T], Job],
) -> Job:
    """Stores the archive, judges it in a thread, and queues its job, which has the upload's id."""
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
            judged = await asyncio.to_thread(judge, archive)
    except BaseException:
        remove_upload(settings.uploads_dir, upload)
        raise
    try:
        return await context.writer.write(lambda connection: accept(connection, upload, judged))
    except HomeportError:  # nothing else says that the job was not stored
        remove_upload(settings.uploads_dir, upload)
        raise


def refuse_query(query: BaseModel) -> None:
    """Refuses parameters that belong to an archive where none is sent.

    Raises:
        InvalidInputError: there is one.
    """
    if query.model_fields_set:
        raise InvalidInputError(
            "The query belongs to an archive that is sent, and none is.",
            remedy=f"Say it in the body, or send an archive with Content-Type: {ARCHIVES[0]}.",
            errors=[{"pointer": f"?{name}", "detail": "not here"} for name in sorted(query.model_fields_set)],
        )


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.content.iter_any():
            yield piece
    except (aiohttp.ClientError, ConnectionError) as error:
        raise InvalidInputError("The upload broke off.", why=str(error), remedy="Send it again.") from error
