"""Running a project: Docker Compose up and down, and nothing left behind."""

import re
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from compose.created_terms import created_terms
from compose.failures import failed_dependency, foreign_container, port_in_the_way, start_failure
from compose.health import dependency_error
from compose.host_paths import check_host_paths, engine_sockets, program_folders
from compose.program import compose_environment, compose_words
from compose.progress import ComposeProgress
from compose.resolved import resolve_project
from compose.resolved_terms import resolved_terms
from compose.start_watch import StartWatch
from compose.terms import require_covered
from compose.values import APP_LABEL, COMPOSE_FILE, HealthExpectation, RenderedProject
from homeport.errors import (
    CancelledError,
    CeilingReachedError,
    ContainerExitedError,
    HomeportError,
    ProgramFailedError,
)
from homeport.host.engine import ContainerState, Engine, NetworkState
from homeport.host.engine_values import PROJECT_LABEL
from homeport.host.files import write_atomic
from homeport.host.ports import listener_on
from homeport.host.programs import ProgramResult, run_program
from homeport.permissions import Permission
from homeport.plans import Control
from homeport.settings import Settings

REPLACE_LABEL = "com.docker.compose.replace"
"""Compose's label on a container that was made to take another's place; it keeps it afterwards."""

_DRAFT_NAME = re.compile(r"[0-9a-f]{12}_.+")  # the name until the other is gone: that one's id before its own

_UP = ("up", "--no-build", "--pull", "never", "--remove-orphans")
_QUIET_S = 1.0  # creating a container takes a tenth of that
_SETTLE_S = 15.0


def is_half_made(container: ContainerState) -> bool:
    """Whether Compose made it to take another's place, and did not come to that."""
    return REPLACE_LABEL in container.labels and _DRAFT_NAME.fullmatch(container.name) is not None


def _words_for(recreate: bool) -> list[str]:
    return [] if recreate else ["--no-recreate"]


def write_project(project_dir: Path, rendered: RenderedProject) -> Path:
    """Writes the rendered document into the project folder; for its owner's eyes: it may hold passwords."""
    path = project_dir / COMPOSE_FILE
    write_atomic(path, rendered.text, mode=0o600)
    return path


class ProjectRunner:
    """Starts and removes compose projects on one engine. Several threads may share it."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine

    def create(
        self,
        project_dir: Path,
        project: str,
        *,
        rendered: RenderedProject,
        granted: Collection[Permission],
        control: Control,
        log: Callable[[str], None],
        recreate: bool = True,
    ) -> None:
        """Makes the project's networks, volumes and containers, and starts none of them.

        Args:
            project_dir: the project folder, with the rendered compose file in it.
            project: the project's name.
            rendered: what was written there.
            granted: what the app may do beyond what every app may.
            control: asked while Compose runs.
            log: gets Compose's messages.
            recreate: whether containers are made anew that are there and not as rendered.

        Raises:
            PolicyRefusedError: what Compose understood or Docker made is not what was granted, or a path
                of the host that was granted is missing or leads elsewhere.
            CeilingReachedError: Compose did not answer.
            ForeignObjectError: a container of the project's name or of a name in it is not ours.
            StartFailedError: Compose failed for another reason.
        """
        self._make_way(project)
        resolved = resolve_project(self._settings, project_dir, project, control=control)
        require_covered(resolved_terms(resolved, rendered, project_dir), granted)
        settings, makeup = self._settings, self._engine.makeup()
        kept = [
            settings.state_dir,
            settings.run_dir,
            settings.catalog_dir,
            makeup.root_dir,
            *program_folders(),
            *engine_sockets(settings.docker_host),
        ]
        check_host_paths(rendered.host_paths, kept)
        self._make(project_dir, project, rendered.objects, control, log, recreate=recreate)
        inspection = self._engine.inspect_project(
            project, networks=rendered.networks, volumes=rendered.volumes
        )
        require_covered(created_terms(inspection, rendered, project_dir, makeup), granted)

    def up(
        self,
        project_dir: Path,
        project: str,
        *,
        control: Control,
        on_progress: Callable[[float, str], None],
        on_wait: Callable[[str], None],
        log: Callable[[str], None],
        objects: int = 0,
        expectation: HealthExpectation | None = None,
        recreate: bool = True,
    ) -> None:
        """Starts what the project's compose file says; what runs already and is the same stays.

        Args:
            project_dir: the project folder, with the rendered compose file in it.
            project: the project's name.
            control: asked while Compose runs.
            on_progress: gets the fraction, 0 to 1, and what happens.
            on_wait: told every second what services Compose waits for, no longer than an app may take.
            log: gets Compose's messages.
            objects: how many containers, networks and volumes there will be (`RenderedProject.objects`).
            expectation: with it, a crash loop is seen while Compose still waits for one service to let
                another start.
            recreate: whether containers are made anew that are there and not as the file says.

        Raises:
            ContainerExitedError: a container that others wait for ended, or restarts again and again.
            PortInUseError: a port is held by something else.
            ForeignObjectError: a container of the project's name or of a name in it is not ours.
            StartFailedError: Compose failed for another reason.
        """
        self._make_way(project)
        progress = ComposeProgress(objects, on_progress, log)
        watch = StartWatch(
            self._engine,
            project,
            expectation,
            control=control,
            settings=self._settings,
            on_wait=on_wait,
        )
        try:
            result = self._compose(
                project_dir,
                project,
                [*_UP, "--detach", *_words_for(recreate)],
                control=watch,
                on_line=progress.feed,
            )
        except (CancelledError, CeilingReachedError, ContainerExitedError):
            self._settle(project)
            raise
        if result.exit_code != 0:
            watch.raise_exited()
            raise self._start_failure(project, progress.error, result)

    def down(
        self,
        project_dir: Path,
        project: str,
        *,
        control: Control,
        stop_s: int | None = None,
        log: Callable[[str], None] = lambda _line: None,
        anonymous_volumes: bool = False,
    ) -> None:
        """Stops and removes the project's containers and networks; named volumes stay.

        Compose does it in the order in which services depend on each other. What it leaves, and all of it
        when the compose file is gone or Compose fails, is removed by its labels.

        Args:
            project_dir: the project folder; it need not exist.
            project: the project's name.
            control: asked while Compose runs.
            stop_s: how long a container may take to end before it is killed; None: the setting.
            log: gets Compose's messages.
            anonymous_volumes: volumes without a name go with their containers.

        Raises:
            ProgramFailedError: something of the project is still there.
        """
        stop_s = self._settings.stop_s if stop_s is None else stop_s
        containers = self._own_containers(project)
        if containers and (project_dir / COMPOSE_FILE).is_file():
            progress = ComposeProgress(len(containers), lambda _fraction, _detail: None, log)
            self._compose(
                project_dir,
                project,
                ["stop", "--timeout", str(stop_s)]
                if anonymous_volumes
                else ["down", "--remove-orphans", "--timeout", str(stop_s)],
                control=control,
                on_line=progress.feed,
            )
        if anonymous_volumes:
            self._remove_containers(containers, stop_s, control, volumes=True)
        self._sweep(project, stop_s, control)

    def remove_volumes(self, project: str, *, only: Sequence[str] | None = None) -> tuple[str, ...]:
        """Removes the project's volumes that carry our label.

        Args:
            project: the project's name; its containers are gone.
            only: of these names; None: all.

        Returns:
            The names of those removed.
        """
        names = [name for name in self.volumes(project) if only is None or name in only]
        for name in names:
            self._engine.remove_volume(name)
        return tuple(names)

    def volumes(self, project: str) -> tuple[str, ...]:
        """The names of the project's volumes that carry our label, as Docker has them now."""
        found = self._engine.volumes([f"{PROJECT_LABEL}={project}", APP_LABEL])
        return tuple(sorted(volume.name for volume in found))

    def _make(
        self,
        project_dir: Path,
        project: str,
        objects: int,
        control: Control,
        log: Callable[[str], None],
        *,
        recreate: bool,
    ) -> None:
        progress = ComposeProgress(objects, lambda _fraction, _detail: None, log)
        try:
            result = self._compose(
                project_dir,
                project,
                [*_UP, "--no-start", *_words_for(recreate)],
                control=control,
                on_line=progress.feed,
            )
        except (CancelledError, CeilingReachedError):
            self._settle(project)
            raise
        if result.exit_code != 0:
            raise self._start_failure(project, progress.error, result)

    def _make_way(self, project: str) -> None:
        """Removes what an interrupted Compose left half done; refuses a project that is somebody else's.

        A Compose killed while it recreates a container leaves the new one under another name beside the old,
        and the next `up` keeps the wrong one.
        """
        for container in self._engine.project_containers(project):
            if APP_LABEL not in container.labels:
                raise foreign_container(container.name)
            if is_half_made(container):
                self._engine.remove_container(container.id, stop_s=self._settings.stop_s)

    def _start_failure(self, project: str, message: str, result: ProgramResult) -> HomeportError:
        if name := failed_dependency(message):
            container = self._engine.container_named(name)
            if container is not None:
                return dependency_error(self._engine, project, container)
        port = port_in_the_way(message)
        holder = listener_on(port) if port is not None else None
        return start_failure(project, message, result.tail, holder=str(holder) if holder else "")

    def _own_containers(self, project: str) -> list[ContainerState]:
        return self._engine.containers([f"{PROJECT_LABEL}={project}", APP_LABEL])

    def _remove_containers(
        self,
        containers: Sequence[ContainerState],
        stop_s: int,
        control: Control,
        *,
        volumes: bool = False,
    ) -> None:
        for container in containers:
            control.check()
            self._engine.remove_container(container.id, stop_s=stop_s, volumes=volumes)

    def _sweep(self, project: str, stop_s: int, control: Control) -> None:
        """Removes what is left of the project by its labels, until nothing is.

        Once is not always enough: the engine finishes what a Compose that was killed had asked for.
        """
        deadline = time.monotonic() + _SETTLE_S
        while left := self._left(project):
            containers, networks = left
            self._remove_containers(containers, stop_s, control)
            for network in networks:
                self._engine.remove_network(network.id)
            if time.monotonic() < deadline:
                continue
            names = [*(one.name for one in containers), *(one.name for one in networks)]
            raise ProgramFailedError(
                f"Something of {project} is still there: {', '.join(names)}.",
                why="It was removed, and Docker lists it all the same.",
                remedy="Look at it with `docker ps --all` and `docker network ls`, and try again.",
                program="docker-compose",
                exit_code=0,
                last_lines=[],
            )

    def _settle(self, project: str) -> None:
        """Waits until the engine makes nothing more of a project whose Compose was killed.

        It goes on with requests whose asker is gone, and tells nobody which it has: so wait until nothing
        has changed for a while.
        """
        deadline = time.monotonic() + _SETTLE_S
        quiet_since, before = time.monotonic(), self._ids(project)
        while time.monotonic() < min(deadline, quiet_since + _QUIET_S):
            time.sleep(0.1)
            now = self._ids(project)
            if now != before:
                quiet_since, before = time.monotonic(), now

    def _ids(self, project: str) -> set[str]:
        containers, networks = self._left(project) or ((), ())
        return {one.id for one in containers} | {one.id for one in networks}

    def _left(self, project: str) -> tuple[list[ContainerState], list[NetworkState]] | None:
        """The project's containers and networks; None if there are none."""
        ours = [f"{PROJECT_LABEL}={project}", APP_LABEL]
        containers, networks = self._engine.containers(ours), self._engine.networks(ours)
        return (containers, networks) if containers or networks else None

    def _compose(
        self,
        project_dir: Path,
        project: str,
        arguments: Sequence[str],
        *,
        control: Control,
        on_line: Callable[[str], None],
    ) -> ProgramResult:
        return run_program(
            [*compose_words(project_dir, project), *arguments],
            environment=compose_environment(self._settings),
            control=control,
            on_line=on_line,
            ceiling_s=self._settings.ceiling_s,
        )
