"""When Docker is compared with the database."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from homeport.errors import EngineUnavailableError
from workers.steward.reconcile import Reconciler, Rounds


class Engine:
    """An engine that is there or not, beside a reconciler that notes when it compares."""

    def __init__(self) -> None:
        self.is_up = True
        self.now = 0.0
        self.compared: list[float] = []
        self.fresh: list[float] = []
        given: Any = SimpleNamespace(
            engine=self, settings=SimpleNamespace(reconcile_s=300), turn=self.compare
        )
        self.rounds = Rounds(cast("Reconciler", given), clock=lambda: self.now)

    def compare(self, *, is_fresh: bool) -> None:
        if not self.is_up:
            raise EngineUnavailableError("Docker does not answer.")
        self.compared.append(self.now)
        self.fresh += [self.now] if is_fresh else []

    def stays(self, wait_s: int) -> bool:
        return False

    def go_away_for_a_moment(self) -> None:
        self.rounds.watch()

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            if not self.is_up:
                self.rounds.watch()
            self.rounds.turn()


def test_it_is_compared_at_once_and_then_now_and_again() -> None:
    engine = Engine()

    engine.pass_time(700)

    assert engine.compared == [1, 301, 601]


def test_it_is_compared_soon_after_the_engine_was_away_for_a_moment() -> None:
    engine = Engine()
    engine.pass_time(10)

    engine.go_away_for_a_moment()
    engine.pass_time(320)

    assert engine.compared == [1, 15, 315]
    assert engine.fresh == [1, 15]


def test_it_is_compared_soon_after_an_engine_that_was_away_is_back() -> None:
    engine = Engine()
    engine.pass_time(10)

    engine.is_up = False
    engine.pass_time(20)
    engine.is_up = True
    engine.pass_time(320)

    assert engine.compared == [1, 35, 335]
    assert engine.fresh == [1, 35]


def test_an_engine_that_goes_away_during_a_comparison_is_compared_again() -> None:
    engine = Engine()

    def compare(*, is_fresh: bool) -> None:
        engine.compare(is_fresh=is_fresh)
        engine.go_away_for_a_moment()

    engine.rounds._reconciler.__dict__["turn"] = compare

    engine.pass_time(7)

    assert engine.compared == engine.fresh == [1, 6]


def test_a_comparison_that_fails_stays_due() -> None:
    engine = Engine()
    engine.is_up = False
    with pytest.raises(EngineUnavailableError):
        engine.rounds.turn()

    engine.is_up = True
    engine.pass_time(1)

    assert engine.compared == engine.fresh == [1]
