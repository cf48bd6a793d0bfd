"""Building on the private engine, with what a build shows kept for looking at."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from build_cache.builder import BuildRequest, BuiltImage, ImageBuilder
from homeport.errors import CancelledError
from homeport.host.engine import Engine
from homeport.settings import Settings
from tests.harness.engine import EngineBox

BASE = "debian:bookworm-slim"
TAG = "homeport/test-builder:1"


def fresh() -> str:
    """A word that no build has had, so that no layer of an earlier one is taken."""
    return uuid.uuid4().hex


class CancelAfter:
    """A control that cancels after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() >= self.at:
            raise CancelledError("Cancelled.")


class BuildBench:
    """Builds Dockerfiles and keeps what was shown.

    `settings` are those of every build; limits are kept by a control group below the engine's own, so that
    test runs side by side do not meet.
    """

    def __init__(self, engine_box: EngineBox, context: Path, **settings: Any) -> None:
        self.docker_host = engine_box.docker_host
        self.engine = Engine(self.docker_host)
        self.cgroup = f"{engine_box.namespace.cgroup.strip('/')}/homeport-build"
        self.context = context
        self.settings = {
            "state_dir": context.with_name(f"{context.name}-state"),
            "docker_host": self.docker_host,
            "stall_s": 60,
            "ceiling_s": 300,
            **settings,
        }
        self.shown: list[tuple[float, str]] = []
        self.lines: list[str] = []
        self.on_line: Callable[[str], None] = lambda line: None

    def build(self, text: str, *, cancel_s: float = 600, **more: Any) -> BuiltImage:
        """Builds the Dockerfile; what is no setting stands in the request."""
        (self.context / "Dockerfile").write_text(text)
        changed = {name: more.pop(name) for name in list(more) if name in Settings.model_fields}
        settings = Settings(**{**self.settings, **changed})
        self.shown, self.lines = [], []
        request = {"service": "web", "context": self.context, "dockerfile": "Dockerfile", "tag": TAG, **more}
        return ImageBuilder(settings, Engine(settings.docker_host), cgroup=self.cgroup).build(
            BuildRequest(**request),
            control=CancelAfter(cancel_s),
            on_progress=lambda fraction, detail: self.shown.append((fraction, detail)),
            log=self._log,
        )

    def _log(self, line: str) -> None:
        self.lines.append(line)
        self.on_line(line)

    def said(self) -> str:
        """The log as one text."""
        return "\n".join(self.lines)
