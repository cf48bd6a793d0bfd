"""A small scenario for each kind of job: how the box gets ready for it, and how it shall be then."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import requests
from docker.errors import ImageNotFound

from homeport.models import Job, JobKind
from homeport.state.accept import accept_history
from homeport.state.database import Database
from homeport.state.repairs import accept_repair
from tests.harness.definitions import built_app, pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.leftovers import leftovers
from tests.harness.standins import publish_standin

IMAGE = "acme/matrix:1"
NEIGHBOUR = "neighbour"
SERVICE = "    volumes: ['./files:/files', 'store:/store']\nvolumes: {store: {}}\n"
CATALOG = "club"


class Scenario(ABC):
    """A kind of job. `parameters` are those that its plan depends on, for whoever asks for its steps."""

    name: ClassVar[str]
    kind: ClassVar[JobKind]
    parameters: ClassVar[Mapping[str, Any]] = {}
    is_asked_for: ClassVar[bool] = True
    """Whether a request makes it; else the steward does."""
    fails_at: ClassVar[str] = ""
    """The step at which it fails when its undos are looked at; empty: its last."""

    def __init__(self, box: HomeportBox, engine: EngineBox) -> None:
        self.box = box
        self.engine = engine

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Makes what the job needs."""

    @abstractmethod
    def submit(self) -> Json:
        """Asks for the job."""

    @abstractmethod
    def faults_of_success(self) -> list[str]:
        """What is not as it shall be after the job has succeeded."""

    def faults_of_failure(self) -> list[str]:
        """What is not as it shall be after the job has failed."""
        return []

    def clear(self) -> None:  # noqa: B027 - most leave nothing
        """Takes away what the job has made, so that the next begins as this one did."""

    def accepted(self, answer: requests.Response) -> Json:
        """The job that an answer gave."""
        assert answer.status_code == requests.codes.accepted, answer.text
        job: Json = answer.json()
        return job

    def has_container(self, name: str) -> bool:
        """Whether the engine has a container of that name that runs."""
        return bool(self.engine.client.containers.list(filters={"name": f"^{name}$", "status": "running"}))

    def has_image(self, reference: str) -> bool:
        """Whether the engine has an image of that name."""
        try:
            return bool(self.engine.client.images.get(reference))
        except ImageNotFound:
            return False


class Install(Scenario):
    """An app of one pulled image with a folder and a volume."""

    name, kind = "install", JobKind.INSTALL
    parameters: ClassVar[Mapping[str, Any]] = {
        "definition": "tough",
        "identifier": "tough",
        "app_id": 1,
        "host_name": "x",
        "host_port": 35001,
    }

    def prepare(self) -> None:
        """See `Scenario`."""
        self.engine.remove_image(IMAGE)

    def submit(self) -> Json:
        """See `Scenario`."""
        return self.box.install("tough", app_id=700)

    def faults_of_success(self) -> list[str]:
        """See `Scenario`."""
        found = [] if self.box.answers("tough") else ["the app does not answer"]
        count = len([event for event in self.box.events("app.installed") if event["app"] == "tough"])
        images = self.box.sql("SELECT origin FROM images WHERE reference = ?", IMAGE)
        found += [] if count else ["its install was told to nobody"]
        return found + ([] if images == [("pulled",)] else [f"its image is in the ledger as {images}"])

    def faults_of_failure(self) -> list[str]:
        """See `Scenario`."""
        return leftovers(self.box, "tough")

    def clear(self) -> None:
        """See `Scenario`."""
        if any(app["identifier"] == "tough" for app in self.box.apps()):
            self.box.succeed(self.box.uninstall("tough", purge=True, remove_images=True))


class Uninstall(Install):
    """The same app, taken away with its data and its image."""

    name, kind = "uninstall", JobKind.UNINSTALL
    fails_at = "remove data"  # behind it there is no way back
    parameters: ClassVar[Mapping[str, Any]] = {"identifier": "tough", "purge": True, "remove_images": True}

    def prepare(self) -> None:
        """See `Scenario`."""
        self.box.succeed(self.box.install("tough", app_id=700))

    def submit(self) -> Json:
        """See `Scenario`."""
        return self.box.uninstall("tough", purge=True, remove_images=True)

    def faults_of_success(self) -> list[str]:
        """See `Scenario`."""
        return leftovers(self.box, "tough") + (["its image is there"] if self.has_image(IMAGE) else [])

    def faults_of_failure(self) -> list[str]:
        """The app runs again, or its uninstall goes on when it is asked for again."""
        if any(app["identifier"] == "tough" for app in self.box.apps()):
            self.box.wait(self.submit())  # which finds nothing more where the reconciler was sooner
        return leftovers(self.box, "tough", but_data=True)

    def clear(self) -> None:
        """See `Scenario`: also data that an uninstall of the reconciler's has kept."""
        if leftovers(self.box, "tough"):
            self.box.succeed(self.box.install("tough", app_id=700))
            self.box.succeed(self.submit())


class Build(Scenario):
    """The image of a definition of the catalog."""

    name, kind = "build", JobKind.BUILD
    parameters: ClassVar[Mapping[str, Any]] = {"definition": "made", "name": "made"}

    def submit(self) -> Json:
        """See `Scenario`."""
        return self.accepted(self.box.post("/v1/builds", {"definition": "made"}))

    def _images(self) -> list[str]:
        found = self.engine.client.images.list(filters={"label": "homeport.definition=made"})
        return [str(image.id) for image in found]

    def faults_of_success(self) -> list[str]:
        """See `Scenario`."""
        rows = self.box.sql("SELECT image_id FROM images WHERE origin = 'built'")
        return (
            [] if sorted(self._images()) == sorted(row[0] for row in rows) else [f"{self._images()} {rows}"]
        )

    def faults_of_failure(self) -> list[str]:
        """See `Scenario`."""
        rows = self.box.sql("SELECT reference FROM images WHERE origin = 'built'")
        return [*self._images(), *(str(row) for row in rows)]

    def clear(self) -> None:
        """See `Scenario`."""
        for image in self._images():
            self.engine.client.api.remove_image(image, force=True)
        self.box.sql("DELETE FROM images WHERE origin = 'built'")


class Trim(Scenario):
    """The package caches, emptied."""

    name, kind = "cleanup: caches", JobKind.CLEANUP
    parameters: ClassVar[Mapping[str, Any]] = {"ecosystems": ["npm"], "to_bytes": 0}

    def _stored(self) -> Path:
        return self.box.state_dir / "caches" / "nginx" / "npm" / "0" / "00" / ("0" * 29 + "000")

    def prepare(self) -> None:
        """See `Scenario`."""
        self._stored().parent.mkdir(parents=True, exist_ok=True)
        self._stored().write_bytes(bytes(4096))

    def submit(self) -> Json:
        """See `Scenario`."""
        return self.accepted(self.box.post("/v1/caches/trim", {"ecosystems": ["npm"]}))

    def faults_of_success(self) -> list[str]:
        """See `Scenario`."""
        return ["the stored file is there"] if self._stored().exists() else []


class History(Scenario):
    """Old jobs, forgotten."""

    name, kind = "cleanup: history", JobKind.CLEANUP
    is_asked_for = False
    parameters: ClassVar[Mapping[str, Any]] = {"history": True}

    def prepare(self) -> None:
        """See `Scenario`."""
        self.box.succeed(self.accepted(self.box.post("/v1/catalog/refresh", {})))
        self.box.sql("UPDATE jobs SET finished_at = 0 WHERE kind = 'refresh'")

    def submit(self) -> Json:
        """See `Scenario`."""
        return queued(self.box, lambda c, job_id, now: accept_history(c, job_id=job_id, now=now))

    def faults_of_success(self) -> list[str]:
        """See `Scenario`."""
        left = self.box.sql("SELECT id FROM jobs WHERE finished_at = 0")
        steps = self.box.sql("SELECT job_id FROM steps WHERE job_id NOT IN (SELECT id FROM jobs)")
        known = {f"{row[0]}.log" for row in self.box.sql("SELECT id FROM jobs")}
        logs = [path.name for path in (self.box.state_dir / "jobs").iterdir() if path.name not in known]
        return [str(row) for row in (*left, *steps)] + logs


class Refresh(Scenario):
    """An added catalog, fetched anew."""

    name, kind = "refresh", JobKind.REFRESH
    parameters: ClassVar[Mapping[str, Any]] = {"catalogs": [CATALOG]}

    def submit(self) -> Json:
        """See `Scenario`."""
        return self.accepted(self.box.post("/v1/catalog/refresh", {"catalogs": [CATALOG]}))

    def _faults(self) -> list[str]:
        ((generation,),) = self.box.sql("SELECT generation FROM catalogs WHERE name = ?", CATALOG)
        there = [path.name for path in (self.box.state_dir / "catalogs" / CATALOG).iterdir()]
        found = [] if there == [generation] else [f"fetched is {there}, in force is {generation}"]
        shown = self.box.request("GET", f"/v1/catalog/{CATALOG}/tough")
        return found + ([] if shown.ok else ["its definition is not offered"])

    def faults_of_success(self) -> list[str]:
        """See `Scenario`."""
        return self._faults()

    def faults_of_failure(self) -> list[str]:
        """See `Scenario`."""
        return self._faults()


class Repair(Install):
    """An app whose container somebody has removed."""

    name, kind = "repair: app", JobKind.REPAIR
    is_asked_for = False
    parameters: ClassVar[Mapping[str, Any]] = {"identifier": "tough", "orphan": False}

    def prepare(self) -> None:
        """See `Scenario`."""
        self.box.succeed(self.box.install("tough", app_id=700))
        (self.box.state_dir / "projects" / "tough" / "files" / "mine").write_text("kept")
        self.engine.client.containers.get("tough").remove(force=True)

    def submit(self) -> Json:
        """See `Scenario`."""
        return queued(
            self.box,
            lambda c, job_id, now: accept_repair(
                c, job_id=job_id, identifier="tough", is_orphan=False, found=["it is gone"], now=now
            ),
        )

    def faults_of_success(self) -> list[str]:
        """See `Scenario`."""
        mine = self.box.state_dir / "projects" / "tough" / "files" / "mine"
        found = [] if self.box.answers("tough") else ["the app does not answer"]
        return found + ([] if mine.read_text() == "kept" else ["its data is not what it was"])

    def faults_of_failure(self) -> list[str]:
        """It only goes forward: asked for again, it gets to its end."""
        self.box.succeed(self.submit())
        return self.faults_of_success()


class RepairOrphan(Scenario):
    """A container and a network of an app that is not recorded."""

    name, kind = "repair: nobody's", JobKind.REPAIR
    is_asked_for = False
    parameters: ClassVar[Mapping[str, Any]] = {"identifier": "lost", "orphan": True}

    def prepare(self) -> None:
        """See `Scenario`."""
        client = self.engine.client
        labels = {"homeport.app": "lost", "homeport.box": str(self.box.state_dir)}
        client.networks.create("homeport-lost_default", labels=labels)
        image = client.containers.get(NEIGHBOUR).image
        assert image is not None
        client.containers.create(image, name="lost", labels=labels)

    def submit(self) -> Json:
        """See `Scenario`."""
        return queued(
            self.box,
            lambda c, job_id, now: accept_repair(
                c, job_id=job_id, identifier="lost", is_orphan=True, found=["it is nobody's"], now=now
            ),
        )

    def faults_of_success(self) -> list[str]:
        """See `Scenario`."""
        return leftovers(self.box, "lost")

    def faults_of_failure(self) -> list[str]:
        """It only goes forward: asked for again, it gets to its end."""
        self.box.succeed(self.submit())
        return self.faults_of_success()


SCENARIOS: tuple[type[Scenario], ...] = (
    Install, Uninstall, Build, Trim, History, Refresh, Repair, RepairOrphan,
)  # fmt: skip
"""At least one for each kind of job."""


def furnish(box: HomeportBox, engine: EngineBox) -> None:
    """Gives a box what all scenarios stand on: definitions, a catalog, and a neighbour with its own data."""
    publish_standin(engine, IMAGE, payload_bytes=500_000)
    publish_standin(engine, "acme/neighbour:1")
    club = box.root / CATALOG
    for name, image in (("tough", IMAGE), (NEIGHBOUR, "acme/neighbour:1")):
        box.add_definition(name, pulled_app(name, image, service=SERVICE))
    for path, text in pulled_app("tough", IMAGE, service=SERVICE).items():
        (club / "tough" / path).parent.mkdir(parents=True, exist_ok=True)
        (club / "tough" / path).write_text(text)
    box.add_definition("made", built_app("made", "FROM debian:bookworm-slim\nRUN echo made > /made\n"))
    box.succeed(box.install(NEIGHBOUR, app_id=701))
    added = box.post("/v1/catalog/sources", {"name": CATALOG, "kind": "folder", "source": str(club)})
    assert added.status_code == requests.codes.accepted, added.text
    box.succeed(added.json())


def queued(box: HomeportBox, accept: Any) -> Json:
    """A job that the steward queues by itself, queued as it does; `accept` is given connection, id, time."""
    database = Database(f"sqlite:///{box.state_dir / 'db' / 'homeport.sqlite'}")
    with database.write() as connection:
        job: Job | None = accept(connection, uuid4().hex, datetime.now(UTC))
    database.close()
    assert job is not None
    return box.job(job.id)
