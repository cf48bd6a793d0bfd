"""What can go wrong, in words for people and in codes for programs.

Every error says what happened, why, and what to do now; the step engine adds what was put back. Only
`api` knows which HTTP status a code has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An error as it is stored with a job and sent to a client (RFC 9457's members, without the status).

    `what` is the title, `why` the detail, `restored` what was put back, `remedy` what to do now. `facts`
    holds JSON values only; a list of findings stands there under `findings`, the last lines of a program
    or a container under `last_lines`.
    """

    code: str
    what: str
    why: str = ""
    restored: str = ""
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """A JSON object with the fields by name."""
        return {
            "code": self.code,
            "what": self.what,
            "why": self.why,
            "restored": self.restored,
            "remedy": self.remedy,
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The problem that `as_json` wrote."""
        return cls(**stored)

    def with_restored(self, restored: str) -> Self:
        """The same problem, saying what was put back."""
        return replace(self, restored=restored)


class HomeportError(Exception):
    """The root of what Homeport raises on purpose.

    Args:
        what: what happened, one sentence with the names in it.
        why: the cause, as far as it is known.
        remedy: what the reader can do now.
        facts: JSON values that a program may want: names, numbers, last lines.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(self, what: str, *, why: str = "", remedy: str = "", **facts: Any) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.facts = facts

    def problem(self) -> Problem:
        """The error as a value that can be stored and sent."""
        return Problem(code=self.code, what=self.what, why=self.why, remedy=self.remedy, facts=self.facts)

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.remedy) if part)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing wrong in a file: where it stands, what is wrong, and what would be right.

    `key` is a path such as `services.web.ports[0]`; `line` counts from 1 and is None where it is unknown.
    `rule` is a short stable name such as `bind-outside-project`.
    """

    file: str
    key: str
    line: int | None
    rule: str
    what: str
    remedy: str

    def as_json(self) -> dict[str, Any]:
        """A JSON object with the fields by name."""
        return {
            "file": self.file,
            "key": self.key,
            "line": self.line,
            "rule": self.rule,
            "what": self.what,
            "remedy": self.remedy,
        }

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.what} {self.remedy}".rstrip()


class _FindingsError(HomeportError):
    """An error that lists what is wrong in files."""

    def __init__(self, what: str, findings: Sequence[Finding], **facts: Any) -> None:
        self.findings = tuple(findings)
        super().__init__(
            what,
            why="\n".join(str(finding) for finding in self.findings),
            findings=[finding.as_json() for finding in self.findings],
            **facts,
        )


class DefinitionInvalidError(_FindingsError):
    """A definition cannot be read or breaks its schema."""

    code = "definition_invalid"


class PolicyRefusedError(_FindingsError):
    """A definition asks for what the policy does not allow."""

    code = "policy_refused"


class PermissionsNotGrantedError(HomeportError):
    """A definition needs permissions that the owner has not granted.

    Facts: `missing`, a list of `{"permission", "risk", "words"}`, and `rating`, `{"risk", "reasons"}`.
    """

    code = "permissions_not_granted"


class CatalogUnavailableError(HomeportError):
    """A catalog cannot be fetched, or what was fetched is no catalog; facts: `catalog`, `source`."""

    code = "catalog_unavailable"


class NotConvertibleError(HomeportError):
    """A text is nothing that a definition can be made of; facts: `line`, where it is known."""

    code = "not_convertible"


class InvalidInputError(HomeportError):
    """A request's own fields are wrong; `facts["errors"]` is a list of `{"pointer", "detail"}`."""

    code = "invalid_input"


class IdempotencyKeyReusedError(HomeportError):
    """An Idempotency-Key was used before, for another request; facts: `key`, `job`."""

    code = "idempotency_key_reused"


class QueueFullError(HomeportError):
    """As many jobs wait as may wait; facts: `limit`, `queued`, `retry_after_s`."""

    code = "queue_full"


class PayloadTooLargeError(HomeportError):
    """A request's body is larger than what is taken."""

    code = "payload_too_large"


class UnauthorizedError(HomeportError):
    """No token, or a wrong one."""

    code = "unauthorized"


class NotFoundError(HomeportError):
    """The thing named does not exist; facts: `kind`, `name`."""

    code = "not_found"


class TakenError(HomeportError):
    """Another app or a waiting install holds what is asked for; facts: `kind`, `value`, `holder`."""

    code = "taken"


class NotPossibleNowError(HomeportError):
    """The thing exists, and its state does not allow the change (cancelling a finished job, say)."""

    code = "not_possible_now"


class PortInUseError(HomeportError):
    """The host port is held by something that is not ours; facts: `port`, `process`, `pid` where known."""

    code = "port_in_use"


class ForeignObjectError(HomeportError):
    """A container, network or volume of the name we need exists and is not ours; facts: `kind`, `name`."""

    code = "foreign_object"


class DiskFullError(HomeportError):
    """Too little space; facts: `path`, `needed_bytes`, `free_bytes`."""

    code = "disk_full"


class StateUnavailableError(HomeportError):
    """The database cannot be read or written."""

    code = "state_unavailable"


class ComponentUnavailableError(HomeportError):
    """A component of Homeport itself (the steward, say) does not answer; facts: `component`."""

    code = "component_unavailable"


class EngineUnavailableError(HomeportError):
    """The Docker Engine does not answer."""

    code = "engine_unavailable"


class EngineRefusedError(HomeportError):
    """The Docker Engine answered with an error; facts: `status`."""

    code = "engine_refused"


class PullFailedError(HomeportError):
    """An image could not be pulled; facts: `image`."""

    code = "pull_failed"


class BuildFailedError(HomeportError):
    """An image could not be built; facts: `service`, `instruction`, `line`, `exit_code`, `last_lines`."""

    code = "build_failed"


class BuildOutOfMemoryError(BuildFailedError):
    """A build used more memory than it may; the facts of `BuildFailedError`, and `limit_bytes`."""

    code = "build_out_of_memory"


class ContextTooLargeError(HomeportError):
    """A build context is larger than what is built from; facts: `service`, `limit_bytes`, `largest`."""

    code = "context_too_large"


class ArchiveRefusedError(HomeportError):
    """An uploaded archive is broken, too large, or holds what must not be unpacked; facts: `entry`."""

    code = "archive_refused"


class StartFailedError(HomeportError):
    """Compose could not start the project; facts: `last_lines`."""

    code = "start_failed"


class UnhealthyError(HomeportError):
    """The app did not become healthy; facts: `service`, `last_lines`."""

    code = "unhealthy"


class ContainerExitedError(HomeportError):
    """A container ended or restarts again and again; facts: `service`, `exit_code`, `last_lines`."""

    code = "container_exited"


class ProgramMissingError(HomeportError):
    """A program that we need is not installed; facts: `program`."""

    code = "program_missing"


class ProgramFailedError(HomeportError):
    """A program ended with an error; facts: `program`, `exit_code`, `last_lines`."""

    code = "program_failed"


class StalledError(HomeportError):
    """Nothing moved for the stall limit; facts: `stall_s`."""

    code = "stalled"


class CeilingReachedError(HomeportError):
    """Something took longer than its ceiling; facts: `ceiling_s`."""

    code = "ceiling_reached"


class CancelledError(HomeportError):
    """The owner or the platform cancelled the job."""

    code = "cancelled"


class WorkerLostError(HomeportError):
    """A job has brought its worker down too often; facts: `attempts`."""

    code = "worker_lost"


class LeaseLostError(HomeportError):
    """Another worker holds the job now: whatever this one still wants to write is refused."""

    code = "lease_lost"


class HandedBackError(BaseException):
    """The process is about to end: the running step stops where it is and the job is queued again.

    A `BaseException`, so that no `except Exception` on the way takes it for a failure.
    """


def unforeseen(request_id: str) -> Problem:
    """What a client is told of an error that nobody foresaw: no more than where its details are."""
    return Problem(
        code="internal_error",
        what="Homeport made a mistake.",
        why=f"The log of the API has the details under request={request_id}.",
        remedy="Try again; if it stays so, tell the maintainers.",
        facts={"request": request_id},
    )
