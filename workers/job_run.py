"""One run of one job whose lease is held: its plan, and how it ended, written down whatever happens."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from homeport.errors import HandedBackError, LeaseLostError, Problem, StateUnavailableError
from homeport.models import Job, JobKind, JobState
from homeport.plans import Control, Ending, Journal, Outcome, Plan, problem_of, run_plan
from homeport.state import leases
from homeport.state.database import Database
from homeport.state.fail_points import FailPoints, nowhere
from homeport.state.journal import under_lease
from homeport.state.leases import Lease
from workers.operation import Operation, OperationContext, RunningJob

_log = logging.getLogger(__name__)

T = TypeVar("T")

_STATE_OF: Final = {
    Ending.SUCCEEDED: JobState.SUCCEEDED,
    Ending.FAILED: JobState.FAILED,
    Ending.CANCELLED: JobState.CANCELLED,
}
_WRITE_AGAIN_S = 0.5  # how often a database that cannot be written is tried again
_PASS_ON = (HandedBackError, LeaseLostError)


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """A leased job on its way. `control` is for what goes forward, `undo_control` for what is put back.

    `make_way` is called where the database cannot be written: the disk may be full.
    """

    job: Job
    lease: Lease
    database: Database
    journal: Journal
    control: Control
    undo_control: Control
    now: Callable[[], datetime]
    make_way: Callable[[], object] = lambda: None
    stall_s: float | None = None
    fail_points: FailPoints = nowhere

    def to_its_end(self, operations: Mapping[JobKind, Operation]) -> list[str]:
        """Carries out the job and writes down how it ended.

        Returns:
            The ids of the jobs that waited for this one and may run now.

        Raises:
            HandedBackError: the process is about to end; the job goes on elsewhere.
            LeaseLostError: another worker holds it, or the database could not be written for too long.
        """
        context: OperationContext | None = None
        try:
            running = RunningJob(
                job=self.job,
                steps=self.journal.steps,
                writing=partial(under_lease, self.database, self.lease),
            )
            plan, context = operations[self.job.kind](running)
            outcome = self._carry_out(plan, context)
        except _PASS_ON:
            raise
        except BaseException as error:
            _log.exception("%s failed outside its steps", self.job.kind)
            outcome = Outcome(ending=Ending.FAILED, problem=self.job.problem or problem_of(error))
        self.fail_points(f"{self.job.kind}:ending")
        self.journal.log(_last_words(outcome))
        return self._persist(lambda: self._finish(outcome, context))

    def _carry_out(self, plan: Plan[Any], context: OperationContext) -> Outcome:
        """Runs the plan; what is no step's failure (`SystemExit`, a full disk) turns it back too."""
        turned_back = self.job.problem
        try:
            self.fail_points(f"{self.job.kind}:taken")
            return self._run(plan, context, self.control, turned_back)
        except _PASS_ON:
            raise
        except BaseException as error:
            _log.exception("%s was broken off", self.job.kind)
            problem = turned_back or problem_of(error)
        self.make_way()
        self._persist(lambda: self.journal.undoing(problem))
        return self._run(plan, context, self.undo_control, problem)

    def _run(
        self, plan: Plan[Any], context: OperationContext, control: Control, turned_back: Problem | None
    ) -> Outcome:
        return run_plan(
            plan,
            context,
            self.journal,
            control,
            undo_control=self.undo_control,
            turned_back=turned_back,
            stall_s=self.stall_s,
            passing=lambda point: self.fail_points(f"{self.job.kind}/{point}"),
            persist=self._persist,
        )

    def _finish(self, outcome: Outcome, context: OperationContext | None) -> list[str]:
        is_success = outcome.ending is Ending.SUCCEEDED
        result = context.result() if context and is_success else None
        with self.database.write() as connection:
            if context and not is_success:
                context.give_up(connection)
            return leases.finish(
                connection,
                self.lease,
                state=_STATE_OF[outcome.ending],
                problem=outcome.problem,
                result=result,
                now=self.now(),
            )

    def _persist(self, act: Callable[[], T], /) -> T:
        """Does it, and while the database cannot be written does it again, as long as the lease is ours."""
        while True:
            try:
                return act()
            except StateUnavailableError as error:
                _log.warning("the database cannot be written, trying again: %s", error)
            self.make_way()  # what is turned back makes room, and how a job ended must be written down
            self.undo_control.check()
            time.sleep(_WRITE_AGAIN_S)


def _last_words(outcome: Outcome) -> str:
    if outcome.problem is None:
        return "Succeeded."
    problem = outcome.problem
    parts = (
        f"{outcome.ending.value.capitalize()}:",
        problem.what,
        problem.why,
        problem.restored,
        problem.remedy,
    )
    return " ".join(part for part in parts if part)
