"""Tokens: list, create, revoke."""

from datetime import UTC, datetime

from aiohttp import web

from api.context import Context
from homeport.asked import PageQuery, TokenRequest
from homeport.state.tokens import create_token, list_tokens, revoke_token
from homeport.wire import part, token_json


async def list_all(context: Context, *, query: PageQuery) -> web.Response:
    """The tokens' names; their secrets are stored nowhere."""
    found = part(await context.read(list_tokens), lambda token: token.name, query.limit, query.cursor)
    items = [token_json(token.name, token.created_at, token.expires_at) for token in found.items]
    return web.json_response({"items": items, "next": found.next})


async def create(context: Context, *, body: TokenRequest) -> web.Response:
    """Makes a token; this answer alone holds its secret."""
    now = datetime.now(UTC)
    plain = await context.writer.write(lambda connection: create_token(connection, body.name, now))
    return web.json_response(
        {**token_json(body.name, now, None), "token": plain},
        status=201,
        headers={"Cache-Control": "no-store"},
    )


async def revoke(context: Context, *, name: str) -> web.Response:
    """Makes a token worthless, at once."""
    await context.writer.write(lambda connection: revoke_token(connection, name))
    context.tokens.forget()
    return web.Response(status=204)
