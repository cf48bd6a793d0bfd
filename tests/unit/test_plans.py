"""The step engine over a journal in memory: forward, backward, resumed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest

from homeport.errors import (
    CancelledError,
    HandedBackError,
    LeaseLostError,
    Problem,
    StalledError,
    StateUnavailableError,
    UnhealthyError,
)
from homeport.models import StepRow, StepState
from homeport.plans import Ending, Plan, Step, StepRun, run_plan

T = TypeVar("T")

NAMES = ("reserve", "fetch", "start", "record")


@dataclass
class MemoryJournal:
    order: tuple[str, ...] = NAMES
    rows: dict[str, StepRow] = field(default_factory=dict)
    shown: list[float] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    turned_back: Problem | None = None

    def steps(self) -> Sequence[StepRow]:
        return [self.rows[name] for name in self.order if name in self.rows]

    def _set(self, step: str, state: StepState, **fields: Any) -> None:
        self.rows[step] = replace(self.rows.get(step, StepRow(name=step)), state=state, **fields)

    def begun(self, step: str) -> None:
        attempts = self.rows[step].attempts if step in self.rows else 0
        self._set(step, StepState.RUNNING, attempts=attempts + 1)

    def saved(self, step: str, record: Mapping[str, Any]) -> None:
        self.rows[step] = replace(self.rows[step], record=dict(record))

    def done(self, step: str, record: Mapping[str, Any]) -> None:
        self._set(step, StepState.DONE, record=dict(record))

    def failed(self, step: str, problem: Problem) -> None:
        self._set(step, StepState.FAILED)

    def undoing(self, problem: Problem) -> None:
        self.turned_back = problem

    def undone(self, step: str) -> None:
        self._set(step, StepState.UNDONE)

    def progress(self, step: str, overall: float, detail: str) -> None:
        self.shown.append(overall)

    def log(self, line: str) -> None:
        self.lines.append(line)


class Going:
    def check(self) -> None:
        pass


class Box:
    """What the steps change: a set of names, so that what is left can be looked at."""

    def __init__(self) -> None:
        self.there: list[str] = []
        self.failing: dict[str, BaseException] = {}
        self.undo_failing: dict[str, BaseException] = {}

    def plan(self) -> "Plan[Box]":
        return Plan(*(Step(name=name, do=self._do, undo=self._undo, weight=2) for name in NAMES))

    @staticmethod
    def _do(box: "Box", run: StepRun) -> None:
        run.save(made=run.name)
        run.progress(0.5)
        if run.name in box.failing:
            raise box.failing[run.name]
        if run.name not in box.there:
            box.there.append(run.name)

    @staticmethod
    def _undo(box: "Box", run: StepRun) -> None:
        if run.name in box.undo_failing:
            raise box.undo_failing[run.name]
        if run.record and run.name in box.there:
            box.there.remove(run.name)


def test_all_steps_run_in_order_and_the_progress_ends_at_one() -> None:
    box, journal = Box(), MemoryJournal()

    outcome = run_plan(box.plan(), box, journal, Going())

    assert outcome.ending is Ending.SUCCEEDED
    assert box.there == list(NAMES)
    assert journal.shown == sorted(journal.shown)
    assert journal.shown[-1] == 1.0


@pytest.mark.parametrize("failing", NAMES)
def test_a_failure_at_any_step_leaves_nothing(failing: str) -> None:
    box, journal = Box(), MemoryJournal()
    box.failing[failing] = UnhealthyError("It is not healthy.", why="no answer")

    outcome = run_plan(box.plan(), box, journal, Going())

    assert outcome.ending is Ending.FAILED
    assert box.there == []
    assert outcome.problem is not None
    assert outcome.problem.code == "unhealthy"
    assert outcome.problem.restored.startswith("Put back: ")
    begun = NAMES[: NAMES.index(failing) + 1]
    assert [journal.rows[name].state for name in begun] == [StepState.UNDONE] * len(begun)


@pytest.mark.parametrize("stopped", NAMES)
@pytest.mark.parametrize("reason", [HandedBackError, LeaseLostError])
def test_a_job_that_is_handed_back_goes_on_where_it_was(
    stopped: str, reason: type[HandedBackError | LeaseLostError]
) -> None:
    box, journal = Box(), MemoryJournal()
    box.failing[stopped] = HandedBackError() if reason is HandedBackError else LeaseLostError("lost")

    with pytest.raises(reason):
        run_plan(box.plan(), box, journal, Going())
    before = list(box.there)
    box.failing.clear()
    outcome = run_plan(box.plan(), box, journal, Going())

    assert before == list(NAMES[: NAMES.index(stopped)])
    assert outcome.ending is Ending.SUCCEEDED
    assert box.there == list(NAMES)
    assert journal.rows[stopped].attempts == 2
    assert all(journal.rows[name].attempts == 1 for name in NAMES if name != stopped)


def test_a_cancelled_job_is_undone_and_ends_as_cancelled() -> None:
    class CancelledAtStart:
        def check(self) -> None:
            if "fetch" in box.there:
                raise CancelledError("cancelled")

    box, journal = Box(), MemoryJournal()

    outcome = run_plan(box.plan(), box, journal, CancelledAtStart())

    assert outcome.ending is Ending.CANCELLED
    assert box.there == []


@pytest.mark.parametrize("failure", [OSError("no space"), SystemExit("no space")])
def test_an_undo_that_fails_is_told_and_the_others_still_run(failure: BaseException) -> None:
    box, journal = Box(), MemoryJournal()
    box.failing["record"] = ValueError("odd")
    box.undo_failing = {"start": failure}

    outcome = run_plan(box.plan(), box, journal, Going())

    assert box.there == ["start"]
    assert outcome.problem is not None
    assert outcome.problem.code == "internal_error"
    assert "start (no space)" in outcome.problem.restored


def test_an_undo_that_the_database_interrupts_is_persisted_in_and_not_told_as_left() -> None:
    box, journal = Box(), MemoryJournal()
    box.failing["record"] = UnhealthyError("It is not healthy.")
    box.undo_failing = {"start": StateUnavailableError("The database is locked.")}
    tries = []

    def persist(act: Callable[[], T], /) -> T:
        while True:
            try:
                return act()
            except StateUnavailableError:
                tries.append(list(box.there))
                box.undo_failing.clear()

    outcome = run_plan(box.plan(), box, journal, Going(), persist=persist)

    assert tries == [["reserve", "fetch", "start"]], "record was undone, and nothing was passed over"
    assert box.there == []
    assert outcome.problem is not None
    assert outcome.problem.code == "unhealthy"
    assert outcome.problem.restored == "Put back: record, start, fetch, reserve."


def test_a_plan_that_nobody_persists_in_leaves_its_undo_to_the_next_run() -> None:
    box, journal = Box(), MemoryJournal()
    box.failing["record"] = UnhealthyError("It is not healthy.")
    box.undo_failing = {"start": StateUnavailableError("The database is locked.")}

    with pytest.raises(StateUnavailableError):
        run_plan(box.plan(), box, journal, Going())
    box.undo_failing.clear()
    outcome = run_plan(box.plan(), box, journal, Going(), turned_back=journal.turned_back)

    assert box.there == []
    assert outcome.problem is not None
    assert outcome.problem.code == "unhealthy"


def test_an_undo_that_was_interrupted_goes_on_and_does_not_start_the_plan_again() -> None:
    box, journal = Box(), MemoryJournal()
    run_plan(box.plan(), box, journal, Going())
    journal.rows["record"] = replace(journal.rows["record"], state=StepState.UNDONE)
    box.there.remove("record")

    outcome = run_plan(
        box.plan(), box, journal, Going(), turned_back=Problem(code="unhealthy", what="It is not healthy.")
    )

    assert outcome.ending is Ending.FAILED
    assert box.there == []
    assert outcome.problem is not None
    assert outcome.problem.restored == "Put back: record, start, fetch, reserve."


def test_what_has_no_undo_is_said_to_have_begun_and_not_to_be_put_back() -> None:
    box, journal = Box(), MemoryJournal(order=("stop", "forget"))
    box.failing["forget"] = ValueError("odd")
    plan = Plan(*(Step(name=name, do=box._do) for name in journal.order))

    outcome = run_plan(plan, box, journal, Going())

    assert outcome.problem is not None
    assert outcome.problem.restored == "Nothing was put back; what had begun: stop, forget."
    assert [row.state for row in journal.rows.values()] == [StepState.DONE, StepState.FAILED]


def test_a_plan_refuses_two_steps_of_one_name() -> None:
    step: Step[Box] = Step(name="start", do=lambda _box, _run: None)

    with pytest.raises(ValueError, match="two steps of one name"):
        Plan(step, step)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def step_run(clock: Clock, journal: MemoryJournal) -> StepRun:
    journal.begun("start")
    return StepRun("start", {}, journal, Going(), lambda _fraction, _detail: None, stall_s=10, clock=clock)


def test_a_step_that_does_not_move_for_the_stall_limit_is_ended_and_says_what_it_did_last() -> None:
    clock, journal = Clock(), MemoryJournal()
    run = step_run(clock, journal)
    run.progress(0.4, "pulling: 3 MB")
    clock.now = 9.9
    run.check()
    run.progress(0.4, "pulling: 3 MB")  # the same again is no movement

    clock.now = 10
    with pytest.raises(StalledError) as stalled:
        run.check()

    assert stalled.value.facts == {"step": "start", "stall_s": 10}
    assert "pulling: 3 MB" in stalled.value.why


@pytest.mark.parametrize(
    "move",
    [
        lambda run: run.progress(0.5, "pulling"),
        lambda run: run.progress(0.4, "unpacking"),
        lambda run: run.log("a line"),
        lambda run: run.save(fact=1),
        lambda run: run.wait("another build comes first"),
        lambda run: run.waiting("fetching").check(),
    ],
    ids=["progress", "detail", "line", "fact", "turn", "limits of its own"],
)
def test_whatever_moves_keeps_a_step_from_its_stall_limit(move: Callable[[StepRun], None]) -> None:
    clock, journal = Clock(), MemoryJournal()
    run = step_run(clock, journal)
    run.progress(0.4, "pulling")

    clock.now = 9
    move(run)
    clock.now = 18
    run.check()

    clock.now = 19
    with pytest.raises(StalledError):
        run.check()


def test_a_stalled_step_is_undone_like_any_that_failed() -> None:
    box, journal = Box(), MemoryJournal()
    box.failing["start"] = StalledError("It stalled.")

    outcome = run_plan(box.plan(), box, journal, Going(), stall_s=10)

    assert outcome.problem is not None
    assert outcome.problem.code == "stalled"
    assert box.there == []


def test_an_undo_that_does_not_move_is_given_up_and_told() -> None:
    def hang(_box: Box, run: StepRun) -> None:
        while True:
            run.check()

    def fail(_box: Box, _run: StepRun) -> None:
        raise UnhealthyError("No.")

    plan = Plan(
        Step[Box](
            name="first", do=lambda _box, _run: None, undo=lambda box, _run: box.there.append("undone")
        ),
        Step[Box](name="second", do=lambda _box, _run: None, undo=hang),
        Step[Box](name="third", do=fail),
    )
    box = Box()

    journal = MemoryJournal(order=("first", "second", "third"))
    outcome = run_plan(plan, box, journal, Going(), stall_s=0.05)

    assert outcome.problem is not None
    assert outcome.problem.code == "unhealthy"
    assert "second (The step 'second' stalled" in outcome.problem.restored
    assert box.there == ["undone"]


def test_every_boundary_of_a_plan_is_passed_by_its_name() -> None:
    box, journal, passed = Box(), MemoryJournal(), list[str]()
    box.failing["record"] = UnhealthyError("No.")

    run_plan(box.plan(), box, journal, Going(), passing=passed.append)

    forward = [f"{name}:{place}" for name in NAMES for place in ("begun", "acted")][:-1]
    backward = [f"{name}:{place}" for name in reversed(NAMES) for place in ("undoing", "undone")]
    assert passed == forward + backward
