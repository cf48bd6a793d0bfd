"""The stream of events."""

import asyncio
import json
from collections.abc import AsyncGenerator
from functools import partial
from typing import Final

from aiohttp import web

from api.context import Context
from api.streams import EVENT_STREAM, HEARTBEAT_S
from homeport.asked import EventsQuery
from homeport.errors import InvalidInputError
from homeport.server_sent import comment, server_sent_event
from homeport.state.events import events_after
from homeport.wire import event_json

_PIECE: Final = 200  # events read at once: what a slow client keeps in memory
_RETRY_MS: Final = 2000


async def stream(context: Context, *, request: web.Request, query: EventsQuery) -> web.StreamResponse:
    """Events as they happen, as server-sent events; resumes after `Last-Event-ID` or `after`."""
    known = _last_event_id(request.headers.get("Last-Event-ID"))
    latest = await context.feed.latest()
    after = known if known is not None else query.after
    start = latest if after is None else min(after, latest)
    return await context.streams.send(request, _messages(context, start, query), content_type=EVENT_STREAM)


async def _messages(context: Context, position: int, query: EventsQuery) -> AsyncGenerator[bytes]:
    # An id without data: a client that is cut off before the first event knows where to go on.
    yield f"id: {position}\nretry: {_RETRY_MS}\n\n".encode()
    newest = await context.feed.latest()
    now = asyncio.get_running_loop().time
    spoken = now()
    while True:
        question = partial(events_after, seq=position, app=query.app, job=query.job, limit=_PIECE)
        events = await context.read(question)
        for event in events:
            yield server_sent_event(json.dumps(event_json(event)), event=event.kind, event_id=event.seq)
        if len(events) == _PIECE:
            position = events[-1].seq
            continue
        spoken = now() if events else spoken
        position = max(position, newest, *(event.seq for event in events))
        newest = await context.feed.wait_beyond(position, spoken + HEARTBEAT_S - now())
        if now() < spoken + HEARTBEAT_S:
            yield b""  # what happened may be another app's, and the client may have gone
        else:
            yield comment("still here")
            spoken = now()


def _last_event_id(header: str | None) -> int | None:
    if not header:
        return None
    if header.isascii() and header.isdecimal() and len(header) < 19:  # SQLite's integers end at 2**63
        return int(header)
    raise InvalidInputError(
        "Last-Event-ID is none of ours.",
        remedy="Send the last id of the stream, or leave it out.",
        errors=[{"pointer": "Last-Event-ID", "detail": "not a number"}],
    )
