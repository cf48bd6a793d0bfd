"""Waiting for a Docker Engine that is being started again, before something is put back."""

import time

from homeport.errors import EngineUnavailableError
from homeport.plans import Control
from workers.tools import Tools

_WAIT_S = 45.0  # a killed engine is back after 11 s; every job moves within 60
_LOOK_S = 0.25


def wait_for_engine(tools: Tools, control: Control) -> None:
    """Returns when the engine answers.

    Raises:
        EngineUnavailableError: it does not within 45 seconds.
    """
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            tools.engine.version()
        except EngineUnavailableError:
            if time.monotonic() > deadline:
                raise
        else:
            return
        control.check()
        time.sleep(_LOOK_S)
