"""How far a build is, from BuildKit's records. Pure."""

import base64
import binascii
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

from homeport.host.lines import LineCutter

LAST_LINES: Final = 40
"""How many of a step's last lines are kept for a failure."""

_INSTRUCTION = re.compile(r"\[(?:(?P<stage>\S+) )?(?P<number>\d+)/(?P<of>\d+)\] (?P<text>.+)", re.DOTALL)
_ONLY_STAGE: Final = "stage-0"  # BuildKit's name for the first one that has none
_SHOWN_CHARACTERS: Final = 80
_MB: Final = 1_000_000

# seconds, as a rule of thumb: programs run for long, files are copied fast
_RULE_OF_THUMB: Final = {"RUN": 10.0, "FROM": 3.0}
_OTHER_S: Final = 1.0
_EXPORT_S: Final = 2.0
_LEAST_S: Final = 0.05  # what takes no time at all still moves the fraction
_EXPORT_NAME: Final = "exporting to image"

_KEY_CHARACTERS: Final = 200
_LIKENESS: Final = 0.6  # difflib's ratio, from which an instruction counts as an earlier one that was edited
_NEARLY_DONE: Final = 0.95  # what a running step without bytes counts at most


@dataclass
class Vertex:
    """One node of BuildKit's graph: mostly an instruction of the Dockerfile."""

    digest: str
    name: str
    started: bool = False
    completed: bool = False
    cached: bool = False
    error: str = ""
    expected_s: float = _OTHER_S
    """The time that it is reckoned to take; `was_timed` where that is what it took before."""
    was_timed: bool = False
    spent_s: float = 0.0
    began_at: float | None = None
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
        is_named = found["stage"] and found["stage"] != _ONLY_STAGE
        stage = f"{found['stage']} " if is_named else ""
        return f"{stage}{found['number']}/{found['of']}"

    @property
    def key(self) -> str:
        """What names it in the durations: its instruction, cut; "" for BuildKit's own work but the export."""
        return (self.name if self.name == _EXPORT_NAME else self.instruction)[:_KEY_CHARACTERS]

    @property
    def weight(self) -> float:
        """Its share of the build's time, in seconds; nothing where the layer was there."""
        return 0.0 if self.cached else max(self.expected_s, _LEAST_S)

    @property
    def loaded(self) -> tuple[int, int]:
        """The bytes it has moved, and those it will have, over all whose size is known."""
        known = [(min(current, total), total) for current, total in self.sizes.values() if total]
        return sum(current for current, _ in known), sum(total for _, total in known)

    def fraction(self, now: float) -> float:
        """How far it is: by bytes where they are known, else by the time that it took before.

        Where neither is known, it counts when it is done.
        """
        current, total = self.loaded
        if self.completed and not self.error:
            return 1.0
        if total:
            return 0.99 * current / total
        if self.was_timed and self.began_at is not None:
            return min((self.spent_s + now - self.began_at) / max(self.expected_s, _LEAST_S), _NEARLY_DONE)
        return 0.0


class BuildModel:
    """Adds up the records of one build.

    Args:
        durations: the seconds that instructions took before, by `Vertex.key`.
        clean: makes an instruction's text the packager's own again.
    """

    def __init__(
        self,
        durations: Mapping[str, float] | None = None,
        *,
        clean: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.vertexes: dict[str, Vertex] = {}
        self._before = dict(durations or {})
        self._clean = clean
        self._now = 0.0  # by the engine's clock, as far as its records tell
        self._best = 0.0

    def take(self, record: Mapping[str, Any]) -> Iterator[str]:
        """Takes a record; gives the lines that it adds to the build's log. To be consumed at once."""
        for change in record.get("vertexes") or ():
            yield from self._take_vertex(change)
        for status in record.get("statuses") or ():
            if (vertex := self.vertexes.get(status.get("vertex", ""))) is not None:
                vertex.sizes[status.get("id", "")] = (status.get("current", 0), status.get("total", 0))
                self._pass_time(status.get("timestamp"))
        for piece in record.get("logs") or ():
            yield from self._take_output(piece)
        for warning in record.get("warnings") or ():
            yield f"warning: {_decoded(warning.get('short', '')).decode('utf-8', 'replace')}"

    @property
    def fraction(self) -> float:
        """How far the build is, 0 to 1; never less than before."""
        known = [vertex for vertex in self.vertexes.values() if vertex.key]
        if known:
            total = sum(vertex.weight for vertex in known)
            if all(vertex.name != _EXPORT_NAME for vertex in known):
                total += self._expected(_EXPORT_NAME)[0]
            done = sum(vertex.weight * vertex.fraction(self._now) for vertex in known)
            self._best = max(self._best, min(done / total, 1.0))
        return self._best

    @property
    def durations(self) -> dict[str, float]:
        """The seconds that each step took, by its key; for what was there, those it took before."""
        found: dict[str, float] = {}
        for vertex in self.vertexes.values():
            if vertex.cached and vertex.was_timed:
                found[vertex.key] = vertex.expected_s
            elif vertex.key and vertex.completed and not vertex.cached and not vertex.error:
                found[vertex.key] = round(vertex.spent_s, 3)
        return found

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
    def running(self) -> list[Vertex]:
        """The instructions that run just now."""
        return [
            step for step in self.vertexes.values() if step.position and step.started and not step.completed
        ]

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
            vertex = self.vertexes[digest] = Vertex(digest, self._clean(change.get("name", "")))
            vertex.expected_s, vertex.was_timed = self._expected(vertex.key)
        begins = bool(change.get("started")) and not vertex.started
        ends = bool(change.get("completed")) and not vertex.completed
        vertex.started = bool(change.get("started"))
        vertex.completed = bool(change.get("completed"))  # it may start again: cache first, then the work
        vertex.cached = bool(change.get("cached")) or vertex.cached
        vertex.error = change.get("error", "") or vertex.error
        self._take_times(vertex, change)
        if vertex.position and begins:
            yield f"{vertex.position} {vertex.instruction}"
        if vertex.position and ends:
            yield from self._take_lines(vertex, vertex.cutter.flush())
            if vertex.error or vertex.cached:
                yield f"{vertex.position} {vertex.error or 'was built before'}"

    def _take_times(self, vertex: Vertex, change: Mapping[str, Any]) -> None:
        started, completed = _seconds(change.get("started")), _seconds(change.get("completed"))
        if started is not None and completed is None:
            vertex.began_at = started
        elif started is not None and completed is not None:
            vertex.spent_s += max(completed - started, 0.0)
            vertex.began_at = None
        self._pass_time(change.get("started"))
        self._pass_time(change.get("completed"))

    def _pass_time(self, stamp: object) -> None:
        self._now = max(self._now, _seconds(stamp) or 0.0)

    def _expected(self, key: str) -> tuple[float, bool]:
        """The seconds that a step will take, and whether it, or one much like it, took them before."""
        if key in self._before:
            return self._before[key], True
        keyword = key.partition(" ")[0]
        like = [known for known in self._before if known.partition(" ")[0] == keyword] if key else []
        if near := get_close_matches(key, like, n=1, cutoff=_LIKENESS):
            return self._before[near[0]], True
        if key == _EXPORT_NAME:
            return _EXPORT_S, False
        return _RULE_OF_THUMB.get(keyword, _OTHER_S), False

    def _take_output(self, piece: Mapping[str, Any]) -> Iterator[str]:
        vertex = self.vertexes.get(piece.get("vertex", ""))
        self._pass_time(piece.get("timestamp"))
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


def _seconds(stamp: object) -> float | None:
    """The seconds since 1970 of an RFC 3339 time; None where it is none."""
    try:
        return datetime.fromisoformat(str(stamp)).timestamp() if stamp else None
    except ValueError:
        return None
