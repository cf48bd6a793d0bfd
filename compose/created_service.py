"""A container as Docker inspects it, as a service of a template. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from compose.resolved_terms import project_mount
from compose.terms import Terms, is_true, with_texts
from compose.values import NEVER_GAIN
from homeport.catalog.composition import escape_dollars
from homeport.host.engine_values import PROJECT_LABEL, EngineMakeup

_RENAMED: Final = {
    "Privileged": "privileged", "GroupAdd": "group_add", "Sysctls": "sysctls", "UTSMode": "uts",
    "UsernsMode": "userns_mode", "CgroupnsMode": "cgroup", "DeviceCgroupRules": "device_cgroup_rules",
    "CgroupParent": "cgroup_parent", "OomKillDisable": "oom_kill_disable", "OomScoreAdj": "oom_score_adj",
    "Annotations": "annotations", "StorageOpt": "storage_opt", "Links": "external_links",
    "Isolation": "isolation",
}  # fmt: skip
"""Docker's words for what a compose file has under another key, with the same values."""

_REWORDED: Final = frozenset(
    {
        "CapAdd", "Devices", "DeviceRequests", "SecurityOpt", "NetworkMode", "PidMode", "IpcMode", "Binds",
        "Mounts", "VolumesFrom", "Runtime", "MaskedPaths", "ReadonlyPaths",
    }
)  # fmt: skip
_COMPARED: Final = frozenset(
    {
        "CapDrop", "LogConfig", "Memory", "MemorySwap", "NanoCpus", "PidsLimit", "PortBindings",
        "ReadonlyRootfs", "RestartPolicy",
    }
)  # fmt: skip
_HARMLESS: Final = frozenset(
    {
        "ConsoleSize", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "Init", "MemoryReservation", "ShmSize",
        "Tmpfs", "Ulimits",
    }
)  # fmt: skip
"""What stays within the container. Every other setting must be empty, also those of engines to come."""

_MOUNT_OPTIONS: Final = frozenset({"CreateMountpoint", "NoCopy", "Subpath", "Labels", "SizeBytes", "Mode"})
_ANONYMOUS: Final = re.compile(r"[0-9a-f]{64}")
_HIDDEN: Final = "/proc/kcore"
_READ_ONLY: Final = "/proc/sys"
"""Each stands for a list of paths that Docker keeps from a container as a whole, or not at all."""


_LONGEST_S: Final = 10**9 - 1  # more than thirty years, and all that durations are read with
_PLAIN_RUNTIMES: Final = frozenset({"runc", "io.containerd.runc.v2"})


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the containers of a project are looked at with.

    `wanted` are the rendered services; `services` goes by ids and names of containers, `networks` and
    `volumes` by Docker's names of them, all to the names in the document.
    """

    project: str
    project_dir: Path
    wanted: Mapping[str, Mapping[str, Any]]
    services: Mapping[str, str]
    networks: Mapping[str, str]
    volumes: Mapping[str, str]
    makeup: EngineMakeup


def created_service(
    terms: Terms, name: str, found: Mapping[str, Any], surroundings: Surroundings
) -> dict[str, Any]:
    """The service that the container is; what of it is not as rendered is noted in the terms."""
    return _Container(terms, name, found, surroundings).service()


def container_name(found: Mapping[str, Any]) -> str:
    """The inspected container's name."""
    return str(found["Name"]).removeprefix("/")


class _Container:
    """One inspected container on its way to a service of a template."""

    def __init__(self, terms: Terms, name: str, found: Mapping[str, Any], known: Surroundings) -> None:
        self._terms = terms
        self._place = f"services.{name}"
        self._name = name
        self._found = found
        self._host: Mapping[str, Any] = found["HostConfig"]
        self._known = known
        self._wanted: Mapping[str, Any] = with_texts(known.wanted[name], lambda text: text.replace("$$", "$"))

    def service(self) -> dict[str, Any]:
        """The service; what is not as rendered is noted on the way."""
        self._compare()
        for key, value in self._host.items():
            if value and value != -1 and key not in (*_RENAMED, *_REWORDED, *_COMPARED, *_HARMLESS):
                self._expect(key, value, None)
        service = {word: self._host[key] for key, word in _RENAMED.items() if self._host.get(key)}
        service |= {
            "cap_add": [cap.removeprefix("CAP_") for cap in self._host.get("CapAdd") or ()],
            "devices": [_device(device) for device in self._host.get("Devices") or ()],
            "security_opt": self._security_options(),
            "ports": [_without_address(port) for port in self._ports()],
            "volumes": self._mounts(),
            "volumes_from": [self._source(text) for text in self._host.get("VolumesFrom") or ()],
            "healthcheck": _health_check(self._found["Config"].get("Healthcheck") or {}),
        }
        service |= self._namespaces() | self._requested_devices() | self._networks()
        runtime = self._host.get("Runtime") or "runc"
        if runtime not in _PLAIN_RUNTIMES and runtime != self._known.makeup.runtime:
            service["runtime"] = runtime
        if address := self._found["Config"].get("MacAddress"):
            service["mac_address"] = address
        escaped: dict[str, Any] = with_texts(
            {key: value for key, value in service.items() if value}, escape_dollars
        )
        return escaped

    def _expect(self, key: str, found: Any, wanted: Any) -> None:
        self._terms.expect(f"{self._place}.{key}", found, wanted)

    def _compare(self) -> None:
        """What Homeport set itself must stand there as it set it."""
        host, wanted, project = self._host, self._wanted, self._known.project
        name = wanted.get("container_name") or f"{project}-{self._name}-1"
        self._expect("container_name", container_name(self._found), name)
        self._expect("image", self._found["Config"].get("Image"), wanted["image"])
        labels = self._found["Config"].get("Labels") or {}
        self._terms.expect_labels(self._place, labels, wanted["labels"])
        self._expect("project", labels.get(PROJECT_LABEL), project)
        log = host.get("LogConfig") or {}
        self._expect("logging", {"driver": log.get("Type"), "options": log.get("Config")}, wanted["logging"])
        self._expect("restart", _policy(host.get("RestartPolicy") or {}), _rule(wanted["restart"]))
        self._compare_limits()
        self._expect("read_only", bool(host.get("ReadonlyRootfs")), is_true(wanted.get("read_only")))
        if "user" in wanted:
            self._expect("user", self._found["Config"].get("User"), str(wanted["user"]))
        self._expect("cap_drop", _capabilities(host.get("CapDrop")), _capabilities(wanted.get("cap_drop")))
        self._expect("ports", sorted(map(str, self._ports())), sorted(map(str, _rendered_ports(wanted))))

    def _compare_limits(self) -> None:
        host, wanted, makeup = self._host, self._wanted, self._known.makeup
        # Compose calculates with 32 bits
        cpus = round((host.get("NanoCpus") or 0) / 1e9, 3)
        self._expect("cpus", cpus, round(float(wanted.get("cpus") or 0), 3))
        if makeup.limits_memory:
            self._expect("mem_limit", host.get("Memory") or None, wanted.get("mem_limit"))
        if makeup.limits_memory and makeup.limits_swap:
            self._expect("memswap_limit", host.get("MemorySwap") or None, wanted.get("memswap_limit"))
        if makeup.limits_pids:
            self._expect("pids_limit", max(host.get("PidsLimit") or 0, 0) or None, wanted.get("pids_limit"))

    def _ports(self) -> list[dict[str, str]]:
        return [
            {
                "target": inner.partition("/")[0],
                "published": binding.get("HostPort", ""),
                "host_ip": binding.get("HostIp", ""),
                "protocol": inner.partition("/")[2] or "tcp",
            }
            for inner, bindings in (self._host.get("PortBindings") or {}).items()
            for binding in bindings or ()
        ]

    def _security_options(self) -> list[str]:
        options = [_option(text) for text in self._host.get("SecurityOpt") or ()]
        if NEVER_GAIN in self._wanted["security_opt"]:
            if NEVER_GAIN not in options:
                self._terms.refuse(f"{self._place}.security_opt", f"{NEVER_GAIN} is missing.")
            options = [option for option in options if option != NEVER_GAIN]
        if self._is_wide_open and "label=disable" not in self._wanted["security_opt"]:
            options = [option for option in options if option != "label=disable"]  # Docker adds it by itself
        masked, read_only = self._host.get("MaskedPaths") or (), self._host.get("ReadonlyPaths") or ()
        covered = _HIDDEN in masked and _READ_ONLY in read_only
        if not covered and not self._host.get("Privileged"):
            options.append("systempaths=unconfined")
        return options

    @property
    def _is_wide_open(self) -> bool:
        host = self._host
        return bool(host.get("Privileged")) or "host" in (host.get("PidMode"), host.get("IpcMode"))

    def _namespaces(self) -> dict[str, str]:
        found = {"pid": self._source(self._host.get("PidMode") or "")}
        found["ipc"] = self._source(self._host.get("IpcMode") or "")
        mode = self._source(self._host.get("NetworkMode") or "")
        if mode not in self._known.networks:
            found["network_mode"] = mode
        return found

    def _source(self, text: str) -> str:
        """`container:ID`, or a container's id or name with a mode, in terms of services."""
        plain, _, mode = text.removeprefix("container:").partition(":")
        service = self._known.services.get(plain)
        if service is None:
            return text
        if text.startswith("container:"):
            return f"service:{service}"
        return f"{service}:{mode}" if mode else service

    def _requested_devices(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for request in self._host.get("DeviceRequests") or ():
            wanted = {word for words in request.get("Capabilities") or () for word in words}
            if request.get("Driver") in ("", None, "nvidia", "amd") and "gpu" in wanted:
                found["gpus"] = "all"
            else:
                self._terms.refuse(f"{self._place}.devices", f"{request!r} is not known here.")
        return found

    def _networks(self) -> dict[str, Any]:
        joined = self._found.get("NetworkSettings", {}).get("Networks") or {}
        names = self._known.networks
        found: dict[str, Any] = {}
        for name, about in joined.items():
            if name in (self._host.get("NetworkMode"), "none") and name in ("host", "none"):
                continue
            if name not in names:
                self._terms.refuse(f"{self._place}.networks", f"The network {name} is not the app's own.")
            for key in ("IPAMConfig", "DriverOpts"):
                self._expect(f"networks.{name}.{key}", about.get(key) or None, None)
            for link in about.get("Links") or ():
                if link.partition(":")[0] not in self._known.services:
                    self._terms.refuse(f"{self._place}.links", f"{link} is not the app's own.")
            found[names.get(name, name)] = {"aliases": about.get("Aliases") or []}
        return {"networks": found}

    def _mounts(self) -> list[Any]:
        for asked in self._host.get("Mounts") or ():
            options = [asked.get(key) or {} for key in ("BindOptions", "VolumeOptions", "TmpfsOptions")]
            for option, value in [pair for about in options for pair in about.items()]:
                if value and option not in _MOUNT_OPTIONS:
                    what = f"{option} is set for {asked.get('Target')}."
                    self._terms.refuse(f"{self._place}.volumes", what)
        return [self._mount(mount) for mount in self._found.get("Mounts") or ()]

    def _mount(self, found: Mapping[str, Any]) -> Any:
        place = f"{self._place}.volumes"
        mount = {"type": found["Type"], "target": found.get("Destination", "")}
        if not found.get("RW", True):
            mount["read_only"] = True
        if found["Type"] == "bind":
            self._terms.expect(place, found.get("Propagation") or "rprivate", "rprivate")
            mount["source"] = escape_dollars(found.get("Source", ""))
            filled: dict[str, Any] = project_mount(mount, self._known.project_dir)
            return {**filled, "source": filled["source"].replace("$$", "$")}
        if found["Type"] == "volume":
            self._terms.expect(place, found.get("Driver"), "local")
            name = str(found.get("Name", ""))
            short = self._known.volumes.get(name, name)
            if not _ANONYMOUS.fullmatch(short) or short in self._named_sources():
                mount["source"] = short
        return mount

    def _named_sources(self) -> set[str]:
        """What was asked for by its name or path, which a volume of its own is not."""
        asked = {str(mount.get("Source", "")) for mount in self._host.get("Mounts") or ()}
        return asked | {bind.partition(":")[0] for bind in self._host.get("Binds") or ()}


def _rendered_ports(wanted: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {key: str(port[key]) for key in ("target", "published", "host_ip", "protocol")}
        for port in wanted.get("ports", ())
    ]


def _without_address(port: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in port.items() if key != "host_ip"}


def _policy(policy: Mapping[str, Any]) -> tuple[str, int]:
    return str(policy.get("Name") or "no"), int(policy.get("MaximumRetryCount") or 0)


def _rule(restart: str) -> tuple[str, int]:
    name, _, count = restart.partition(":")
    return name, int(count or 0)


def _option(text: str) -> str:
    """A security option as permissions write it."""
    name, sign, value = text.partition("=") if "=" in text.partition(":")[0] else text.partition(":")
    if not sign:
        return NEVER_GAIN if text == "no-new-privileges" else text
    return f"{name}:{value}" if name == "no-new-privileges" else f"{name}={value}"


def _capabilities(listed: Sequence[str] | None) -> list[str]:
    return sorted(name.upper().removeprefix("CAP_") for name in listed or ())


def _health_check(check: Mapping[str, Any]) -> dict[str, str]:
    """How often a container is looked at; what its service does not say, Docker takes from its image."""
    test = check.get("Test") or ["NONE"]
    if test[0] == "NONE":
        return {}
    named = {"interval": "Interval", "start_interval": "StartInterval"}
    return {word: _duration(check[key]) for word, key in named.items() if check.get(key)}


def _duration(nanoseconds: int) -> str:
    seconds, rest = divmod(abs(nanoseconds), 10**9)
    written = f"{min(seconds, _LONGEST_S)}.{rest:09d}".rstrip("0").rstrip(".")
    return f"{'-' if nanoseconds < 0 else ''}{written}s"


def _device(device: Mapping[str, Any]) -> str:
    modes = device.get("CgroupPermissions") or "rwm"
    return f"{device.get('PathOnHost', '')}:{device.get('PathInContainer', '')}:{modes}"
