"""Watching a start while Compose waits for one service before it starts the next."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from compose.health import Watch, exited_error
from compose.values import HealthExpectation
from compose.verdict import Verdict
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
        self._looking: Future[Verdict] | None = None

    def check(self) -> None:
        """See `Control.check`; raises ContainerExitedError as well.

        It looks in a thread of its own: an engine that does not answer must not hold up a cancel.
        """
        self._control.check()
        if self._looking is not None and self._looking.done():
            looked, self._looking = self._looking, None
            self._think_of(looked.result())
        if self._watch is not None and self._looking is None and time.monotonic() >= self._next_look:
            self._looking = _in_a_thread(self._watch.look)
            self._next_look = time.monotonic() + _LOOK_S

    def raise_exited(self) -> None:
        """Raises ContainerExitedError if a container has failed, now that Compose has ended."""
        if self._watch is not None:
            if self._looking is not None:
                self._looking.exception()  # one look at a time
            self._think_of(self._watch.look())

    def _think_of(self, verdict: Verdict) -> None:
        if verdict.failed is not None:
            raise exited_error(self._engine, self._project, verdict)
        waited_s = time.monotonic() - self._began
        if verdict.waiting and waited_s < self._healthy_s:  # as long as an app may take, this is no stall
            names = ", ".join(sorted(verdict.waiting))
            self._on_wait(f"waiting for {names}")


def _in_a_thread(look: Callable[[], Verdict]) -> Future[Verdict]:
    future: Future[Verdict] = Future()

    def run() -> None:
        try:
            future.set_result(look())
        except Exception as error:  # raised again where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name="start watch", daemon=True).start()
    return future
