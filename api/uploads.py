"""Archives that are sent with a request: stored under their job's id, judged, and removed if refused."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
from aiohttp import web
from pydantic import BaseModel

from api.accepting import REPLAYED, Change, accept, replayed, request_key
from api.context import Context
from homeport.errors import InvalidInputError
from homeport.state.admission import require_chance
from homeport.state.uploads import remove_upload, store_upload

T = TypeVar("T")

ARCHIVES: Final = ("application/x-tar", "application/gzip")
"""The media types of an upload; whether it is packed is seen in it."""


async def accept_upload(
    context: Context, request: web.Request, judge: Callable[[Path], Change]
) -> web.Response:
    """Stores the archive, judges it in a thread, and queues its job, which has the upload's id."""
    settings, upload, digest = context.settings, uuid.uuid4().hex, hashlib.sha256()
    key = await request_key(request, "of a body that is not read yet")
    await context.read(partial(require_chance, settings=settings, key=key))
    archive = await store_upload(
        settings.uploads_dir,
        upload,
        _pieces(request),
        max_bytes=settings.upload_max_bytes,
        spare_bytes=settings.spare_bytes,
        announced_bytes=request.content_length,
        on_piece=digest.update,
    )
    try:
        answer = await _accept_stored(context, request, judge, archive, digest.hexdigest())
    except Exception:  # not where the API is about to end: the job may be stored, and uploads are swept
        remove_upload(settings.uploads_dir, upload)
        raise
    if REPLAYED in answer.headers:
        remove_upload(settings.uploads_dir, upload)
    return answer


async def _accept_stored(
    context: Context, request: web.Request, judge: Callable[[Path], Change], archive: Path, sha256: str
) -> web.Response:
    key = await request_key(request, sha256)
    if (answer := await replayed(context, key)) is not None:
        return answer
    async with context.judging:
        change = await asyncio.to_thread(judge, archive)
    upload = archive.stem
    return await accept(context, request, partial(change, upload=upload), job_id=upload, key=key)


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
