"""The JSON shapes of the API: apps, jobs, caches and events as clients see them, and pages of lists."""

import base64
import binascii
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from homeport.caches import CacheTraffic, Ecosystem
from homeport.errors import InvalidInputError
from homeport.jobs import amahi_progress
from homeport.models import App, Certificate, Job, Limits, Place, StepRow, StoredEvent
from homeport.names import BASE_PORT
from homeport.permissions import parse_permissions
from homeport.risks import permission_json, rate
from homeport.secret_names import without_secrets
from homeport.settings import Settings

T = TypeVar("T")

KEY_FIELD: Final = "Idempotency-Key"
"""The field of a request that becomes one job, however often it is sent: see `homeport.state.idempotency`."""


def limits_json(limits: Limits) -> dict[str, Any]:
    """`{cpus, memory_bytes, pids, disk_bytes}`, null where there is no limit."""
    return {
        "cpus": limits.cpus,
        "memory_bytes": limits.memory_bytes,
        "pids": limits.pids,
        "disk_bytes": limits.disk_bytes,
    }


def app_json(app: App, settings: Settings) -> dict[str, Any]:
    """An app; `path` is on its host port, and both are null for a headless app.

    `url` is its address by name, null where no proxy leads there.
    """
    permissions = parse_permissions(app.permissions)
    return {
        "app_id": app.app_id,
        "identifier": app.identifier,
        "definition": app.definition,
        "catalog": app.catalog,
        "title": app.title,
        "version": app.version,
        "host_name": app.host_name,
        "aliases": list(app.aliases),
        "published": app.published and app.web is not None,
        "no_route": app.no_route or None,
        "url": _url_of(app, settings),
        "host_port": (app.web.port or app.host_port) if app.web else None,
        "path": app.web.path if app.web else None,
        "state": app.state.value,
        "desired": app.desired.value,
        "limits": limits_json(app.limits),
        "data": list(app.data),
        "images": {service: dict(image) for service, image in app.images.items()},
        "ports": [dict(port) for port in app.ports],
        "permissions": [permission_json(permission) for permission in permissions],
        "rating": rate(permissions).as_json(),
        "settings": without_secrets(app.settings),
        "created_at": time_json(app.created_at),
        "updated_at": time_json(app.updated_at),
    }


def _url_of(app: App, settings: Settings) -> str | None:
    if settings.proxy == "none" or app.web is None or not app.published or app.no_route:
        return None
    port = "" if settings.proxy == "apache" or settings.http_port in (0, 80) else f":{settings.http_port}"
    return f"http://{app.host_name}{port}{app.web.path}"


def job_json(
    job: Job, steps: Sequence[StepRow] | None = None, *, place: Place | None = None
) -> dict[str, Any]:
    """A job; `steps` only where they are given. `progress` is 0 to 1, `amahi_progress` Amahi's number.

    `place` is that of a job that is queued.
    """
    shape: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind.value,
        "subject": job.subject,
        "queue": job.queue.value,
        "parameters": _shown_parameters(job.parameters),
        "state": job.state.value,
        "progress": round(job.progress, 4),
        "amahi_progress": amahi_progress(job),
        "step": job.step,
        "detail": job.detail,
        "position": place.position if place else None,
        "waits": place.waits if place else None,
        "waiting_for": job.waiting_for,
        "attempt": job.attempt,
        "cancel_requested": job.cancel_requested,
        "result": dict(job.result) if job.result is not None else None,
        "problem": job.problem.as_json() if job.problem else None,
        "created_at": time_json(job.created_at),
        "started_at": time_json(job.started_at),
        "finished_at": time_json(job.finished_at),
    }
    if steps is not None:
        shape["steps"] = [step_json(step) for step in steps]
    return shape


def _shown_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    if "settings" not in parameters:
        return dict(parameters)
    return {**parameters, "settings": without_secrets(parameters["settings"])}


def box_json(
    settings: Settings,
    *,
    components: Mapping[str, Mapping[str, Any]],
    counts: Mapping[str, int],
    total_bytes: int,
    free_bytes: int,
) -> dict[str, Any]:
    """The box: versions, the settings that matter, counts, room on the disk, how the components are."""
    ok = all(component["status"] == "ok" for component in components.values())
    return {
        "status": "ok" if ok else "degraded",
        "version": version("homeport"),
        "python": platform.python_version(),
        "settings": {
            "domain": settings.domain,
            "publish": settings.publish.value,
            "publish_address": settings.publish_address,
            "proxy": settings.proxy,
            "http_port": settings.http_port,
            "https_port": settings.https_port,
            "base_port": BASE_PORT,
        },
        "counts": dict(counts),
        "disk": {"path": str(settings.state_dir), "total_bytes": total_bytes, "free_bytes": free_bytes},
        "components": {name: dict(component) for name, component in components.items()},
    }


def cache_json(
    ecosystem: Ecosystem,
    traffic: CacheTraffic,
    *,
    status: str,
    since: datetime | None,
    size_bytes: int | None,
    files: int | None,
    max_bytes: int,
    line_mbit_s: float,
) -> dict[str, Any]:
    """A package cache; `size_bytes` and `files` null: nobody has looked yet."""
    return {
        "ecosystem": ecosystem.value,
        "status": status,
        "size_bytes": size_bytes,
        "files": files,
        "max_bytes": max_bytes,
        **traffic.as_json(),
        "hit_rate": round(traffic.hits / traffic.requests, 4) if traffic.requests else None,
        "bytes_saved": max(0, traffic.bytes_served - traffic.bytes_fetched),
        "seconds_saved": round(traffic.seconds_saved(line_mbit_s), 1),
        "line_mbit_s": line_mbit_s,
        "since": time_json(since),
    }


def step_json(step: StepRow) -> dict[str, Any]:
    """A step, without its record, which is nobody's business but the plan's."""
    return {
        "name": step.name,
        "state": step.state.value,
        "detail": step.detail,
        "attempts": step.attempts,
        "started_at": time_json(step.started_at),
        "finished_at": time_json(step.finished_at),
    }


def certificate_json(certificate: Certificate) -> dict[str, Any]:
    """A certificate, without its key."""
    return {
        "name": certificate.name,
        "names": list(certificate.names),
        "fingerprint": certificate.fingerprint,
        "not_before": time_json(certificate.not_before),
        "not_after": time_json(certificate.not_after),
        "added_at": time_json(certificate.added_at),
        "problem": certificate.problem or None,
    }


def token_json(name: str, created_at: datetime, expires_at: datetime | None) -> dict[str, Any]:
    """A token, without its secret."""
    return {
        "name": name,
        "created_at": time_json(created_at),
        "expires_at": time_json(expires_at),
    }


def event_json(event: StoredEvent) -> dict[str, Any]:
    """An event; `id` is its place in the stream."""
    return {
        "id": event.seq,
        "at": time_json(event.at),
        "kind": event.kind,
        "app": event.app,
        "job": event.job,
        "facts": dict(event.facts),
    }


def cursor_of(key: str | int) -> str:
    """A list's place as opaque text."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def key_of(cursor: str | None) -> str | None:
    """The place that `cursor_of` wrote.

    Raises:
        InvalidInputError: it wrote no such thing.
    """
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _wrong_cursor() from error


def number_of(cursor: str | None) -> int | None:
    """The place as a number.

    Raises:
        InvalidInputError: it is none.
    """
    key = key_of(cursor)
    if key is None or (key.isascii() and key.isdecimal() and len(key) < 19):  # SQLite's integers end at 2**63
        return None if key is None else int(key)
    raise _wrong_cursor()


def _wrong_cursor() -> InvalidInputError:
    return InvalidInputError(
        "The cursor is none of ours.",
        remedy="Take `next` of the list before, or leave it out to begin anew.",
        errors=[{"pointer": "?cursor", "detail": "not a cursor"}],
    )


def page(items: Sequence[Any], limit: int, next_key: str | int | None) -> dict[str, Any]:
    """A list's answer. `items` may hold one more than the limit, which says that there is a next page."""
    more = len(items) > limit
    return {
        "items": list(items[:limit]),
        "next": cursor_of(next_key) if more and next_key is not None else None,
    }


@dataclass(frozen=True, kw_only=True)
class Part(Generic[T]):
    """A part of a list that is in memory, and the cursor of the next; None at the end."""

    items: Sequence[T]
    next: str | None


def part(items: Iterable[T], key: Callable[[T], str], limit: int, cursor: str | None) -> Part[T]:
    """The part of a list behind a cursor, ordered by a key that no two items share.

    Raises:
        InvalidInputError: the cursor is none of ours.
    """
    after = key_of(cursor)
    left = sorted((item for item in items if after is None or key(item) > after), key=key)
    return Part(items=left[:limit], next=cursor_of(key(left[limit - 1])) if len(left) > limit else None)


def time_json(moment: datetime | None) -> str | None:
    """The moment as RFC 3339 has it, to the millisecond."""
    return moment.isoformat(timespec="milliseconds") if moment else None


def refused_shape(what: str, error: ValidationError, prefix: str) -> InvalidInputError:
    """The error for what has not the shape that it must have; the first 50 faults of it.

    Args:
        what: what happened.
        error: pydantic's.
        prefix: of each fault's pointer: `/` in a body, `?` in a query.
    """
    errors = [
        {
            "pointer": prefix + "/".join(str(part) for part in item["loc"]),
            "detail": item["msg"].removeprefix("Value error, "),
        }
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:50]
    ]
    why = "; ".join(f"{item['pointer']}: {item['detail']}" for item in errors)
    return InvalidInputError(what, why=why, remedy="Correct it; /openapi.json describes it.", errors=errors)
