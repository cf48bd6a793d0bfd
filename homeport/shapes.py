"""The shapes on the wire as types: what requests may hold, and what /openapi.json says of answers."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from homeport.caches import Ecosystem
from homeport.models import AppState, DesiredState, JobKind, JobState, Queue, StepState

T = TypeVar("T")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InstallRequest(_Shape):
    """Which definition to install, and what to call the app."""

    definition: StrictStr = Field(min_length=1, max_length=63, description="a name in the catalog")
    identifier: StrictStr | None = Field(
        default=None, max_length=63, description="default: the definition's name"
    )
    app_id: StrictInt | None = Field(
        default=None, description="the platform's number; default: the next free"
    )
    host_name: StrictStr | None = Field(
        default=None, max_length=253, description="a label, to which the domain is added, or a full name; "
        "default: the identifier"
    )  # fmt: skip


class BuildRequest(_Shape):
    """Which definition of the catalog to build."""

    definition: StrictStr = Field(min_length=1, max_length=63, description="a name in the catalog")


class BuildQuery(_Shape):
    """What an uploaded archive does not say itself."""

    name: str | None = Field(
        default=None, max_length=63, description="a label; a definition has its own, a context needs one"
    )
    dockerfile: str = Field(
        default="Dockerfile", min_length=1, max_length=1024, description="of a context, by its name in there"
    )


class TrimRequest(_Shape):
    """Which package caches to trim, and how far."""

    ecosystems: list[Ecosystem] = Field(default=list(Ecosystem), min_length=1, description="default: all")
    to_bytes: StrictInt = Field(default=0, ge=0, description="what each may keep; default: nothing")


class TokenRequest(_Shape):
    """The name of a new token."""

    name: StrictStr = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="who will use it")


class NoQuery(_Shape):
    """No parameter at all."""


class PageQuery(_Shape):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=400, description="`next` of the page before")


class JobsQuery(PageQuery):
    """Which jobs; newest first."""

    app: str | None = Field(default=None, max_length=63, description="an app's identifier")
    state: JobState | None = None


class UninstallQuery(_Shape):
    """What to remove besides containers and networks."""

    purge: bool = Field(
        default=False, description="the app's data too: folders and volumes that Homeport made"
    )
    remove_images: bool = Field(default=False, description="images that are ours and that no other app needs")


class AppLogsQuery(_Shape):
    """Which lines of the app's containers."""

    tail: int = Field(default=100, ge=0, le=10_000, description="how many of the last lines")
    follow: bool = Field(default=False, description="go on with new lines as they come")
    service: str | None = Field(default=None, max_length=63, description="one service instead of all")


class JobLogQuery(_Shape):
    """Which lines of a job's log."""

    tail: int | None = Field(default=None, ge=0, le=100_000, description="only so many of the last lines")
    follow: bool = Field(default=False, description="go on until the job has ended")


class EventsQuery(_Shape):
    """Which events; without `after` and without Last-Event-ID, those from now on."""

    after: int | None = Field(default=None, ge=0, description="the id of the last event that is known")
    app: str | None = Field(default=None, max_length=63)
    job: str | None = Field(default=None, max_length=64)


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
    subject: str = Field(description="the app's identifier, build:NAME, box:caches or box:catalogs")
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


class CacheShape(_Shape):
    """A package cache: what it holds, what it did since `since`, and what that saved."""

    ecosystem: Ecosystem
    status: str = Field(description="ok, down, or off")
    size_bytes: int | None = Field(description="null: not known yet; looked at every minute")
    files: int | None
    max_bytes: int
    requests: int
    hits: int = Field(description="answered without asking upstream for the content")
    hit_rate: float | None = Field(description="0 to 1; null before the first request")
    bytes_served: int
    bytes_fetched: int = Field(description="from upstream")
    bytes_saved: int
    seconds_saved: float = Field(description="on a line of `line_mbit_s`")
    line_mbit_s: float
    since: datetime | None


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
