"""Watching a start while Compose waits for one service before it starts the next."""

import time

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
        control: Control,
        settings: Settings,
    ) -> None:
        self._engine = engine
        self._project = project
        self._control = control
        self._watch = Watch(engine, project, expectation, settings=settings) if expectation else None
        self._next_look = time.monotonic() + _LOOK_S

    def check(self) -> None:
        """See `Control.check`; raises ContainerExitedError as well."""
        self._control.check()
        if time.monotonic() >= self._next_look:
            self.raise_exited()
            self._next_look = time.monotonic() + _LOOK_S

    def raise_exited(self) -> None:
        """Raises ContainerExitedError if a container has failed."""
        verdict = self._watch.look() if self._watch else None
        if verdict is not None and verdict.failed is not None:
            raise exited_error(self._engine, self._project, verdict)
