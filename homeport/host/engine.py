"""The Docker Engine: what Homeport asks of it, over docker-py, with errors of our own."""

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import docker

from homeport.errors import EngineRefusedError, EngineUnavailableError, NotFoundError
from homeport.host.engine_errors import translated
from homeport.host.engine_logs import LogStream, last_lines
from homeport.host.engine_values import (
    DEFAULT_BRIDGE,
    PROJECT_LABEL,
    Bridge,
    ContainerState,
    EngineMakeup,
    EngineVersion,
    ImageState,
    NetworkState,
    ProjectInspection,
    VolumeState,
    container_addresses,
)
from homeport.host.pull_progress import PullProgress
from homeport.host.pulls import pull_image
from homeport.plans import Control

__all__ = [
    "Bridge",
    "ContainerState",
    "Engine",
    "EngineMakeup",
    "EngineVersion",
    "ImageState",
    "LogStream",
    "NetworkState",
    "ProjectInspection",
    "PullProgress",
    "VolumeState",
]

Labels = Mapping[str, str] | Sequence[str]
"""Labels that things must have: with their values, or by `name` and `name=value`."""

_REMOVAL_S = 10.0  # how long another's removal of the same container may take


class Engine:
    """A Docker Engine by its address. May be shared by threads: each has connections of its own.

    Every method raises `EngineUnavailableError` when the engine does not answer and `EngineRefusedError` when
    it answers with an error; what else it raises is said there.
    """

    def __init__(self, docker_host: str, *, timeout_s: float = 60) -> None:
        self.docker_host = docker_host
        self._timeout_s = timeout_s
        self._local = threading.local()  # requests' sessions are not safe across threads

    def version(self) -> EngineVersion:
        """Which engine answers."""
        with translated("tell its version"):
            found = self._client.version()
        return EngineVersion(
            version=found["Version"],
            api_version=found["ApiVersion"],
            os=found["Os"],
            architecture=found["Arch"],
        )

    def stays(self, wait_s: int) -> bool:
        """Waits so many seconds; False as soon as the engine is not there, or went away for a moment.

        It holds a connection on which nothing is told, and which the engine ends when the time is over.
        """
        begun, until = time.monotonic(), math.ceil(time.time()) + wait_s
        try:
            with translated("be watched"):
                for _ in self._client.events(until=until, filters={"event": "none-is-named-so"}):
                    pass
        except (EngineUnavailableError, EngineRefusedError):
            return False
        return time.monotonic() - begun >= wait_s

    def makeup(self) -> EngineMakeup:
        """What its host and its configuration decide for all containers."""
        with translated("tell its configuration"):
            return EngineMakeup.from_info(self._client.info())

    def root_dir(self) -> Path:
        """Where the engine keeps images, containers and volumes."""
        return self.makeup().root_dir

    def containers(self, labels: Labels = ()) -> list[ContainerState]:
        """All containers with these labels, whether they run or not, by name."""
        with translated("list containers"):
            listed = self._client.containers(all=True, filters={"label": _label_filter(labels)})
            found = [self._inspect_container(row["Id"]) for row in listed]
        return sorted((state for state in found if state is not None), key=lambda state: state.name)

    def container_named(self, name: str) -> ContainerState | None:
        """The container of this name or id, if there is one."""
        with translated(f"inspect the container {name}"):
            return self._inspect_container(name)

    def project_containers(self, project: str) -> list[ContainerState]:
        """All containers of the compose project, by name."""
        return self.containers({PROJECT_LABEL: project})

    def inspect_project(
        self, project: str, *, networks: Collection[str], volumes: Collection[str]
    ) -> ProjectInspection:
        """The project's containers, and the networks and volumes of these names, as the engine has them."""
        with translated(f"inspect the project {project}"):
            listed = self._client.containers(all=True, filters={"label": f"{PROJECT_LABEL}={project}"})
            return ProjectInspection(
                containers=[self._client.inspect_container(row["Id"]) for row in listed],
                networks=[row for row in self._client.networks() if row["Name"] in networks],
                volumes=[row for row in self._client.volumes()["Volumes"] or () if row["Name"] in volumes],
            )

    def publisher_of(self, port: int, protocol: str = "tcp") -> ContainerState | None:
        """The running container that publishes this port of the host, if there is one."""
        with translated(f"ask who publishes the port {port}"):
            listed = self._client.containers(filters={"publish": f"{port}/{protocol}"})
            found = [self._inspect_container(row["Id"]) for row in listed]
        return next((state for state in found if state is not None), None)

    def remove_container(self, id: str, *, stop_s: int | None = None, volumes: bool = False) -> None:  # noqa: A002 - the engine's word
        """Stops and removes the container; one that is gone is no error.

        Args:
            id: its id or name.
            stop_s: how long it may take to end by itself; None kills it at once.
            volumes: its anonymous volumes go with it.
        """
        try:
            with translated(f"remove the container {id}", kind="container", name=id):
                if stop_s is not None:
                    self._client.stop(id, timeout=stop_s)
                self._client.remove_container(id, force=True, v=volumes)
        except NotFoundError:
            return
        except EngineRefusedError as error:
            if error.facts["status"] != 409 or not self._vanishes(id):  # 409: somebody removes it already
                raise

    def networks(self, labels: Labels = ()) -> list[NetworkState]:
        """All networks with these labels."""
        with translated("list networks"):
            listed = self._client.networks(filters={"label": _label_filter(labels)})
        return [NetworkState(id=row["Id"], name=row["Name"], labels=row["Labels"] or {}) for row in listed]

    def bridge(self) -> Bridge:
        """The network that containers and builds are on when nothing else is said."""
        with translated("inspect its own bridge", kind="network", name=DEFAULT_BRIDGE):
            return Bridge.from_inspection(self._client.inspect_network(DEFAULT_BRIDGE))

    def bridge_containers(self) -> frozenset[str]:
        """The addresses of the containers on that network; an instruction that is built is no container."""
        with translated("inspect its own bridge", kind="network", name=DEFAULT_BRIDGE):
            return container_addresses(self._client.inspect_network(DEFAULT_BRIDGE))

    def remove_network(self, name: str) -> None:
        """Removes the network by name or id; one that is gone is no error."""
        self._remove("network", name, lambda: self._client.remove_network(name))

    def volumes(self, labels: Labels = ()) -> list[VolumeState]:
        """All volumes with these labels."""
        with translated("list volumes"):
            listed = self._client.volumes(filters={"label": _label_filter(labels)})["Volumes"] or []
        return [
            VolumeState(name=row["Name"], path=row["Mountpoint"], labels=row["Labels"] or {})
            for row in listed
        ]

    def remove_volume(self, name: str) -> None:
        """Removes the volume; one that is gone is no error, one in use is refused with status 409."""
        self._remove("volume", name, lambda: self._client.remove_volume(name))

    def container_log(self, id: str, *, tail: int) -> list[str]:  # noqa: A002 - the engine's word
        """The container's last lines, at most 1000, both streams in their order, each cut at 2000 characters.

        Raises:
            NotFoundError: there is no such container.
        """
        with translated(f"read the log of {id}", kind="container", name=id):
            return last_lines(self._client, id, tail)

    def stream_log(
        self,
        id: str,  # noqa: A002 - the engine's word
        *,
        tail: int,
        follow: bool,
        since: float | None = None,
    ) -> LogStream:
        """The container's lines as they come, to be used in a `with`; `close` ends it from any thread.

        Args:
            id: the container's id or name.
            tail: how many lines of the past.
            follow: goes on until the container ends.
            since: nothing older than this, in seconds since 1970.

        Raises:
            NotFoundError: there is no such container.
        """
        client = self._new_client()  # the stream may be read and closed by other threads than this
        with translated(f"read the log of {id}", kind="container", name=id):
            return LogStream(client, id, tail=tail, follow=follow, since=since)

    def image(self, reference: str) -> ImageState | None:
        """The image of this reference or id, if it is on the box."""
        try:
            with translated(f"inspect the image {reference}", kind="image", name=reference):
                found: dict[str, Any] = self._client.inspect_image(reference)  # type: ignore[no-untyped-call]
                return ImageState.from_inspection(found)
        except NotFoundError:
            return None

    def images(self, labels: Labels = ()) -> list[ImageState]:
        """All images with these labels that are no mere layers of others."""
        with translated("list images"):
            listed = self._client.images(filters={"label": _label_filter(labels)})
        found = [self.image(row["Id"]) for row in listed]
        return [state for state in found if state is not None]

    def remove_image(self, reference: str) -> None:
        """Removes a tag, and the image with its last one; never by force. One that is gone is no error.

        An image that a container uses is refused with status 409.
        """
        self._remove("image", reference, lambda: self._client.remove_image(reference, force=False))

    def forget_build_steps(self, since: float) -> None:
        """Takes what instructions have made since that time, in seconds since 1970, out of the build cache.

        Images keep their layers; nothing of it is taken for the result of an instruction any more.
        """
        with translated("clear its build cache"):
            records = self._client.df().get("BuildCache") or []
            made = [(_made_at(record), record["ID"]) for record in records if _made_at(record) >= since]
            for _, name in sorted(made, reverse=True):  # what others stand upon goes last
                wanted: Any = {"id": [name]}  # one at a time: more are refused
                self._client.prune_builds(filters=wanted, all=True)

    def pull(
        self,
        reference: str,
        *,
        on_progress: Callable[[PullProgress], None],
        control: Control,
        stall_s: float,
        ceiling_s: float,
    ) -> ImageState:
        """Pulls the image; stopped by the control, the engine stops too.

        Args:
            reference: name with tag or digest; without either, the tag is `latest`.
            on_progress: gets the progress at most four times a second, never less than before.
            control: asked at least four times a second.
            stall_s: the longest time in which no layer moves.
            ceiling_s: the longest time altogether.

        Raises:
            PullFailedError: the registry refused, has no such image, or cannot be reached.
            DiskFullError: no space for it.
            StalledError: nothing moved for `stall_s`.
            CeilingReachedError: it took `ceiling_s`.
        """
        return pull_image(
            self._new_client,
            reference,
            on_progress=on_progress,
            control=control,
            stall_s=stall_s,
            ceiling_s=ceiling_s,
            find_image=self.image,
        )

    @property
    def _client(self) -> docker.APIClient:
        client: docker.APIClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._new_client()
        return client

    def _new_client(self) -> docker.APIClient:
        with translated("agree on a version"):  # asks the engine for its version
            return docker.APIClient(
                base_url=self.docker_host, version="auto", timeout=math.ceil(self._timeout_s)
            )

    def _inspect_container(self, name: str) -> ContainerState | None:
        try:
            return ContainerState.from_inspection(self._client.inspect_container(name))
        except docker.errors.NotFound:
            return None

    def _remove(self, kind: str, name: str, remove: Callable[[], Any]) -> None:
        try:
            with translated(f"remove the {kind} {name}", kind=kind, name=name):
                remove()
        except NotFoundError:
            return

    def _vanishes(self, name: str) -> bool:
        """Whether the container is gone before the deadline."""
        deadline = time.monotonic() + _REMOVAL_S
        while time.monotonic() < deadline:
            if self.container_named(name) is None:
                return True
            time.sleep(0.1)
        return False


def _made_at(record: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(record["CreatedAt"]).timestamp()


def _label_filter(labels: Labels) -> list[str]:
    if isinstance(labels, Mapping):
        return [f"{name}={value}" for name, value in labels.items()]
    return list(labels)
