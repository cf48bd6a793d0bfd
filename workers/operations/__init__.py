"""One module per kind of job: its plan and the steps of it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from homeport.models import JobKind
from homeport.plans import Plan
from workers.operation import Operation, OperationContext, RunningJob
from workers.operations.build import plan_build
from workers.operations.history import plan_history
from workers.operations.install import plan_install
from workers.operations.refresh import plan_refresh
from workers.operations.repair import plan_repair
from workers.operations.trim import plan_trim
from workers.operations.uninstall import plan_uninstall
from workers.tools import Tools


def plan_cleanup(tools: Tools, running: RunningJob) -> tuple[Plan[Any], OperationContext]:
    """The plan of a clean-up: of the history, or of the package caches."""
    return (plan_history if running.job.parameters.get("history") else plan_trim)(tools, running)


_PLANNED_BY: Final[Mapping[JobKind, Callable[[Tools, RunningJob], tuple[Plan[Any], OperationContext]]]] = {
    JobKind.INSTALL: plan_install,
    JobKind.UNINSTALL: plan_uninstall,
    JobKind.BUILD: plan_build,
    JobKind.CLEANUP: plan_cleanup,
    JobKind.REFRESH: plan_refresh,
    JobKind.REPAIR: plan_repair,
}


def operations_with(tools: Tools) -> Mapping[JobKind, Operation]:
    """Every kind's operation, acting with these tools."""
    return {kind: partial(build, tools) for kind, build in _PLANNED_BY.items()}
