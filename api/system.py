"""The box and its components: system, livez, readyz, metrics."""

import asyncio
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from api.context import Context
from homeport.metrics import CONTENT_TYPE, render_caches, render_catalogs, render_state
from homeport.models import AppState, JobKind, JobState
from homeport.names import BASE_PORT
from homeport.state.apps import count_apps
from homeport.state.caches import cache_totals
from homeport.state.catalogs import list_catalogs
from homeport.state.health import cache_states, why_redis_is_away, why_unwritable
from homeport.state.jobs import count_jobs

_NEEDED: Final = ("database", "redis", "steward")  # without the package caches builds work, and take longer


async def livez() -> web.Response:
    """The process answers."""
    return web.json_response({"status": "alive"})


async def readyz(context: Context) -> web.Response:
    """Whether all that an install needs is up: the database can be written, Redis and the steward answer."""
    components = await _components(context)
    statuses = {name: {"status": component["status"]} for name, component in components.items()}
    ready = all(components[name]["status"] == "ok" for name in _NEEDED)
    shape = {"status": "ready" if ready else "unready", "components": statuses}  # no reasons without a token
    return web.json_response(shape, status=200 if ready else 503)


async def show(context: Context) -> web.Response:
    """Versions, the settings that matter, counts, room on the disk, and how the components are."""
    components = await _components(context)
    apps, jobs = await context.read(_counts)
    queued = sum(count for (_, state), count in jobs.items() if state is JobState.QUEUED)
    settings = context.settings
    disk = await asyncio.to_thread(shutil.disk_usage, settings.state_dir)
    ok = all(component["status"] == "ok" for component in components.values())
    return web.json_response(
        {
            "status": "ok" if ok else "degraded",
            "version": version("homeport"),
            "python": platform.python_version(),
            "settings": {
                "domain": settings.domain,
                "publish": settings.publish.value,
                "publish_address": settings.publish_address,
                "proxy": settings.proxy,
                "base_port": BASE_PORT,
            },
            "counts": {"apps": sum(apps.values()), "jobs": sum(jobs.values()), "queued": queued},
            "disk": {"path": str(settings.state_dir), "total_bytes": disk.total, "free_bytes": disk.free},
            "components": components,
        }
    )


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


async def _components(context: Context) -> dict[str, dict[str, Any]]:
    """Each component that the API can see, with `status` ok or down, and why."""
    checks = {
        "database": why_unwritable(context.writer),
        "redis": why_redis_is_away(context.settings.redis),
        "steward": _steward(context),
    }
    found = await asyncio.gather(*checks.values())
    components = {
        name: {"status": "down", "why": why} if why else {"status": "ok"}
        for name, why in zip(checks, found, strict=True)
    }
    return components | (await _caches(context) if context.settings.package_caches else {})


async def _steward(context: Context) -> str:
    return "" if await context.steward.is_up() else "It does not answer on its socket."


async def _caches(context: Context) -> dict[str, dict[str, Any]]:
    states = await cache_states(context.settings)
    down = [ecosystem for ecosystem, state in states.items() if state == "down"]
    why = f"Builds fetch packages of {', '.join(down)} from the registries themselves."
    state = {"status": "down", "why": why} if down else {"status": "ok"}
    return {"caches": {**state, "ecosystems": dict(states)}}


def _counts(connection: Connection) -> tuple[Mapping[AppState, int], Mapping[tuple[JobKind, JobState], int]]:
    return count_apps(connection), count_jobs(connection)
