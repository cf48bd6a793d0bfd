"""Whether the components answer: the database, by its one writer, Redis, and the package caches."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from redis.exceptions import RedisError

from homeport.caches import HEALTH_PATH, HEALTH_WAIT_S, Ecosystem
from homeport.errors import HomeportError
from homeport.settings import Settings
from homeport.state.database import Database, check_disk
from homeport.state.feed import connect_redis
from homeport.state.schema import check_tables
from homeport.state.steward import Steward
from homeport.state.writer import Writer

_PROBE_S: Final = 2.0  # what takes longer counts as down


def check_database(url: str) -> None:
    """Looks whether the database is there and fits.

    Raises:
        StateUnavailableError: it is not, or does not.
    """
    database = Database(url)
    try:
        with database.read() as connection:
            check_tables(connection)
    finally:
        database.close()


async def components_of(settings: Settings, writer: Writer, steward: Steward) -> dict[str, dict[str, Any]]:
    """Each component that the API can see, with `status` ok or down, and why."""
    checks = {
        "database": why_unwritable(settings, writer),
        "redis": why_redis_is_away(settings.redis),
        "steward": _why_no_steward(steward),
    }
    found = await asyncio.gather(*checks.values())
    components = {
        name: {"status": "down", "why": why} if why else {"status": "ok"}
        for name, why in zip(checks, found, strict=True)
    }
    components |= await _caches(settings) if settings.package_caches else {}
    return components | (await _proxy(steward) if settings.proxy != "none" else {})


async def _why_no_steward(steward: Steward) -> str:
    return "" if await steward.health() is not None else "It does not answer on its socket."


async def _proxy(steward: Steward) -> dict[str, dict[str, Any]]:
    """How the reverse proxy is, as the steward, which speaks to it, saw last."""
    health = await steward.health()
    why = "The steward does not tell." if health is None else str(health.get("proxy", ""))
    told = f"{why} Apps are reached by their ports alone, from where these are open (the setting publish)."
    return {"proxy": {"status": "down", "why": told} if why else {"status": "ok"}}


async def _caches(settings: Settings) -> dict[str, dict[str, Any]]:
    states = await cache_states(settings)
    down = [ecosystem for ecosystem, state in states.items() if state == "down"]
    why = f"Builds fetch packages of {', '.join(down)} from the registries themselves."
    state = {"status": "down", "why": why} if down else {"status": "ok"}
    return {"caches": {**state, "ecosystems": dict(states)}}


async def why_unwritable(settings: Settings, writer: Writer) -> str:
    """Why the database cannot be written by the one writer; nothing where it can."""
    try:
        async with asyncio.timeout(_PROBE_S):
            await writer.write(check_tables)
            await asyncio.to_thread(check_disk, settings.database)
    except HomeportError as error:
        return error.what
    except TimeoutError:
        return f"No write ended within {_PROBE_S:g} s."
    return ""


async def why_redis_is_away(url: str) -> str:
    """Why Redis cannot be used; nothing where it can."""
    try:
        async with connect_redis(url) as client:
            await client.ping()
    except (RedisError, OSError) as error:
        return f"It does not answer: {type(error).__name__}."
    return ""


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
