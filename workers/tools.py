"""What operations act with: one set per process, made of the real things here and of fakes in tests."""

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from build_cache.builder import BuildRequest, BuiltImage, ImageBuilder
from build_cache.caches.store import TrimmedCache, trim_caches
from compose.health import wait_until_healthy
from compose.project import ProjectRunner
from compose.values import HealthExpectation
from homeport.caches import Ecosystem
from homeport.host.binding import can_bind
from homeport.host.disk import require_space
from homeport.host.engine import Engine
from homeport.host.ports import Listener, add_reserved_port, drop_reserved_port, listener_on
from homeport.models import CatalogKind
from homeport.plans import Control
from homeport.settings import Settings
from homeport.state.database import Database
from workers.catalogs import FETCHERS, FetchCatalog
from workers.routing import Routes, create_routes


class BuildImage(Protocol):
    """See `build_cache.builder.ImageBuilder.build`."""

    def __call__(
        self,
        request: BuildRequest,
        *,
        control: Control,
        on_progress: Callable[[float, str], None],
        log: Callable[[str], None],
    ) -> BuiltImage:
        """Builds one image."""


class TrimCaches(Protocol):
    """See `build_cache.caches.store.trim_caches`."""

    def __call__(
        self, settings: Settings, *, to_bytes: int, ecosystems: Collection[Ecosystem], control: Control
    ) -> Mapping[Ecosystem, TrimmedCache]:
        """Trims these caches."""


class AwaitHealth(Protocol):
    """See `compose.health.wait_until_healthy`, for one engine."""

    def __call__(
        self,
        project: str,
        expectation: HealthExpectation,
        *,
        settings: Settings,
        run_check: Control,
        on_progress: Callable[[float, str], None],
    ) -> None:
        """Returns when the project is healthy."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The machine as operations see it, and the database.

    `find_listener` is given a port and `tcp` or `udp`, `can_bind` an address before them; `reserve_port` and
    `drop_port` keep a port out of the ephemeral ones, or give it back; `await_health` returns when a project
    is healthy. `images_lock` is held while an image is looked up and noted as needed, or found to be needed
    by nobody and removed, `builds_lock` while one is built: all jobs of a box run in one process.
    """

    settings: Settings
    database: Database
    engine: Engine
    projects: ProjectRunner
    build_image: BuildImage
    trim_caches: TrimCaches
    fetchers: Mapping[CatalogKind, FetchCatalog]
    await_health: AwaitHealth
    find_listener: Callable[[int, str], Listener | None]
    can_bind: Callable[[str, int, str], bool]
    reserve_port: Callable[[int], bool]
    drop_port: Callable[[int], bool]
    require_space: Callable[[Path, int], None]
    routes: Routes
    now: Callable[[], datetime]
    images_lock: AbstractContextManager[bool] = field(default_factory=threading.Lock)
    builds_lock: threading.Lock = field(default_factory=threading.Lock)


def create_tools(settings: Settings, database: Database) -> Tools:
    """The real things."""
    engine = Engine(settings.docker_host)
    return Tools(
        settings=settings,
        database=database,
        engine=engine,
        projects=ProjectRunner(settings, engine),
        build_image=ImageBuilder(settings, engine).build,
        trim_caches=trim_caches,
        fetchers=FETCHERS,
        await_health=partial(wait_until_healthy, engine),
        find_listener=listener_on,
        can_bind=can_bind,
        reserve_port=partial(add_reserved_port, run_dir=settings.run_dir),
        drop_port=partial(drop_reserved_port, run_dir=settings.run_dir),
        require_space=require_space,
        routes=create_routes(settings, database),
        now=lambda: datetime.now(UTC),
    )
