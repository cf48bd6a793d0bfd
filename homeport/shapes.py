"""The JSON shapes of answers as types: what /openapi.json says, and what a client may rely on."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from homeport.models import AppState, DesiredState, JobKind, JobState, Queue, StepState

T = TypeVar("T")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(_Shape, Generic[T]):
    """A part of a list; `next` is the cursor of the next part, null at the end."""

    items: list[T]
    next: str | None


class LimitsShape(_Shape):
    """What an app may use in sum; null: no limit."""

    cpus: float | None
    memory_bytes: int | None
    pids: int | None
    disk_bytes: int | None


class AppShape(_Shape):
    """One installed instance of a definition."""

    app_id: int
    identifier: str
    definition: str
    title: str
    version: str
    host_name: str
    host_port: int | None = Field(description="null for an app without a web page")
    path: str | None
    state: AppState
    desired: DesiredState
    limits: LimitsShape
    data: list[str] = Field(description="the owner's folders, relative to the project's")
    images: dict[str, dict[str, Any]]
    ports: list[dict[str, Any]] = Field(description="further published ports")
    created_at: datetime
    updated_at: datetime


class StepShape(_Shape):
    """One step of a job."""

    name: str
    state: StepState
    detail: str
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None


class StoredProblemShape(_Shape):
    """Why a job failed."""

    code: str
    what: str
    why: str
    restored: str
    remedy: str
    facts: dict[str, Any]


class JobShape(_Shape):
    """One accepted request to change something."""

    id: str
    kind: JobKind
    subject: str = Field(description="the app's identifier")
    queue: Queue
    parameters: dict[str, Any]
    state: JobState
    progress: float = Field(description="0 to 1, never falling")
    amahi_progress: int = Field(description="0 to 100; 999 failed, 950 waiting for another job")
    step: str
    detail: str
    waiting_for: str | None
    attempt: int
    cancel_requested: bool
    result: dict[str, Any] | None
    problem: StoredProblemShape | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    steps: list[StepShape] | None = Field(default=None, description="only where one job is asked for")


class TokenShape(_Shape):
    """A token, without its secret."""

    name: str
    created_at: datetime
    expires_at: datetime | None = Field(description="null: good until it is revoked")


class NewTokenShape(TokenShape):
    """A token with its secret, which is shown this once."""

    token: str


class CatalogEntryShape(_Shape):
    """A definition in short; `problem` says why one cannot be installed."""

    name: str
    title: str | None
    version: str | None
    description: str | None
    problem: StoredProblemShape | None


class DefinitionShape(CatalogEntryShape):
    """A definition with what it would run and publish."""

    web: dict[str, Any] | None
    services: list[str]
    builds: list[str] = Field(description="the services whose images are built on the box")
    pulls: dict[str, str] = Field(description="the images of the others, by service")
    ports: list[dict[str, Any]] = Field(description="ports published besides the host port")


class SystemShape(BaseModel):
    """The box: versions, settings that matter, counts, room, and how the components are."""

    status: str = Field(description="ok or degraded")
    version: str
    python: str
    settings: dict[str, Any]
    counts: dict[str, int]
    disk: dict[str, Any]
    components: dict[str, dict[str, Any]]


class ReadinessShape(_Shape):
    """Whether all that an install needs is up."""

    status: str = Field(description="ready or unready")
    components: dict[str, dict[str, Any]]


class ProblemShape(_Shape):
    """An RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    restored: str
    remedy: str
    facts: dict[str, Any]
