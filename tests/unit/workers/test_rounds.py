"""When Docker is compared with the database."""

from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest

from homeport.errors import EngineRefusedError, EngineUnavailableError, StateUnavailableError
from workers.steward.reconcile import Reconciler, Rounds


class Engine:
    """An engine that is there or not, beside a reconciler that notes when it compares."""

    def __init__(self) -> None:
        self.is_up = True
        self.error: Exception | None = None
        self.on_settings: Callable[[], None] = lambda: None
        self.now = 0.0
        self.compared: list[float] = []
        self.fresh: list[float] = []
        given: Any = SimpleNamespace(engine=self, settings=self, turn=self.compare)
        self.rounds = Rounds(cast("Reconciler", given), clock=lambda: self.now)

    @property
    def reconcile_s(self) -> float:
        """The setting, which a turn reads between looking whether it is due and saying when the next is."""
        self.on_settings()
        return 300

    def compare(self, *, is_fresh: bool) -> None:
        if self.error is not None:
            raise self.error
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


@pytest.mark.parametrize("error", [EngineUnavailableError, EngineRefusedError, StateUnavailableError])
def test_a_comparison_that_decided_nothing_stays_due(error: type[Exception]) -> None:
    engine = Engine()
    engine.error = error("It does not answer.")
    with pytest.raises(error):
        engine.rounds.turn()

    engine.error = None
    engine.pass_time(1)

    assert engine.compared == engine.fresh == [1]


def test_a_comparison_that_fails_otherwise_is_made_again_in_its_time_and_no_repair_in_it_is_urgent() -> None:
    engine = Engine()
    engine.error = PermissionError(1, "Operation not permitted")
    with pytest.raises(PermissionError):
        engine.rounds.turn()

    engine.error = None
    engine.pass_time(310)

    assert engine.compared == [300]
    assert engine.fresh == []


def test_an_engine_that_goes_away_as_a_comparison_begins_is_compared_soon_again() -> None:
    engine = Engine()
    watching = Thread(target=engine.go_away_for_a_moment)

    def go_away() -> None:
        if not watching.is_alive():
            watching.start()
            watching.join(0.2)  # it may write nothing between what the turn reads and what it writes

    engine.on_settings = go_away

    engine.rounds.turn()
    watching.join()
    engine.on_settings = lambda: None
    engine.pass_time(10)

    assert engine.compared == engine.fresh == [0, 5]


def test_an_engine_that_goes_away_and_is_missed_by_a_comparison_gets_its_time() -> None:
    engine = Engine()

    def compare(*, is_fresh: bool) -> None:
        engine.rounds._reconciler.__dict__["turn"] = engine.compare
        engine.go_away_for_a_moment()
        raise EngineUnavailableError("Docker does not answer.")

    engine.rounds._reconciler.__dict__["turn"] = compare
    with pytest.raises(EngineUnavailableError):
        engine.rounds.turn()

    engine.pass_time(10)

    assert engine.compared == engine.fresh == [5]
