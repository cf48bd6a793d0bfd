"""Bearer tokens: random, shown once, kept as a hash."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, or_, select

from homeport.errors import NotFoundError, TakenError
from homeport.state.schema import TOKENS

_PREFIX: Final = "hp_"  # lets a leaked token be recognised
_RANDOM_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True)
class StoredToken:
    """What is known of a token: not the token itself. `expires_at` None: it is good until it is revoked."""

    name: str
    created_at: datetime
    expires_at: datetime | None


def create_token(conn: Connection, name: str, now: datetime, *, expires_at: datetime | None = None) -> str:
    """Makes a token of that name and gives it in plain text, this once.

    Raises:
        TakenError: there is a token of that name.
    """
    if conn.execute(select(TOKENS.c.name).where(TOKENS.c.name == name)).first() is not None:
        raise TakenError(
            f"There is a token named {name!r} already.",
            remedy="Choose another name, or revoke that token first.",
            kind="token",
            value=name,
            holder=name,
        )
    plain = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    values = {"name": name, "sha256": _hash(plain), "created_at": now, "expires_at": expires_at}
    conn.execute(insert(TOKENS), values)
    return plain


def verify_token(conn: Connection, plain: str, now: datetime) -> str | None:
    """The name of that token; None where it is unknown, revoked or expired. Writes nothing."""
    # Looked up by the hash of 256 random bits: how long the look-up takes says nothing about any token.
    query = select(TOKENS.c.name).where(
        TOKENS.c.sha256 == _hash(plain), or_(TOKENS.c.expires_at.is_(None), TOKENS.c.expires_at > now)
    )
    return conn.execute(query).scalar_one_or_none()


def list_tokens(conn: Connection) -> list[StoredToken]:
    """Every token, by name."""
    query = select(TOKENS.c.name, TOKENS.c.created_at, TOKENS.c.expires_at).order_by(TOKENS.c.name)
    return [StoredToken(**row._mapping) for row in conn.execute(query)]


def revoke_token(conn: Connection, name: str) -> None:
    """Makes the token worthless.

    Raises:
        NotFoundError: there is none of that name.
    """
    if conn.execute(delete(TOKENS).where(TOKENS.c.name == name)).rowcount == 0:
        raise NotFoundError(
            f"There is no token named {name!r}.",
            remedy="`homeport token list` shows the names.",
            kind="token",
            name=name,
        )


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
