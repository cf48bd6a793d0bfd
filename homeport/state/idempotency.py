"""Requests that are sent again become no second job: the key of a request, kept for a day with its job.

The `Idempotency-Key` field is that of the IETF's HTTPAPI working group (draft-ietf-httpapi-idempotency-key-
header): the client makes up a key for each thing that it wants done, and sends it along with every try.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, insert, select

from homeport.errors import IdempotencyKeyReusedError, InvalidInputError
from homeport.models import Job
from homeport.state.jobs import find_job
from homeport.state.prepared import Prepared
from homeport.state.schema import IDEMPOTENCY_KEYS
from homeport.wire import KEY_FIELD

KEPT: Final = timedelta(hours=24)
"""How long a key is known."""

_LONGEST: Final = 255

_IS_IT: Final = and_(
    IDEMPOTENCY_KEYS.c.token == bindparam("token"), IDEMPOTENCY_KEYS.c.key == bindparam("key")
)
_KNOWN: Final = Prepared(
    select(
        IDEMPOTENCY_KEYS.c.digest,
        IDEMPOTENCY_KEYS.c.job_id,
        (IDEMPOTENCY_KEYS.c.created_at > bindparam("since")).label("is_fresh"),
    ).where(_IS_IT)
)
_REMEMBER: Final = Prepared(insert(IDEMPOTENCY_KEYS), ("token", "key", "digest", "job_id", "created_at"))


@dataclass(frozen=True, kw_only=True)
class RequestKey:
    """A request's key: whose it is, what it is, and what else stands in the request.

    Two tokens may use the same key for different things. `digest` is that of `request_digest`.
    """

    token: str
    key: str
    digest: str


def read_key(field: str) -> str:
    """The key in the field's value: a string in quotation marks (RFC 8941), or without them.

    Raises:
        InvalidInputError: it is empty, too long, or holds other than visible ASCII characters.
    """
    key = field[1:-1] if len(field) > 1 and field[0] == field[-1] == '"' else field
    if 0 < len(key) <= _LONGEST and all("!" <= character <= "~" for character in key):
        return key
    raise InvalidInputError(
        f"The {KEY_FIELD} cannot be taken.",
        why=f"A key has 1 to {_LONGEST} visible ASCII characters, and there is one in a request.",
        remedy="Send a random UUID, and the same again when you send the same request again.",
        errors=[{"pointer": KEY_FIELD, "detail": "not a key"}],
    )


def request_digest(method: str, target: str, body_sha256: str) -> str:
    """What tells a request from another one: its method, its path with its query, and its body."""
    return hashlib.sha256(f"{method} {target} {body_sha256}".encode()).hexdigest()


def find_replayed(conn: Connection, key: RequestKey, now: datetime) -> Job | None:
    """The job that the same request became before, as it is now.

    Raises:
        IdempotencyKeyReusedError: another request had the key.
    """
    known = _look_up(conn, key, now)
    return _job_of(conn, key, known) if known is not None and known.is_fresh else None


def take_key(conn: Connection, key: RequestKey, now: datetime) -> Job | None:
    """Likewise, in a transaction that writes; a key that has expired makes room for its next use.

    Raises:
        IdempotencyKeyReusedError: another request had the key.
    """
    known = _look_up(conn, key, now)
    if known is None:
        return None
    if not known.is_fresh:
        conn.execute(delete(IDEMPOTENCY_KEYS).where(_IS_IT), {"token": key.token, "key": key.key})
        return None
    return _job_of(conn, key, known)


def is_known(conn: Connection, key: RequestKey) -> bool:
    """Whether a request had the key, whatever else stood in it; also while one that has expired is kept."""
    found = select(IDEMPOTENCY_KEYS.c.job_id).where(_IS_IT)
    return conn.execute(found, {"token": key.token, "key": key.key}).first() is not None


def remember(conn: Connection, key: RequestKey, job_id: str, now: datetime) -> None:
    """Keeps a key that nobody has with its job."""
    row = {"token": key.token, "key": key.key, "digest": key.digest, "job_id": job_id, "created_at": now}
    _REMEMBER.execute_all(conn, [row])


class _Known(NamedTuple):
    digest: str
    job_id: str
    is_fresh: bool


def _look_up(conn: Connection, key: RequestKey, now: datetime) -> _Known | None:
    """What is kept of the key, also while it has expired and nobody has used it since."""
    rows = _KNOWN.rows(conn, {"token": key.token, "key": key.key, "since": now - KEPT})
    return _Known(*rows[0]) if rows else None


def _job_of(conn: Connection, key: RequestKey, known: _Known) -> Job | None:
    if known.digest != key.digest:
        raise IdempotencyKeyReusedError(
            "This Idempotency-Key was used for another request.",
            why=f"With it came a request that became the job {known.job_id}; path, query or body differ.",
            remedy="Make up a new key for each thing that is to be done.",
            key=key.key,
            job=known.job_id,
        )
    return find_job(conn, known.job_id)
