"""What the Docker Engine says of containers, images, networks and volumes, as values. Pure."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from homeport.host.lines import LINE_CHARACTERS

PROJECT_LABEL = "com.docker.compose.project"
"""Compose's label with the project's name."""

SERVICE_LABEL = "com.docker.compose.service"
"""Compose's label with the service's name."""

_ID_DIGITS = 64

DEFAULT_BRIDGE = "bridge"
"""The engine's name of the network that it makes for itself."""


@dataclass(frozen=True, kw_only=True)
class EngineVersion:
    """Which Docker Engine answers."""

    version: str
    api_version: str
    os: str
    architecture: str


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """A container as the engine describes it.

    `state` is the engine's word (`created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`);
    `health` is `starting`, `healthy`, `unhealthy`, or None without a health check, `health_output` what its
    last run printed; `service` and `project` are Compose's, "" without them; `network_ports` maps `80/tcp` to
    a list of `{"HostIp", "HostPort"}`, or to None where the port is not published; `started_at` and
    `finished_at` are RFC 3339, of the last run.
    """

    id: str
    name: str
    service: str
    project: str
    labels: Mapping[str, str]
    image_id: str
    state: str
    exit_code: int
    restart_count: int
    restarting: bool
    oom_killed: bool
    health: str | None
    health_output: str
    started_at: str
    restart_policy: str
    finished_at: str = ""
    network_ports: Mapping[str, list[dict[str, str]] | None] = field(default_factory=dict)

    @classmethod
    def from_inspection(cls, found: Mapping[str, Any]) -> Self:
        """The state in the engine's `GET /containers/{id}/json`."""
        state = found["State"]
        labels = found["Config"].get("Labels") or {}
        health = state.get("Health") or {}
        checks = health.get("Log") or []
        status = health.get("Status")
        return cls(
            id=found["Id"],
            name=found["Name"].removeprefix("/"),
            service=labels.get(SERVICE_LABEL, ""),
            project=labels.get(PROJECT_LABEL, ""),
            labels=labels,
            image_id=found["Image"],
            state=state["Status"],
            exit_code=state.get("ExitCode", 0),
            restart_count=found.get("RestartCount", 0),
            restarting=bool(state.get("Restarting")),
            oom_killed=bool(state.get("OOMKilled")),
            health=status if status and status != "none" else None,
            health_output=checks[-1].get("Output", "")[:LINE_CHARACTERS].strip() if checks else "",
            started_at=state.get("StartedAt", ""),
            finished_at=state.get("FinishedAt", ""),
            restart_policy=(found["HostConfig"].get("RestartPolicy") or {}).get("Name", ""),
            network_ports=found.get("NetworkSettings", {}).get("Ports") or {},
        )


@dataclass(frozen=True, kw_only=True)
class ImageState:
    """An image as the engine describes it.

    `exposed_ports` are such as `80/tcp`, `created` is RFC 3339; `volumes` are the folders that every
    container of it has on a volume.
    """

    id: str
    tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    size_bytes: int
    created: str
    labels: Mapping[str, str]
    exposed_ports: tuple[str, ...]
    volumes: tuple[str, ...] = ()

    @classmethod
    def from_inspection(cls, found: Mapping[str, Any]) -> Self:
        """The image in the engine's `GET /images/{name}/json`."""
        config = found.get("Config") or {}
        return cls(
            id=found["Id"],
            tags=tuple(found.get("RepoTags") or ()),
            repo_digests=tuple(found.get("RepoDigests") or ()),
            size_bytes=found.get("Size", 0),
            created=found.get("Created", ""),
            labels=config.get("Labels") or {},
            exposed_ports=tuple(config.get("ExposedPorts") or ()),
            volumes=tuple(config.get("Volumes") or ()),
        )


@dataclass(frozen=True, kw_only=True)
class NetworkState:
    """A network as the engine describes it."""

    id: str
    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class VolumeState:
    """A named volume as the engine describes it; `path` is where its files lie on the host."""

    name: str
    path: str
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ProjectInspection:
    """All that the engine has of a compose project, in the engine's own words: its API's JSON objects."""

    containers: Sequence[Mapping[str, Any]]
    networks: Sequence[Mapping[str, Any]]
    volumes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class EngineMakeup:
    """What the engine's host and its owner's configuration of it decide for all containers.

    `root_dir` is where it keeps its files; `runtime` is what it runs containers with where nothing is said.
    Limits that the kernel does not know, the engine leaves out without a word.
    """

    root_dir: Path
    runtime: str = "runc"
    limits_memory: bool = True
    limits_swap: bool = True
    limits_pids: bool = True

    @classmethod
    def from_info(cls, found: Mapping[str, Any]) -> Self:
        """The makeup in the engine's `GET /info`."""
        return cls(
            root_dir=Path(found["DockerRootDir"]),
            runtime=found.get("DefaultRuntime") or "runc",
            limits_memory=bool(found.get("MemoryLimit")),
            limits_swap=bool(found.get("SwapLimit")),
            limits_pids=bool(found.get("PidsLimit")),
        )


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """The engine's own bridge: its network interface, and the host's IPv4 address on it."""

    name: str
    gateway: str

    @classmethod
    def from_inspection(cls, found: Mapping[str, Any]) -> Self:
        """The bridge in the engine's `GET /networks/bridge`.

        An engine that was told no gateway leaves it out, and takes its subnet's first address.
        """
        name = (found.get("Options") or {}).get("com.docker.network.bridge.name") or "docker0"
        for pool in found["IPAM"].get("Config") or ():
            subnet = ipaddress.ip_network(pool["Subnet"], strict=False)
            if subnet.version == 4:
                return cls(name=name, gateway=pool.get("Gateway") or str(subnet[1]))
        return cls(name=name, gateway="")


def container_addresses(network: Mapping[str, Any]) -> frozenset[str]:
    """The containers' addresses, of both versions of IP, in the engine's `GET /networks/{name}`.

    BuildKit's instructions are in the same list, but their keys are not a container's 64 hexadecimal digits.
    """
    ends = [end for key, end in (network.get("Containers") or {}).items() if len(key) == _ID_DIGITS]
    found = (end.get(field) or "" for end in ends for field in ("IPv4Address", "IPv6Address"))
    return frozenset(address.partition("/")[0] for address in found if address)
