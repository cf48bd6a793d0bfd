"""The step engine: carries out a plan's steps in order, journals each, resumes, and undoes.

Pure but for what it is given: the journal writes, the control says whether to stop, the steps act. A step
checks, acts, records; repeating one is harmless; an undo accepts that there is nothing to undo.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from homeport.errors import (
    CancelledError,
    HandedBackError,
    HomeportError,
    LeaseLostError,
    Problem,
    StalledError,
    StateUnavailableError,
)
from homeport.jobs import overall_progress
from homeport.models import StepRow, StepState

C = TypeVar("C")
T = TypeVar("T")


class Control(Protocol):
    """Whether a running step should stop. Every wait asks it at least twice a second."""

    def check(self) -> None:
        """Returns while the step may go on.

        Raises:
            CancelledError: somebody cancelled the job.
            HandedBackError: this process is about to end.
            LeaseLostError: another worker holds the job.
        """


class Journal(Protocol):
    """Where a plan's steps are written down. Every call but `progress` and `log` is durable on return."""

    def steps(self) -> Sequence[StepRow]:
        """The rows of the steps that have begun, in the plan's order."""

    def begun(self, step: str) -> None:
        """The step runs (again); counts an attempt."""

    def saved(self, step: str, record: Mapping[str, Any]) -> None:
        """The step wrote something down that its undo or its repetition needs."""

    def done(self, step: str, record: Mapping[str, Any]) -> None:
        """The step is finished."""

    def failed(self, step: str, problem: Problem) -> None:
        """The step failed."""

    def undoing(self, problem: Problem) -> None:
        """The plan turned back because of this problem."""

    def undone(self, step: str) -> None:
        """What the step did was put back."""

    def progress(self, step: str, overall: float, detail: str) -> None:
        """The plan has come this far, 0 to 1. May be dropped or thinned out."""

    def log(self, line: str) -> None:
        """A line for the job's log."""


class StepRun:
    """One run of one step: what a step's function is given beside the operation's own context.

    A step moves when its progress grows or has another detail, when it logs a line or saves a fact. One that
    has not for `stall_s` seconds is ended by the next `check`.
    """

    def __init__(
        self,
        name: str,
        record: Mapping[str, Any],
        journal: Journal,
        control: Control,
        moved: Callable[[float, str], None],
        *,
        stall_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.record: dict[str, Any] = dict(record)
        self._journal = journal
        self._control = control
        self._moved = moved
        self._stall_s = stall_s
        self._clock = clock
        self._moved_at = clock()
        self._shown = (-1.0, "")
        self._last_words = ""

    def check(self) -> None:
        """See `Control.check`.

        Raises:
            StalledError: the step has not moved for too long.
        """
        self._control.check()
        if self._stall_s is not None and self._clock() - self._moved_at >= self._stall_s:
            raise self._stalled(self._stall_s)

    def save(self, **facts: Any) -> None:
        """Adds facts to the step's record, durably, before what they speak of is done."""
        self.record.update(facts)
        self._journal.saved(self.name, self.record)
        self._moved_at = self._clock()

    def progress(self, fraction: float, detail: str = "") -> None:
        """The step has come this far, 0 to 1. A smaller fraction than before is not shown."""
        self._moved(fraction, detail)
        furthest, last = self._shown
        if fraction > furthest or detail != last:
            self._moved_at = self._clock()
            self._shown = (max(fraction, furthest), detail)

    def wait(self, detail: str, fraction: float = 0.0) -> None:
        """The step waits for what has an end of its own, which is no stall. Called at every look."""
        self.progress(fraction, detail)
        self._moved_at = self._clock()
        self.check()

    def waiting(self, detail: str) -> Control:
        """A control for what has limits of its own: each look at it is a `wait`."""
        return _Waiting(self, detail)

    def log(self, line: str) -> None:
        """A line for the job's log."""
        self._journal.log(line)
        self._last_words = line
        self._moved_at = self._clock()

    def _stalled(self, stall_s: float) -> StalledError:
        last = self._shown[1] or self._last_words
        return StalledError(
            f"The step {self.name!r} stalled: nothing moved for {stall_s:g} seconds.",
            why=f"The last that was seen of it: {last}" if last else "It had shown nothing at all.",
            remedy="Look at the network, the disk and the Docker Engine, and try again (limit: stall_s).",
            step=self.name,
            stall_s=stall_s,
        )


@dataclass(frozen=True)
class _Waiting:
    run: StepRun
    detail: str

    def check(self) -> None:
        """See `Control.check`."""
        self.run.wait(self.detail)


@dataclass(frozen=True, kw_only=True)
class Step(Generic[C]):
    """A named step: what it does, what puts it back, and its share of the time.

    `do` and `undo` take the operation's context and the `StepRun`; `undo` is None where there is nothing to
    put back. `needs` says which of an operation's steps a running job shows; it is the name on the screen.
    """

    name: str
    do: Callable[[C, StepRun], None]
    undo: Callable[[C, StepRun], None] | None = None
    weight: float = 1.0


class Plan(Generic[C]):
    """The ordered steps of one kind of job."""

    def __init__(self, *steps: Step[C]) -> None:
        names = [step.name for step in steps]
        if len(set(names)) != len(names):
            raise ValueError(f"two steps of one name in {names}")
        self.steps = steps

    @property
    def weights(self) -> list[tuple[str, float]]:
        """Each step's name and weight, in order."""
        return [(step.name, step.weight) for step in self.steps]


class Ending(StrEnum):
    """How a plan ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a plan ended, and why it did not succeed."""

    ending: Ending
    problem: Problem | None = None


class Persist(Protocol):
    """Does what a plan that turns back needs the database for; it may be done again from its beginning."""

    def __call__(self, act: Callable[[], T], /) -> T:
        """What `act` gives."""


_PASS_ON = (HandedBackError, LeaseLostError)  # not a failure of the plan: whoever holds the job next goes on


def _nowhere(_point: str) -> None:
    """Passes every point."""


def _once(act: Callable[[], T], /) -> T:
    """Does it, and does not try again."""
    return act()


def run_plan(
    plan: Plan[C],
    context: C,
    journal: Journal,
    control: Control,
    *,
    undo_control: Control | None = None,
    turned_back: Problem | None = None,
    stall_s: float | None = None,
    passing: Callable[[str], None] = _nowhere,
    persist: Persist = _once,
) -> Outcome:
    """Carries out the plan from its first unfinished step, or goes on undoing it.

    Args:
        plan: the steps.
        context: what the operation's steps share; built anew at every run, so it holds no progress.
        journal: where steps are written down, and what they wrote before.
        control: asked before every step that goes forward, and within it.
        undo_control: asked within undos: half an undo is worse than none, so no cancel stops it; None: never.
        turned_back: the problem that made an earlier run of the same plan turn back.
        stall_s: how long a step may go without moving, in seconds; None: for ever.
        passing: called at each boundary of a step with `<step>:begun`, `:acted` (and not yet written down as
            done), `:undoing` or `:undone`.
        persist: carries out what must not end because the database cannot be written for a moment: saying
            what failed, and undoing, which goes on with what is not undone. The problem stays the first.

    Returns:
        How it ended. After a failure all steps that had begun and have an undo are undone, last first.

    Raises:
        HandedBackError: this process is about to end; nothing was undone.
        LeaseLostError: another worker holds the job; nothing more was written.
        StateUnavailableError: a step could not be written down as done, or `persist` gave up.
    """
    problem = turned_back or _go_forward(
        plan, context, journal, control, stall_s=stall_s, passing=passing, persist=persist
    )
    if problem is None:
        return Outcome(ending=Ending.SUCCEEDED)
    if turned_back is None:
        persist(partial(journal.undoing, problem))
    problem = persist(
        partial(
            _go_back,
            plan,
            context,
            journal,
            undo_control or _NoControl(),
            problem,
            stall_s=stall_s,
            passing=passing,
        )
    )
    ending = Ending.CANCELLED if problem.code == CancelledError.code else Ending.FAILED
    return Outcome(ending=ending, problem=problem)


def _go_forward(
    plan: Plan[C],
    context: C,
    journal: Journal,
    control: Control,
    *,
    stall_s: float | None,
    passing: Callable[[str], None],
    persist: Persist,
) -> Problem | None:
    """Runs what is unfinished; the problem of the step that failed, if one did."""
    rows = {row.name: row for row in journal.steps()}
    fractions = {name: 1.0 for name, row in rows.items() if row.state is StepState.DONE}
    for step in plan.steps:
        row = rows.get(step.name)
        if row is not None and row.state is StepState.DONE:
            continue
        run = StepRun(
            step.name,
            row.record if row else {},
            journal,
            control,
            _shown(plan, step.name, fractions, journal),
            stall_s=stall_s,
        )
        try:
            control.check()
            journal.begun(step.name)
            passing(f"{step.name}:begun")
            step.do(context, run)
            passing(f"{step.name}:acted")
        except _PASS_ON:
            raise
        except Exception as error:
            problem = problem_of(error)
            if not isinstance(error, HomeportError):
                journal.log(f"{type(error).__name__}: {error}")
            persist(partial(journal.failed, step.name, problem))
            return problem
        fractions[step.name] = 1.0
        journal.done(step.name, run.record)
        journal.progress(step.name, overall_progress(plan.weights, fractions), "")
    return None


def _shown(
    plan: Plan[C], name: str, fractions: dict[str, float], journal: Journal
) -> Callable[[float, str], None]:
    """What a step calls when it moved: never backwards, and never to its end, which `done` alone says."""

    def moved(fraction: float, detail: str) -> None:
        fractions[name] = max(fractions.get(name, 0.0), min(fraction, 0.999))
        journal.progress(name, overall_progress(plan.weights, fractions), detail)

    return moved


class _NoControl:
    """Stops nothing."""

    def check(self) -> None:
        """Lets everything go on."""


def _go_back(
    plan: Plan[C],
    context: C,
    journal: Journal,
    control: Control,
    problem: Problem,
    *,
    stall_s: float | None,
    passing: Callable[[str], None],
) -> Problem:
    """Undoes every step that had begun, last first; the problem, saying what was put back.

    Raises:
        StateUnavailableError: in any of it; what is not undone is left to the next call.
    """
    rows = {row.name: row for row in journal.steps()}
    put_back: list[str] = []
    left: list[str] = []
    kept: list[str] = []
    for step in reversed(plan.steps):
        row = rows.get(step.name)
        if row is None or row.state is StepState.PENDING:
            continue
        if row.state is StepState.UNDONE:  # by an earlier run
            put_back.append(step.name)
            continue
        if step.undo is None:
            kept.insert(0, step.name)
            continue
        run = StepRun(
            step.name, row.record, journal, control, lambda _fraction, _detail: None, stall_s=stall_s
        )
        try:
            passing(f"{step.name}:undoing")
            step.undo(context, run)
            passing(f"{step.name}:undone")
        except (*_PASS_ON, StateUnavailableError):
            raise
        except BaseException as error:  # the other undos still have to run
            journal.log(f"undo of {step.name!r} failed: {error}")
            left.append(f"{step.name} ({error})")
            continue
        put_back.append(step.name)
        journal.undone(step.name)
    return problem.with_restored(_restored(put_back, left, kept))


def _restored(put_back: Sequence[str], left: Sequence[str], kept: Sequence[str]) -> str:
    if left:
        return f"Could not be put back: {'; '.join(left)}."
    if put_back:
        return f"Put back: {', '.join(put_back)}."
    if kept:
        return f"Nothing was put back; what had begun: {', '.join(kept)}."
    return "Nothing had been changed."


def problem_of(error: BaseException) -> Problem:
    """The error as a problem; what Homeport did not raise on purpose is an internal error, with its type."""
    if isinstance(error, HomeportError):
        return error.problem()
    return Problem(
        code=HomeportError.code,
        what="Something failed that Homeport did not foresee.",
        why=f"{type(error).__name__}: {error}",
        remedy="Look at the job's log, and report it with the log's last lines.",
    )
