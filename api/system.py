"""The box and its components: system, livez, readyz, metrics."""

import asyncio
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from api.context import Context
from homeport.metrics import CONTENT_TYPE, render_caches, render_catalogs, render_state
from homeport.models import AppState, JobKind, JobState
from homeport.state.apps import count_apps
from homeport.state.caches import cache_totals
from homeport.state.catalogs import list_catalogs
from homeport.state.health import components_of
from homeport.state.jobs import count_jobs
from homeport.state.schedules import schedules_json
from homeport.wire import box_json

_NEEDED: Final = ("database", "redis", "steward")  # without the package caches builds work, and take longer


async def livez() -> web.Response:
    """The process answers."""
    return web.json_response({"status": "alive"})


async def readyz(context: Context) -> web.Response:
    """Whether all that an install needs is up: the database can be written, Redis and the steward answer."""
    components = await components_of(context.settings, context.writer, context.steward)
    statuses = {name: {"status": component["status"]} for name, component in components.items()}
    ready = all(components[name]["status"] == "ok" for name in _NEEDED)
    shape = {"status": "ready" if ready else "unready", "components": statuses}  # no reasons without a token
    return web.json_response(shape, status=200 if ready else 503)


async def show(context: Context) -> web.Response:
    """Versions, the settings that matter, counts, room on the disk, and how the components are."""
    components = await components_of(context.settings, context.writer, context.steward)
    apps, jobs = await context.read(_counts)
    queued = sum(count for (_, state), count in jobs.items() if state is JobState.QUEUED)
    disk = await asyncio.to_thread(shutil.disk_usage, context.settings.state_dir)
    shape = box_json(
        context.settings,
        components=components,
        counts={"apps": sum(apps.values()), "jobs": sum(jobs.values()), "queued": queued},
        total_bytes=disk.total,
        free_bytes=disk.free,
    )
    return web.json_response(shape)


async def schedule(context: Context) -> web.Response:
    """What is done by the clock: when next, and the job of the last time."""
    now = datetime.now(UTC)
    items = await context.read(lambda connection: schedules_json(connection, context.settings, now))
    return web.json_response({"items": items, "next": None})


async def metrics(context: Context) -> web.Response:
    """Figures for Prometheus."""
    apps, jobs = await context.read(_counts)
    totals = await context.read(cache_totals)
    text = render_state(version("homeport"), jobs, apps, context.streams.count) + context.requests.rendered()
    text += render_caches(
        {ecosystem: total.traffic for ecosystem, total in totals.items()},
        {ecosystem: total.size_bytes for ecosystem, total in totals.items()},
    )
    text += render_catalogs(await context.read(list_catalogs))
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})


def _counts(connection: Connection) -> tuple[Mapping[AppState, int], Mapping[tuple[JobKind, JobState], int]]:
    return count_apps(connection), count_jobs(connection)
