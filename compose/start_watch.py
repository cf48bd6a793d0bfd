"""Watching a start while Compose waits for one service before it starts the next."""

import time
from collections.abc import Callable

from compose.health import Watch, exited_error
from compose.values import HealthExpectation
from homeport.host.engine import Engine
from homeport.plans import Control
from homeport.settings import Settings

_LOOK_S = 1.0


class StartWatch:
    """The control of a start that also looks, every second, whether a container fails while others wait."""

    def __init__(
        self,
        engine: Engine,
        project: str,
        expectation: HealthExpectation | None,
        *,
        control: Control,
        settings: Settings,
        on_wait: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._project = project
        self._control = control
        self._watch = Watch(engine, project, expectation, settings=settings) if expectation else None
        self._on_wait = on_wait
        self._healthy_s = settings.healthy_s
        self._began = time.monotonic()
        self._next_look = self._began + _LOOK_S

    def check(self) -> None:
        """See `Control.check`; raises ContainerExitedError as well."""
        self._control.check()
        if time.monotonic() >= self._next_look:
            self.raise_exited()
            self._next_look = time.monotonic() + _LOOK_S

    def raise_exited(self) -> None:
        """Raises ContainerExitedError if a container has failed."""
        verdict = self._watch.look() if self._watch else None
        if verdict is None:
            return
        if verdict.failed is not None:
            raise exited_error(self._engine, self._project, verdict)
        waited_s = time.monotonic() - self._began
        if verdict.waiting and waited_s < self._healthy_s:  # as long as an app may take, this is no stall
            names = ", ".join(sorted(verdict.waiting))
            self._on_wait(f"waiting for {names}")
