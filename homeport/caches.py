"""The words of the package caches: ecosystems, where builds reach them, what they did. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self


class Ecosystem(StrEnum):
    """What a package cache serves; each has a port of its own."""

    APT = "apt"
    """Debian's packages, through a forward proxy."""
    PIP = "pip"
    """Python's packages, for pip and uv."""
    NPM = "npm"
    """The npm registry, at the root of its port."""
    GEM = "gem"
    """RubyGems, for gem and bundler."""


PORT_OFFSETS: Final[Mapping[Ecosystem, int]] = {member: number for number, member in enumerate(Ecosystem)}
"""Each ecosystem's port, counted from the setting `cache_port`."""

DEVPI_OFFSET: Final = len(Ecosystem)
"""devpi's own port, on loopback, counted likewise."""

HEALTH_PATH: Final = "/.homeport/health"
"""What a cache answers to with 200 while it can serve; on the caches' socket: while all of them can, and with
503 while Python's alone cannot."""

ABSENT_PATHS: Final = {
    Ecosystem.PIP: "/root/pypi/+simple/homeport-doctor-asks/",
    Ecosystem.NPM: "/homeport-doctor-asks",
    Ecosystem.GEM: "/info/homeport-doctor-asks",
}
"""What no registry has: asked for, it shows that the registry answers, leaves nothing and is not counted."""

HEALTH_WAIT_S: Final = 4.0
"""How long to wait for that answer: a devpi that hangs is given up on after three seconds at most."""

LogPosition = Mapping[str, int]
"""How far the caches' log of requests was read: bytes by file name."""


@dataclass(frozen=True, kw_only=True)
class CacheAddresses:
    """Where builds reach the caches, as `http://address:port`, and why the others cannot be reached."""

    urls: Mapping[Ecosystem, str] = field(default_factory=dict)
    down: Mapping[Ecosystem, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CacheTraffic:
    """What a cache did: requests answered, those answered without asking upstream for the content, the
    bytes it served, and the bytes it fetched from upstream for them.
    """

    requests: int = 0
    hits: int = 0
    bytes_served: int = 0
    bytes_fetched: int = 0

    def __add__(self, other: "CacheTraffic") -> "CacheTraffic":
        """Both together."""
        return CacheTraffic(
            requests=self.requests + other.requests,
            hits=self.hits + other.hits,
            bytes_served=self.bytes_served + other.bytes_served,
            bytes_fetched=self.bytes_fetched + other.bytes_fetched,
        )

    def seconds_saved(self, line_mbit_s: float) -> float:
        """How much longer the line of that many Mbit/s would have been busy; never less than nothing."""
        return max(0, self.bytes_served - self.bytes_fetched) * 8 / (line_mbit_s * 1_000_000)

    def as_json(self) -> dict[str, Any]:
        """A JSON object with the fields by name."""
        return {
            "requests": self.requests,
            "hits": self.hits,
            "bytes_served": self.bytes_served,
            "bytes_fetched": self.bytes_fetched,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The traffic that `as_json` wrote."""
        return cls(**stored)


@dataclass(frozen=True, kw_only=True)
class DirectHost:
    """A host that a build spoke to without a cache: its name where it is known, else its address."""

    host: str
    connections: int


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What a build says of itself afterwards.

    `direct` is None where connections could not be seen: not known, which is not the same as none.
    `left_alone` holds a sentence for each part of the Dockerfile that got no cache, `warnings` what went
    otherwise than it should; `durations` the seconds that each instruction took, by a key of its own.
    """

    traffic: Mapping[Ecosystem, CacheTraffic] = field(default_factory=dict)
    direct: Sequence[DirectHost] | None = None
    left_alone: Sequence[str] = ()
    warnings: Sequence[str] = ()
    durations: Mapping[str, float] = field(default_factory=dict)

    def as_json(self, *, line_mbit_s: float) -> dict[str, Any]:
        """`{"caches": {ecosystem: traffic and seconds_saved}, "direct": [...] or null, "left_alone",
        "warnings"}`.
        """
        return {
            "caches": {
                ecosystem.value: traffic.as_json()
                | {"seconds_saved": round(traffic.seconds_saved(line_mbit_s), 1)}
                for ecosystem, traffic in self.traffic.items()
            },
            "direct": None
            if self.direct is None
            else [{"host": seen.host, "connections": seen.connections} for seen in self.direct],
            "left_alone": list(self.left_alone),
            "warnings": list(self.warnings),
        }
