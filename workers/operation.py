"""What an operation is to the one who runs it: a plan, and what its steps share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection

from homeport.models import Job, StepRow
from homeport.plans import Plan


class OperationContext(Protocol):
    """What an operation's steps share in one run; built anew at every run, so it holds no progress."""

    def result(self) -> Mapping[str, Any]:
        """What the job says when it has succeeded; JSON values."""

    def give_up(self, connection: Connection) -> None:
        """Called in the transaction that ends a job which did not succeed: what its acceptance had taken
        and no step's undo has given back.
        """


@dataclass(frozen=True, kw_only=True)
class RunningJob:
    """What an operation is built from: the job and what it wrote down.

    `steps` reads the journaled steps, so that one step may use what an earlier one recorded. `writing` begins
    a transaction under the job's lease, which raises LeaseLostError where another worker holds it: the one
    way in which steps and undos write to the database.
    """

    job: Job
    steps: Callable[[], Sequence[StepRow]]
    writing: Callable[[], AbstractContextManager[Connection]]

    def record_of(self, step: str) -> Mapping[str, Any] | None:
        """What the step recorded; None where it has not begun."""
        return next((row.record for row in self.steps() if row.name == step), None)


Operation = Callable[[RunningJob], tuple[Plan[Any], OperationContext]]
"""Builds one kind of job's plan and context. It does no I/O: a job whose files are gone can be undone."""
