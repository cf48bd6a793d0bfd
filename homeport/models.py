"""The values that the parts hand to each other: apps, their versions, jobs, steps, limits, images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from homeport.errors import Problem

SHIPPED: Final = "homeport"
"""The catalog that comes with Homeport, read where it lies."""


class JobKind(StrEnum):
    """What a job does; each kind has one plan."""

    INSTALL = "install"
    """Fetch the images, start the project, wait until it is healthy, record the app."""
    UNINSTALL = "uninstall"
    """Stop and remove what Docker runs; keep the data, or purge it."""
    BUILD = "build"
    """Build the images of a definition, or of an uploaded context, without installing anything."""
    CLEANUP = "cleanup"
    """Give disk back: what the package caches hold, or jobs, logs and events that are old."""
    REFRESH = "refresh"
    """Fetch the definitions of added catalogs anew; what cannot be fetched stays as it was."""
    REPAIR = "repair"
    """Bring what Docker runs of an app, or what is left of one, to what the database wants."""


class JobState(StrEnum):
    """Where a job is on its way: queued -> running -> (undoing ->) succeeded, failed or cancelled."""

    QUEUED = "queued"
    """Accepted and durable; no worker holds it."""
    RUNNING = "running"
    """A worker holds its lease and carries out steps."""
    UNDOING = "undoing"
    """It failed or was cancelled, and what it did is being put back."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing will happen to the job any more."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class StepState(StrEnum):
    """Where a step is; a resumed job starts at the first that is neither done nor undone."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    """It had begun, and what it did was put back."""


class Queue(StrEnum):
    """Dramatiq's queues."""

    APPS = "apps"
    """Every job that is not on one of the others."""
    BUILDS = "builds"
    """Jobs whose plan builds an image: one at a time."""
    UPKEEP = "upkeep"
    """Jobs that look after the box itself."""


class AppState(StrEnum):
    """What an app is doing, as its owner sees it."""

    INSTALLING = "installing"
    RUNNING = "running"
    STOPPED = "stopped"
    UPDATING = "updating"
    UNINSTALLING = "uninstalling"


class DesiredState(StrEnum):
    """What the owner wants of an app."""

    RUNNING = "running"
    STOPPED = "stopped"


class Publish(StrEnum):
    """On which address host ports are published."""

    AUTO = "auto"
    """The LAN's while no proxy is configured or the domain is `localhost`, else loopback."""
    LAN = "lan"
    """Every address: other machines reach the app by its port number."""
    LOOPBACK = "loopback"
    """127.0.0.1 only."""


class CatalogKind(StrEnum):
    """Where a catalog's definitions come from."""

    FOLDER = "folder"
    """A folder of the box, each definition in a folder of its own."""
    GIT = "git"
    """A git repository, fetched by address or path, laid out likewise."""
    INDEX = "index"
    """A JSON index over HTTPS, which names an archive and its SHA-256 for each definition."""


class ImageOrigin(StrEnum):
    """Why an image is ours."""

    BUILT = "built"
    """A job of ours built it."""
    PULLED = "pulled"
    """A job of ours pulled it, and it was not there before."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a service, or an app in sum, may use. None: no limit was set.

    `cpus` counts cores (0.5 is half of one), `memory_bytes` and `disk_bytes` are bytes, `pids` processes.
    """

    cpus: float | None = None
    memory_bytes: int | None = None
    pids: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class WebPort:
    """Where the app answers HTTP, as its owner reaches it.

    `port` is the one of the box on which an app in the box's own network listens itself; None: the app's host
    port.
    """

    path: str = "/"
    port: int | None = None


@dataclass(frozen=True, kw_only=True)
class App:
    """One installed instance of a definition.

    `images` maps each service to the image that it runs (`{"image": reference, "id": "sha256:…",
    "built": bool}`); `data` lists the owner's folders relative to the project folder; `limits` is the sum
    over all services; `web` is None for a headless app; `ports` lists further published ports as
    `{"host_port", "container_port", "protocol", "service"}`; `catalog` is the one that the definition came
    from, None where it was sent with the request; `permissions` are those that the owner granted, as text;
    `settings` what the owner set of the definition's settings; `aliases` are further host names; `published`
    says whether the reverse proxy leads its host names to it, `no_route` why it does not although it should.
    """

    app_id: int
    identifier: str
    definition: str
    title: str
    version: str
    host_name: str
    host_port: int
    state: AppState
    desired: DesiredState
    limits: Limits
    web: WebPort | None
    data: tuple[str, ...] = ()
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ports: tuple[Mapping[str, Any], ...] = ()
    catalog: str | None = None
    permissions: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    published: bool = False
    no_route: str = ""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate that the owner gave, for one host name or many.

    `names` are its DNS names, `*.` for any one label; `pem` is the chain, the host's own first, and its key;
    `fingerprint` is the SHA-256 of the host's own, in hexadecimal; `problem` says why it is not served, ""
    where it is or nobody has tried.
    """

    name: str
    names: tuple[str, ...]
    pem: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    added_at: datetime
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """A catalog that the owner added.

    `generation` names the folder of the fetched definitions ("" before the first refresh that succeeded);
    `revision` says what was fetched: a commit, or a digest; `problem` is why the last refresh failed.
    """

    name: str
    kind: CatalogKind
    source: str
    generation: str = ""
    revision: str = ""
    definitions: int = 0
    problem: Problem | None = None
    added_at: datetime
    refreshed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class CatalogFolder:
    """Where a catalog's definitions lie, each in a folder of its name.

    `is_copy` says that what lies there never changes: another refresh has another folder.
    """

    name: str
    path: Path
    is_copy: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """A queued job's place: how many jobs of its queue come before it, and what it waits for."""

    position: int
    waits: str


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One journaled step of a job. `record` is what lets it be repeated or undone; `detail` is for people."""

    name: str
    state: StepState = StepState.PENDING
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: int = 0
    detail: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One accepted request to change something.

    `subject` is what it changes: an app's identifier, `build:<name>`, `box:caches` or `box:catalogs`;
    `progress` runs from 0 to 1 and never falls; `waiting_for` is the id of the job that holds the subject;
    `seq` orders jobs by arrival; `attempt` counts how often it was queued.
    """

    id: str
    seq: int
    kind: JobKind
    subject: str
    queue: Queue
    parameters: Mapping[str, Any]
    state: JobState
    progress: float = 0.0
    step: str = ""
    detail: str = ""
    waiting_for: str | None = None
    attempt: int = 0
    cancel_requested: bool = False
    result: Mapping[str, Any] | None = None
    problem: Problem | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class LedgerImage:
    """A row of the images ledger: an image that is ours, and why."""

    image_id: str
    reference: str
    origin: ImageOrigin
    job_id: str
    size_bytes: int
    created_at: datetime
    last_used_at: datetime


@dataclass(frozen=True, kw_only=True)
class StoredEvent:
    """Something that happened, in the order of `seq`; `facts` holds JSON values."""

    seq: int
    at: datetime
    kind: str
    app: str | None
    job: str | None
    facts: Mapping[str, Any]
