"""Which HTTP status an error has, and how it is told: RFC 9457 problem documents."""

from typing import Any, Final

from aiohttp import web

from homeport.errors import Problem

STATUS_OF: Final[dict[str, int]] = {
    "internal_error": 500,
    "definition_invalid": 422,
    "policy_refused": 422,
    "permissions_not_granted": 403,
    "catalog_unavailable": 502,
    "not_convertible": 422,
    "invalid_input": 422,
    "idempotency_key_reused": 422,
    "queue_full": 429,
    "payload_too_large": 413,
    "unauthorized": 401,
    "not_found": 404,
    "method_not_allowed": 405,
    "taken": 409,
    "not_possible_now": 409,
    "port_in_use": 409,
    "foreign_object": 409,
    "cancelled": 409,
    "disk_full": 507,
    "state_unavailable": 503,
    "component_unavailable": 503,
    "engine_unavailable": 503,
    "engine_refused": 502,
    "pull_failed": 502,
    "build_failed": 500,
    "build_out_of_memory": 500,
    "context_too_large": 413,
    "archive_refused": 422,
    "start_failed": 500,
    "unhealthy": 500,
    "container_exited": 500,
    "program_missing": 500,
    "program_failed": 500,
    "stalled": 504,
    "ceiling_reached": 504,
    "worker_lost": 500,
    "lease_lost": 500,
}
"""Every error code with its status. The later ones reach a client only inside a job's `problem`."""


def problem_document(problem: Problem) -> dict[str, Any]:
    """The members of RFC 9457 section 3.1, with ours (`code`, `restored`, `remedy`, `facts`) beside them."""
    return {
        "type": f"urn:homeport:problem:{problem.code}",
        "title": problem.what,
        "status": STATUS_OF.get(problem.code, 500),
        "detail": problem.why,
        "code": problem.code,
        "restored": problem.restored,
        "remedy": problem.remedy,
        "facts": dict(problem.facts),
    }


def problem_response(problem: Problem) -> web.Response:
    """The answer that tells the problem."""
    document = problem_document(problem)
    response = web.json_response(document, status=document["status"], content_type="application/problem+json")
    if (retry_after_s := problem.facts.get("retry_after_s")) is not None:
        response.headers["Retry-After"] = str(retry_after_s)  # RFC 9110 section 10.2.3
    if response.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="homeport"'  # RFC 6750 section 3
    return response


def refusal_response(refusal: web.HTTPException, path: str) -> web.Response:
    """The same for what aiohttp itself refuses: an unknown path, a wrong method, a body that is too large."""
    code, what, remedy = {
        404: ("not_found", f"There is nothing at {path}.", "See /openapi.json."),
        405: ("method_not_allowed", f"{path} does not take this method.", "See /openapi.json."),
        413: ("payload_too_large", "The request's body is too large.", "Send up to 1 MiB."),
    }.get(refusal.status, ("invalid_input", "The request was refused.", ""))
    response = problem_response(Problem(code=code, what=what, why=refusal.reason, remedy=remedy))
    if allowed := refusal.headers.get("Allow"):
        response.headers["Allow"] = allowed  # RFC 9110 section 15.5.6 wants it with a 405
    return response
