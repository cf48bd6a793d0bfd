"""Server-sent events as bytes: the messages of section 9.2 of the WHATWG's HTML standard. Pure."""

from collections.abc import AsyncGenerator
from typing import Final

_LONGEST_LINE: Final = 64 * 1024  # what has no line's end for so long is sent as a line


def server_sent_event(text: str, *, event: str = "", event_id: int | None = None) -> bytes:
    """One message: its data, and the event's name and id where they are given."""
    lines = [f"id: {event_id}"] if event_id is not None else []
    lines += [f"event: {event}"] if event else []
    lines += [f"data: {line}" for line in text.split("\n")]
    return ("\n".join(lines) + "\n\n").encode()


def comment(text: str) -> bytes:
    """A line that clients ignore."""
    return f": {text}\n\n".encode()


async def lines_as_events(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """A message for each line of a text that comes in pieces; an empty piece becomes a comment."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        if not piece:
            yield comment("still here")
        for line in lines:
            yield server_sent_event(line.decode("utf-8", "replace").replace("\r", ""))
    if rest:
        yield server_sent_event(rest.decode("utf-8", "replace").replace("\r", ""))
