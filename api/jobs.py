"""Jobs: list, show, cancel, and their logs."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from api.context import Context
from api.streams import PLAIN_TEXT
from homeport.asked import JobLogQuery, JobsQuery
from homeport.models import Job, Place, StepRow
from homeport.state.job_logs import read_log
from homeport.state.jobs import find_job, job_steps, list_jobs, no_such_job, request_cancel
from homeport.state.places import places_of
from homeport.state.reserve import draw_on_reserve
from homeport.state.uploads import remove_upload
from homeport.wire import job_json, number_of, page


async def list_all(context: Context, *, query: JobsQuery) -> web.Response:
    """The jobs, newest first."""
    before = number_of(query.cursor)

    def question(connection: Connection) -> tuple[list[Job], Mapping[str, Place]]:
        found = list_jobs(
            connection, before_seq=before, limit=query.limit + 1, app=query.app, state=query.state
        )
        return found, places_of(connection, found)

    jobs, places = await context.read(question)
    last = jobs[query.limit - 1].seq if len(jobs) > query.limit else None
    return web.json_response(page([_placed(job, places) for job in jobs], query.limit, last))


async def show(context: Context, *, id: str) -> web.Response:  # noqa: A002 - the path's own word
    """One job with its steps."""

    def question(connection: Connection) -> tuple[Job, list[StepRow], Mapping[str, Place]]:
        job = _found(find_job(connection, id), id)
        return job, job_steps(connection, id), places_of(connection, [job])

    job, steps, places = await context.read(question)
    return web.json_response(_placed(job, places, steps))


async def cancel(context: Context, *, id: str) -> web.Response:  # noqa: A002 - the path's own word
    """Cancels a job: at once where it waits (200), as soon as its worker hears of it where it runs (202)."""
    draw_on_reserve(context.settings)
    job = await context.writer.write(lambda connection: request_cancel(connection, id, datetime.now(UTC)))
    context.ringer.ring()
    if job.state.is_terminal:
        remove_upload(context.settings.uploads_dir, job.id)
    return web.json_response(job_json(job), status=200 if job.state.is_terminal else 202)


async def log(
    context: Context,
    *,
    request: web.Request,
    id: str,  # noqa: A002 - the path's own word
    query: JobLogQuery,
) -> web.StreamResponse:
    """What the job wrote down; with follow, until it has ended."""
    job = await _known_job(context, id)
    path = context.settings.jobs_dir / f"{job.id}.log"

    async def has_ended() -> bool:
        return not query.follow or (await _known_job(context, id)).state.is_terminal

    pieces = read_log(path, has_ended, tail=query.tail)
    return await context.streams.send(request, pieces, content_type=PLAIN_TEXT)


async def _known_job(context: Context, job_id: str) -> Job:
    return _found(await context.read(lambda connection: find_job(connection, job_id)), job_id)


def _placed(job: Job, places: Mapping[str, Place], steps: list[StepRow] | None = None) -> dict[str, Any]:
    return job_json(job, steps, place=places.get(job.id))


def _found(job: Job | None, job_id: str) -> Job:
    if job is None:
        raise no_such_job(job_id)
    return job
