"""How far a pull is, and why one failed, from the engine's messages. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_MB: Final = 1_000_000
_DOWNLOAD_SHARE: Final = 0.8  # of a layer's time; the rest goes into unpacking it
_SPEED_WINDOW_S: Final = 5.0

_LAYER_BEGUN: Final = frozenset({"Pulling fs layer", "Waiting"})
_LAYER_LOADED: Final = frozenset({"Verifying Checksum", "Download complete"})
_LAYER_DONE: Final = frozenset({"Pull complete", "Already exists"})


@dataclass(frozen=True, kw_only=True)
class PullProgress:
    """How far a pull is.

    `current_bytes` of `total_bytes` are downloaded; the total grows while layers become known. `fraction`
    weighs layers by their bytes, counts unpacking too, and never falls. `speed` is bytes per second over the
    last seconds. `retrying` says that the engine tries a cut-off layer again.
    """

    current_bytes: int
    total_bytes: int
    layers_done: int
    layers: int
    speed: float
    fraction: float
    retrying: bool = False

    @property
    def text(self) -> str:
        """The progress in words, such as `12.3 of 45.0 MB, 2 of 5 layers, 3.1 MB/s`."""
        parts = [f"{self.layers_done} of {self.layers} layers"]
        if self.total_bytes:
            parts.insert(0, f"{self.current_bytes / _MB:.1f} of {self.total_bytes / _MB:.1f} MB")
        if self.speed and self.current_bytes < self.total_bytes:
            parts.append(f"{self.speed / _MB:.1f} MB/s")
        if self.retrying:
            parts.append("cut off, trying again")
        return ", ".join(parts)


@dataclass
class _Layer:
    total: int = 0
    loaded: int = 0
    unpacked: float = 0.0
    is_done: bool = False
    retrying: bool = False

    @property
    def fraction(self) -> float:
        if self.is_done:
            return 1.0
        loaded = self.loaded / self.total if self.total else 0.0
        return min(1.0, _DOWNLOAD_SHARE * loaded + (1 - _DOWNLOAD_SHARE) * self.unpacked)


@dataclass
class PullModel:
    """Adds up the engine's messages of one pull."""

    _layers: dict[str, _Layer] = field(default_factory=dict)
    _best: float = 0.0
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def feed(self, message: Mapping[str, Any], now: float) -> bool:
        """Takes a message that came at `now` (seconds of any clock); whether anything moved forward."""
        name, status = message.get("id"), str(message.get("status", ""))
        if not name or status.startswith("Pulling from"):
            return False
        before = self._sum()
        is_new = name not in self._layers
        if is_new and not (status in _LAYER_BEGUN or status in _LAYER_DONE):
            return False  # a line about the image, not about a layer
        _apply(self._layers.setdefault(name, _Layer()), status, message.get("progressDetail") or {})
        self._samples.append((now, self._loaded()))
        while len(self._samples) > 2 and now - self._samples[0][0] > _SPEED_WINDOW_S:
            self._samples.popleft()
        return is_new or self._sum() > before

    def progress(self) -> PullProgress:
        """How far the pull is."""
        layers = self._layers.values()
        self._best = max(self._best, self._fraction())
        return PullProgress(
            current_bytes=self._loaded(),
            total_bytes=sum(layer.total for layer in layers),
            layers_done=sum(layer.is_done for layer in layers),
            layers=len(layers),
            speed=self._speed(),
            fraction=self._best,
            retrying=any(layer.retrying for layer in layers),
        )

    def _loaded(self) -> int:
        return sum(layer.loaded for layer in self._layers.values())

    def _sum(self) -> float:
        return sum(layer.fraction for layer in self._layers.values())

    def _fraction(self) -> float:
        """Layers weighed by their bytes; one whose size is unknown counts as the mean of the known."""
        sizes = [layer.total for layer in self._layers.values() if layer.total]
        mean = sum(sizes) / len(sizes) if sizes else 1.0
        weighed = [(layer.total or mean, layer) for layer in self._layers.values()]
        total = sum(size for size, _ in weighed)
        return sum(size * layer.fraction for size, layer in weighed) / total if total else 0.0

    def _speed(self) -> float:
        if len(self._samples) < 2:
            return 0.0
        (began, first), (ended, last) = self._samples[0], self._samples[-1]
        return max(0.0, (last - first) / (ended - began)) if ended > began else 0.0


def _apply(layer: _Layer, status: str, detail: Mapping[str, Any]) -> None:
    current, total = detail.get("current") or 0, detail.get("total") or 0
    layer.retrying = status.startswith("Retrying")
    if status == "Downloading":
        layer.total = max(layer.total, total)
        layer.loaded = min(current, layer.total) if layer.total else current
    elif status in _LAYER_LOADED:
        layer.loaded = layer.total
    elif status == "Extracting":
        layer.loaded = layer.total
        layer.unpacked = max(layer.unpacked, current / total) if total else layer.unpacked
    elif status in _LAYER_DONE:
        layer.loaded, layer.is_done = layer.total, True


@dataclass(frozen=True, kw_only=True)
class PullReason:
    """Why a pull failed, in words, and what to do."""

    why: str
    remedy: str


_REASONS: Final = (
    # the engine passes a registry's answer on as text, with status 404 or 500 or within the stream: there is
    # no code to go by (moby, distribution/errors.go)
    (
        ("toomanyrequests", "rate limit"),
        "The registry allows no more pulls for now.",
        "Try again later, or log in to the registry with `docker login`.",
    ),
    (
        ("pull access denied", "unauthorized", "authentication required", "access to the resource is denied"),
        "The registry has no such image, or shows it only to those who log in.",
        "Check the image's name; for a private image, run `docker login` on this machine.",
    ),
    (
        ("manifest unknown", "not found", "name unknown", "repository does not exist"),
        "The registry has no image of this name and tag.",
        "Check the name and the tag in the definition.",
    ),
    (
        ("no matching manifest",),
        "The registry has the image, but not for this machine's kind of processor.",
        "Ask the image's maker for one that runs here.",
    ),
    (
        ("x509", "certificate"),
        "The registry's certificate could not be verified.",
        "Check the machine's clock and its certificates (package ca-certificates).",
    ),
    (
        ("no such host", "connection refused", "network is unreachable", "no route to host", "timeout"),
        "The registry cannot be reached from this machine.",
        "Check the network connection and name resolution, and try again.",
    ),
    (
        ("unexpected eof", "connection reset", "eof"),
        "The connection was cut off while the image was being downloaded.",
        "Try again: what was downloaded whole is not downloaded again.",
    ),
)


def pull_reason(message: str) -> PullReason:
    """Why the pull failed, from the engine's message, which is kept at the end."""
    lowered = message.lower()
    for words, why, remedy in _REASONS:
        if any(word in lowered for word in words):
            return PullReason(why=f"{why} Docker says: {message}", remedy=remedy)
    return PullReason(why=f"Docker says: {message}", remedy="Look at the reason, and try again.")
