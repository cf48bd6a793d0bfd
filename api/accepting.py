"""Requests that become jobs: one way in for all of them, and one answer."""

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from aiohttp import web

from api.auth import TOKEN
from api.context import Context
from homeport.errors import HomeportError
from homeport.models import Job
from homeport.state.idempotency import RequestKey, find_replayed, read_key, request_digest
from homeport.wire import KEY_FIELD, job_json

REPLAYED: Final = "Idempotency-Replayed"
"""The field of an answer to a request that had been sent before."""

Change = Callable[..., Job]
"""Adds the job, called with a connection and the keywords `job_id` and `now`."""


async def accept(
    context: Context,
    request: web.Request,
    change: Change,
    *,
    makes_room: bool = False,
    job_id: str | None = None,
    key: RequestKey | None = None,
) -> web.Response:
    """Commits the job, or finds the one that the same request became before; the answer, 202."""
    key = key or await request_key(request)
    now = datetime.now(UTC)
    added = partial(change, job_id=job_id or uuid.uuid4().hex, now=now)
    admitted = await context.writer.write(
        lambda connection: context.admission.admit(connection, added, key=key, makes_room=makes_room, now=now)
    )
    if not admitted.is_replay:
        context.ringer.ring(admitted.job)
    return _answer(admitted.job, is_replay=admitted.is_replay)


async def accept_judged(context: Context, request: web.Request, judging: Awaitable[Change]) -> web.Response:
    """Accepts what is found to be in order. What is not may have been so when it was sent for the first time.

    The database is asked then only: a question in a thread of its own costs as much as all the rest.
    """
    try:
        change = await judging
    except HomeportError:
        if (answer := await replayed(context, await request_key(request))) is not None:
            return answer
        raise
    return await accept(context, request, change)


async def replayed(context: Context, key: RequestKey | None) -> web.Response | None:
    """The answer to a request that had been sent before."""
    if key is None:
        return None
    job = await context.read(lambda connection: find_replayed(connection, key, datetime.now(UTC)))
    return None if job is None else _answer(job, is_replay=True)


async def request_key(request: web.Request, body_sha256: str | None = None) -> RequestKey | None:
    """The request's key, if it has one; `body_sha256` of a body that is not in memory.

    Raises:
        InvalidInputError: what it has is no key.
    """
    if (fields := request.headers.getall(KEY_FIELD, None)) is None:
        return None
    body_sha256 = body_sha256 or hashlib.sha256(await request.read()).hexdigest()
    digest = request_digest(request.method, request.raw_path, body_sha256)
    return RequestKey(token=request[TOKEN], key=read_key(", ".join(fields)), digest=digest)


def _answer(job: Job, *, is_replay: bool) -> web.Response:
    headers = {"Location": f"/v1/jobs/{job.id}", **({REPLAYED: "true"} if is_replay else {})}
    return web.json_response(job_json(job), status=202, headers=headers)
