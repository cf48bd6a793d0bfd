"""How far a build is, from BuildKit's records. Pure."""

import base64
import binascii
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homeport.host.lines import LineCutter

LAST_LINES: Final = 40
"""How many of a step's last lines are kept for a failure."""

_INSTRUCTION = re.compile(r"\[(?:(?P<stage>\S+) )?(?P<number>\d+)/(?P<of>\d+)\] (?P<text>.+)", re.DOTALL)
_SHOWN_CHARACTERS: Final = 80
_MB: Final = 1_000_000

# shares of the time, as a rule of thumb: programs run for long, files are copied fast
_WEIGHTS: Final = {"RUN": 10.0, "FROM": 3.0}
_EXPORT_WEIGHT: Final = 2.0
_EXPORT_NAME: Final = "exporting to image"


@dataclass
class Vertex:
    """One node of BuildKit's graph: mostly an instruction of the Dockerfile."""

    digest: str
    name: str
    started: bool = False
    completed: bool = False
    cached: bool = False
    error: str = ""
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    cutter: LineCutter = field(default_factory=LineCutter)

    @property
    def instruction(self) -> str:
        """The instruction in one line without its position; "" for BuildKit's own work."""
        found = _INSTRUCTION.fullmatch(self.name)
        return " ".join(found["text"].split()) if found else ""

    @property
    def position(self) -> str:
        """Where it stands, such as `3/7`, or `web 3/7` with several stages; "" for BuildKit's own work."""
        found = _INSTRUCTION.fullmatch(self.name)
        if not found:
            return ""
        stage = f"{found['stage']} " if found["stage"] else ""
        return f"{stage}{found['number']}/{found['of']}"

    @property
    def weight(self) -> float:
        """Its share of the build's time."""
        return _WEIGHTS.get(self.instruction.partition(" ")[0], 1.0)

    @property
    def loaded(self) -> tuple[int, int]:
        """The bytes it has moved, and those it will have, over all whose size is known."""
        known = [(min(current, total), total) for current, total in self.sizes.values() if total]
        return sum(current for current, _ in known), sum(total for _, total in known)

    @property
    def fraction(self) -> float:
        """How far it is: by bytes where they are known; else it counts when it is done."""
        current, total = self.loaded
        if self.completed and not self.error:
            return 1.0
        return 0.99 * current / total if total else 0.0


class BuildModel:
    """Adds up the records of one build."""

    def __init__(self) -> None:
        self.vertexes: dict[str, Vertex] = {}
        self._best = 0.0

    def take(self, record: Mapping[str, Any]) -> Iterator[str]:
        """Takes a record; gives the lines that it adds to the build's log. To be consumed at once."""
        for change in record.get("vertexes") or ():
            yield from self._take_vertex(change)
        for status in record.get("statuses") or ():
            if (vertex := self.vertexes.get(status.get("vertex", ""))) is not None:
                vertex.sizes[status.get("id", "")] = (status.get("current", 0), status.get("total", 0))
        for piece in record.get("logs") or ():
            yield from self._take_output(piece)
        for warning in record.get("warnings") or ():
            yield f"warning: {_decoded(warning.get('short', '')).decode('utf-8', 'replace')}"

    @property
    def fraction(self) -> float:
        """How far the build is, 0 to 1; never less than before."""
        instructions = [vertex for vertex in self.vertexes.values() if vertex.position]
        if instructions:
            exports = [vertex for vertex in self.vertexes.values() if vertex.name == _EXPORT_NAME]
            exported = _EXPORT_WEIGHT * max((vertex.fraction for vertex in exports), default=0.0)
            done = sum(vertex.weight * vertex.fraction for vertex in instructions) + exported
            total = sum(vertex.weight for vertex in instructions) + _EXPORT_WEIGHT
            self._best = max(self._best, done / total)
        return self._best

    @property
    def detail(self) -> str:
        """What runs now, such as `3/7 RUN apt-get install …`; the last of those that run side by side."""
        running = [v for v in self.vertexes.values() if v.started and not v.completed]
        if not running:
            return ""
        vertex = next((v for v in reversed(running) if v.position), running[-1])
        shown = f"{vertex.position} {vertex.instruction}" if vertex.position else vertex.name
        if len(shown) > _SHOWN_CHARACTERS:
            shown = shown[: _SHOWN_CHARACTERS - 1].rstrip() + "…"
        current, total = vertex.loaded
        return f"{shown} ({current / _MB:.1f} of {total / _MB:.1f} MB)" if total else shown

    @property
    def failing(self) -> Vertex | None:
        """The vertex that failed of itself, not because another one did."""
        failed = [vertex for vertex in self.vertexes.values() if vertex.error]
        own = [vertex for vertex in failed if "context canceled" not in vertex.error]
        return next(iter(own or failed), None)

    def _take_vertex(self, change: Mapping[str, Any]) -> Iterator[str]:
        digest = change["digest"]
        vertex = self.vertexes.get(digest)
        if vertex is None:
            vertex = self.vertexes[digest] = Vertex(digest, change.get("name", ""))
        begins = bool(change.get("started")) and not vertex.started
        ends = bool(change.get("completed")) and not vertex.completed
        vertex.started = bool(change.get("started"))
        vertex.completed = bool(change.get("completed"))  # it may start again: cache first, then the work
        vertex.cached = bool(change.get("cached")) or vertex.cached
        vertex.error = change.get("error", "") or vertex.error
        if vertex.position and begins:
            yield f"{vertex.position} {vertex.instruction}"
        if vertex.position and ends:
            yield from self._take_lines(vertex, vertex.cutter.flush())
            if vertex.error or vertex.cached:
                yield f"{vertex.position} {vertex.error or 'was built before'}"

    def _take_output(self, piece: Mapping[str, Any]) -> Iterator[str]:
        vertex = self.vertexes.get(piece.get("vertex", ""))
        if vertex is not None:
            yield from self._take_lines(vertex, vertex.cutter.feed(_decoded(piece.get("data", ""))))

    @staticmethod
    def _take_lines(vertex: Vertex, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            vertex.last_lines.append(line)
            yield f"{vertex.position} | {line}"


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text or "")
    except binascii.Error:
        return b""
