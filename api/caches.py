"""The package caches: what they hold and saved, and trimming them."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp
from aiohttp import web

from api.context import Context
from api.jobs import accepted
from homeport.caches import HEALTH_PATH, HEALTH_WAIT_S, Ecosystem
from homeport.settings import Settings
from homeport.shapes import TrimRequest
from homeport.state.accept import accept_trim
from homeport.state.caches import cache_totals
from homeport.wire import cache_json


async def list_all(context: Context) -> web.Response:
    """What each package cache holds, what it was asked for, and what it saved."""
    settings = context.settings
    states = await cache_states(settings)
    totals = await context.read(cache_totals)
    items = [
        cache_json(
            ecosystem,
            total.traffic,
            status=states[ecosystem],
            since=total.since,
            size_bytes=total.size_bytes,
            files=total.files,
            max_bytes=settings.cache_max_bytes,
            line_mbit_s=settings.line_mbit_s,
        )
        for ecosystem, total in totals.items()
    ]
    return web.json_response({"items": items, "next": None})


async def cache_states(settings: Settings) -> Mapping[Ecosystem, str]:
    """How each package cache is: `ok`, `down`, or `off` where the box is to have none."""
    if not settings.package_caches:
        return dict.fromkeys(Ecosystem, "off")
    timeout = aiohttp.ClientTimeout(total=HEALTH_WAIT_S)
    connector = aiohttp.UnixConnector(str(settings.caches_socket))
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        try:
            async with session.get(f"http://caches{HEALTH_PATH}") as answer:
                down = {200: [], 503: [Ecosystem.PIP]}.get(answer.status, list(Ecosystem))
        except (aiohttp.ClientError, OSError, TimeoutError):
            down = list(Ecosystem)
    return {ecosystem: "down" if ecosystem in down else "ok" for ecosystem in Ecosystem}


async def trim(context: Context, *, body: TrimRequest) -> web.Response:
    """Takes from package caches what was not used for longest, until they hold no more than is said."""
    job = await context.writer.write(
        lambda connection: accept_trim(
            connection,
            job_id=uuid.uuid4().hex,
            ecosystems=body.ecosystems,
            to_bytes=body.to_bytes,
            now=datetime.now(UTC),
        )
    )
    return accepted(context, job)
