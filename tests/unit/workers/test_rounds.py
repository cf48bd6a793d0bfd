"""When Docker is compared with the database."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from homeport.errors import EngineUnavailableError
from workers.steward.reconcile import Reconciler, Rounds


class Engine:
    """An engine that answers or does not, beside a reconciler that notes when it compares."""

    def __init__(self) -> None:
        self.is_up = True
        self.now = 0.0
        self.compared: list[float] = []
        given: Any = SimpleNamespace(
            engine=self,
            settings=SimpleNamespace(reconcile_s=300),
            turn=lambda: self.compared.append(self.now),
        )
        self.rounds = Rounds(cast("Reconciler", given), clock=lambda: self.now)

    def version(self) -> None:
        if not self.is_up:
            raise EngineUnavailableError("Docker does not answer.")

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            if self.is_up:
                self.rounds.turn()
            else:
                with pytest.raises(EngineUnavailableError):
                    self.rounds.turn()


def test_it_is_compared_at_once_and_then_now_and_again() -> None:
    engine = Engine()

    engine.pass_time(700)

    assert engine.compared == [1, 301, 601]


def test_it_is_compared_soon_after_an_engine_that_was_away_is_back() -> None:
    engine = Engine()
    engine.pass_time(10)

    engine.is_up = False
    engine.pass_time(20)
    engine.is_up = True
    engine.pass_time(320)

    assert engine.compared == [1, 36, 336]


def test_a_comparison_that_fails_is_due_again_at_once() -> None:
    engine = Engine()

    def fail() -> None:
        raise RuntimeError("the database is locked")

    engine.rounds._reconciler.__dict__["turn"] = fail
    with pytest.raises(RuntimeError):
        engine.rounds.turn()
    engine.rounds._reconciler.__dict__["turn"] = lambda: engine.compared.append(engine.now)
    engine.pass_time(1)

    assert engine.compared == [1]
