"""A machine in memory: an engine, projects on it, ports; with state, so that tests look at what is left."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from build_cache.builder import BuildRequest, BuiltImage
from build_cache.caches.store import TrimmedCache
from compose.values import COMPOSE_FILE, HealthExpectation
from homeport.caches import BuildReport, Ecosystem
from homeport.errors import ComponentUnavailableError, EngineUnavailableError, PullFailedError
from homeport.host.engine import ContainerState, ImageState, NetworkState, PullProgress, VolumeState
from homeport.host.ports import Listener
from homeport.models import CatalogKind, Certificate
from homeport.permissions import Permission
from homeport.plans import Control
from homeport.settings import Settings
from homeport.state.database import Database
from proxy.driver import Applied
from proxy.routes import Route
from workers.catalogs import FetchCatalog
from workers.routing import Routes
from workers.tools import Tools


def image_state(reference: str, labels: Mapping[str, str] | None = None) -> ImageState:
    return ImageState(
        id=f"sha256:{reference}",
        tags=(reference,),
        repo_digests=(),
        size_bytes=1000,
        created="",
        labels=labels or {},
        exposed_ports=(),
    )


def container_state(
    name: str, project: str, labels: Mapping[str, str], image: str = "", service: str = "web"
) -> ContainerState:
    return ContainerState(
        id=f"id-{name}", name=name, service=service, project=project, labels=labels,
        image_id=f"sha256:{image}", state="running", exit_code=0, restart_count=0, restarting=False,
        oom_killed=False, health=None,
        health_output="", started_at="", restart_policy="", network_ports={},
    )  # fmt: skip


class FakeEngine:
    """What Docker has: images by reference, containers, networks and volumes by name."""

    def __init__(self) -> None:
        self.is_up = True
        self.registry: set[str] = set()
        self.images: dict[str, ImageState] = {}
        self.live: dict[str, ContainerState] = {}
        self.nets: dict[str, Mapping[str, str]] = {}
        self.vols: dict[str, Mapping[str, str]] = {}

    def version(self) -> str:
        if not self.is_up:
            raise EngineUnavailableError("Docker does not answer.")
        return "1"

    def root_dir(self) -> Path:
        return Path("/nowhere")

    def image(self, reference: str) -> ImageState | None:
        self.version()
        by_id = {state.id: state for state in self.images.values()}
        return self.images.get(reference) or by_id.get(reference)

    def pull(
        self, reference: str, *, on_progress: Callable[[PullProgress], None], control: Control, **_limits: Any
    ) -> ImageState:
        control.check()
        self.version()
        if reference not in self.registry:
            raise PullFailedError(f"{reference} could not be pulled.", image=reference)
        self.images[reference] = image_state(reference)
        return self.images[reference]

    def remove_image(self, reference: str) -> None:
        self.version()
        self.images.pop(reference, None)

    def containers(self, labels: Mapping[str, str] | Sequence[str] = ()) -> list[ContainerState]:
        self.version()
        return sorted(
            (one for one in self.live.values() if _has(one.labels, labels)), key=lambda one: one.name
        )

    def remove_container(self, id: str, **_how: Any) -> None:  # noqa: A002 - the engine's word
        self.version()
        for name in [name for name, one in self.live.items() if id in (one.id, name)]:
            del self.live[name]

    def remove_network(self, name: str) -> None:
        self.version()
        self.nets.pop(name, None)

    def project_containers(self, project: str) -> list[ContainerState]:
        self.version()
        return [one for one in self.containers() if one.project == project]

    def publisher_of(self, port: int, protocol: str) -> ContainerState | None:
        self.version()
        published = [{"HostIp": "0.0.0.0", "HostPort": str(port)}]
        return next(
            (one for one in self.live.values() if one.network_ports.get(f"80/{protocol}") == published), None
        )

    def container_named(self, name: str) -> ContainerState | None:
        self.version()
        return self.live.get(name)

    def networks(self, labels: Mapping[str, str] | Sequence[str] = ()) -> list[NetworkState]:
        self.version()
        return [
            NetworkState(id=name, name=name, labels=own)
            for name, own in self.nets.items()
            if _has(own, labels)
        ]

    def volumes(self, labels: Mapping[str, str] | Sequence[str] = ()) -> list[VolumeState]:
        self.version()
        return [
            VolumeState(name=name, path="", labels=own)
            for name, own in self.vols.items()
            if _has(own, labels)
        ]


def _has(own: Mapping[str, str], wanted: Mapping[str, str] | Sequence[str]) -> bool:
    """Whether the labels are among them; a wanted one is a name, or `name=value`."""
    if isinstance(wanted, Mapping):
        return all(own.get(name) == value for name, value in wanted.items())
    pairs = (label.partition("=") for label in wanted)
    return all(name in own and (not is_set or own[name] == value) for name, is_set, value in pairs)


class FakeProjects:
    """Runs what a rendered compose file says on a `FakeEngine`; `on_up` may fail in the middle of it."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self.on_up: Callable[[], None] = lambda: None
        self.granted: list[str] = []

    def create(
        self, project_dir: Path, project: str, *, granted: Collection[Permission], **_rest: Any
    ) -> None:
        self.granted = [str(permission) for permission in granted]
        self._make(project_dir, project)

    def up(self, project_dir: Path, project: str, **_rest: Any) -> None:
        self._make(project_dir, project)
        self.on_up()

    def _make(self, project_dir: Path, project: str) -> None:
        self._engine.version()
        document = yaml.safe_load((project_dir / COMPOSE_FILE).read_text())
        for name, about in document["networks"].items():
            self._engine.nets[f"{project}_{name}"] = about["labels"]
        for name, about in document.get("volumes", {}).items():
            self._engine.vols[f"{project}_{name}"] = about["labels"]
        for name, service in document["services"].items():
            container = service.get("container_name", f"{project}-{name}-1")
            labels = service["labels"]
            made = container_state(container, project, labels, service["image"], name)
            self._engine.live.setdefault(container, made)

    def down(self, _project_dir: Path, project: str, **_rest: Any) -> None:
        self._engine.version()
        for container in self._engine.project_containers(project):
            del self._engine.live[container.name]
        for name in [name for name in self._engine.nets if name.startswith(f"{project}_")]:
            del self._engine.nets[name]

    def volumes(self, project: str) -> tuple[str, ...]:
        self._engine.version()
        return tuple(name for name in self._engine.vols if name.startswith(f"{project}_"))

    def remove_volumes(self, project: str, *, only: Sequence[str] | None = None) -> tuple[str, ...]:
        names = tuple(name for name in self.volumes(project) if only is None or name in only)
        for name in names:
            del self._engine.vols[name]
        return names


class FakeProxy:
    """A reverse proxy: what it serves by host name, what it refuses by app, and whether it is away."""

    def __init__(self) -> None:
        self.served: dict[str, Route] = {}
        self.certificates: list[Certificate] = []
        self.refuses: dict[str, str] = {}
        self.is_away = False
        self.failure: Exception | None = None
        self.refuses_certificates: dict[str, str] = {}
        self.box = ""
        self.asked = 0

    def apply(self, routes: Sequence[Route], certificates: Sequence[Certificate]) -> Applied:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        if self.is_away:
            raise ComponentUnavailableError("The reverse proxy does not answer.", component="proxy")
        taken = [route for route in routes if route.identifier not in self.refuses]
        self.served = {name: route for route in taken for name in route.names}
        self.certificates = list(certificates)
        asked = {one.identifier for one in routes}
        return Applied(
            box=self.box,
            routes={name: why for name, why in self.refuses.items() if name in asked},
            certificates=dict(self.refuses_certificates),
        )


class Machine:
    """All that tools act on, and the tools."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.engine = FakeEngine()
        self.projects = FakeProjects(self.engine)
        self.proxy = FakeProxy()
        self.listeners: dict[int, Listener] = {}
        self.reserved: set[int] = set()
        self.cached: dict[Ecosystem, int] = {}
        self.requests: list[BuildRequest] = []
        self.fetchers: dict[CatalogKind, FetchCatalog] = {}
        self.report = BuildReport()
        self.on_build: Callable[[], None] = lambda: None
        self.on_health: Callable[[Control], None] = lambda _control: None
        self.on_space: Callable[[], None] = lambda: None
        self.tools: Any = Tools(
            settings=settings,
            database=database,
            engine=self.engine,  # type: ignore[arg-type]
            projects=self.projects,  # type: ignore[arg-type]
            build_image=self._build,
            trim_caches=self._trim,
            fetchers=self.fetchers,
            await_health=self._await_health,
            find_listener=lambda port, _protocol: self.listeners.get(port),
            can_bind=lambda _address, _port, _protocol: True,
            reserve_port=partial(self._reserve, True),
            drop_port=partial(self._reserve, False),
            require_space=lambda _path, _bytes: self.on_space(),
            routes=Routes(settings=settings, database=database, driver=self.proxy),
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        )

    def _trim(
        self, settings: Settings, *, to_bytes: int, ecosystems: Collection[Ecosystem], control: Control
    ) -> dict[Ecosystem, TrimmedCache]:
        trimmed = {}
        for ecosystem in ecosystems:
            control.check()
            before = self.cached.get(ecosystem, 0)
            after = self.cached[ecosystem] = min(before, to_bytes)
            trimmed[ecosystem] = TrimmedCache(
                before_bytes=before,
                after_bytes=after,
                after_files=int(after > 0),
                removed_files=int(before > after),
            )
        return trimmed

    def _build(self, request: BuildRequest, *, control: Control, **_rest: Any) -> BuiltImage:
        control.check()
        self.engine.version()
        self.requests.append(request)
        self.on_build()
        self.engine.images[request.tag] = image_state(request.tag, request.labels)
        return BuiltImage(image_id=f"sha256:{request.tag}", tag=request.tag, report=self.report)

    def _await_health(
        self, project: str, expectation: HealthExpectation, *, run_check: Control, **_rest: Any
    ) -> None:
        self.on_health(run_check)

    def _reserve(self, is_wanted: bool, port: int) -> bool:
        if is_wanted:
            self.reserved.add(port)
        else:
            self.reserved.discard(port)
        return True
