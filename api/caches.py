"""The package caches: what they hold and saved, and trimming them."""

from functools import partial

from aiohttp import web

from api.accepting import accept
from api.context import Context
from homeport.asked import TrimRequest
from homeport.state.accept import accept_trim
from homeport.state.caches import cache_totals
from homeport.state.health import cache_states
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


async def trim(context: Context, *, request: web.Request, body: TrimRequest) -> web.Response:
    """Takes from package caches what was not used for longest, until they hold no more than is said."""
    change = partial(accept_trim, ecosystems=body.ecosystems, to_bytes=body.to_bytes)
    return await accept(context, request, change, makes_room=True)
