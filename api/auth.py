"""Who asks: the bearer token of a request."""

from typing import Final

from aiohttp import web

from homeport.errors import UnauthorizedError
from homeport.state.token_check import TokenCheck

TOKEN: Final = web.RequestKey("token", str)
"""The name of the token that the request came with."""


async def authenticated(tokens: TokenCheck, authorization: str | None) -> str:
    """The name of the token in an `Authorization` header.

    Raises:
        UnauthorizedError: there is none, or it is wrong.
    """
    scheme, _, plain = (authorization or "").partition(" ")
    plain = plain.strip()
    if scheme.lower() != "bearer" or not plain:
        raise UnauthorizedError(
            "This needs a token.",
            why="The request has no header 'Authorization: Bearer TOKEN'.",
            remedy="'homeport token create NAME' makes one; the first lies in the state folder.",
        )
    if (name := await tokens.name_of(plain)) is None:
        raise UnauthorizedError(
            "The token is wrong.",
            why="No token of this box is like it; it may have been revoked.",
            remedy="'homeport token create NAME' makes a new one.",
        )
    return name
