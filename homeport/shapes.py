"""The shapes of answers, as types: what /openapi.json says of them."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from homeport.caches import Ecosystem
from homeport.models import AppState, CatalogKind, DesiredState, JobKind, JobState, Queue, StepState
from homeport.risks import Risk

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


class PermissionShape(_Shape):
    """A permission, how far it reaches, and what it allows in plain words."""

    permission: str
    risk: Risk
    words: str


class RatingShape(_Shape):
    """How far permissions reach together; the gravest reason first."""

    risk: Risk
    reasons: list[str]


class AppShape(_Shape):
    """One installed instance of a definition."""

    app_id: int
    identifier: str
    definition: str
    catalog: str | None = Field(description="null: the definition was sent with the request")
    title: str
    version: str
    host_name: str
    aliases: list[str] = Field(description="further host names")
    published: bool = Field(description="whether the reverse proxy leads its names to it")
    no_route: str | None = Field(description="why it does not, although it should")
    url: str | None = Field(description="its address by name; null where no proxy leads there")
    host_port: int | None = Field(description="null for an app without a web page")
    path: str | None
    state: AppState
    desired: DesiredState
    limits: LimitsShape
    data: list[str] = Field(description="the owner's folders, relative to the project's")
    images: dict[str, dict[str, Any]]
    ports: list[dict[str, Any]] = Field(description="further published ports")
    permissions: list[PermissionShape] = Field(description="what the owner granted")
    rating: RatingShape
    settings: dict[str, str] = Field(description="what the owner set")
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
    position: int | None = Field(description="jobs of its queue that come first; null unless it is queued")
    waits: str | None = Field(description="what it waits for, in words; null unless it is queued")
    waiting_for: str | None = Field(description="the id of the job that must end first")
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


class ScheduleShape(_Shape):
    """A work that is done by the clock."""

    name: str = Field(description="refresh or history")
    expression: str = Field(description="cron: minute, hour, day, month, day of the week")
    time_zone: str = Field(description="that the expression is read in")
    next_at: datetime | None
    last_at: datetime | None = Field(description="when its last job was queued")
    last_job: str | None = Field(description="the id of that job")


class CertificateShape(_Shape):
    """A certificate of the owner's."""

    name: str
    names: list[str] = Field(description="the host names that it covers; `*.` stands for one label")
    fingerprint: str = Field(description="SHA-256, in hexadecimal")
    not_before: datetime
    not_after: datetime
    added_at: datetime
    problem: str | None = Field(description="why it is not served")


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

    name: str = Field(description="what it is asked for by: its own name, or catalog/name")
    catalog: str
    qualified: str = Field(description="catalog/name, which is never ambiguous")
    title: str | None
    version: str | None
    description: str | None
    permissions: list[PermissionShape] = Field(description="what the owner is asked to grant")
    rating: RatingShape | None = Field(description="null for a broken definition")
    problem: StoredProblemShape | None


class SettingShape(_Shape):
    """A setting of a definition."""

    default: str
    description: str
    required: bool = Field(description="whether the owner must give a value")
    build: bool = Field(description="whether it is a build argument, too")


class DefinitionShape(CatalogEntryShape):
    """A definition with what it would run and publish."""

    web: dict[str, Any] | None
    services: list[str]
    builds: list[str] = Field(description="the services whose images are built on the box")
    pulls: dict[str, str] = Field(description="the images of the others, by service")
    ports: list[dict[str, Any]] = Field(description="ports published besides the host port")
    settings: dict[str, SettingShape] = Field(description="what the owner may set, by name")


class CatalogShape(_Shape):
    """A catalog: where its definitions come from, and how its last refresh went."""

    name: str
    kind: CatalogKind
    source: str = Field(description="without what may be secret in an address")
    revision: str = Field(description="what was fetched last: a commit, or a digest")
    definitions: int
    added_at: datetime
    refreshed_at: datetime | None = Field(description="null: never fetched yet")
    problem: StoredProblemShape | None = Field(description="why the last refresh failed")


class NoteShape(_Shape):
    """Something that a conversion dropped, changed or assumed, and why."""

    kind: str
    what: str
    why: str


class ConversionShape(_Shape):
    """A definition that was made of a text; nothing is stored of it."""

    name: str
    files: dict[str, str] = Field(description="the definition's files, by name")
    notes: list[NoteShape]
    permissions: list[PermissionShape]
    rating: RatingShape


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
