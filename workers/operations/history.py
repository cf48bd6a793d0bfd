"""Forgetting old jobs, their logs, and events: it only goes forward, and goes on where it was interrupted."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection

from homeport.plans import Plan, Step, StepRun
from homeport.state import history
from workers.operation import OperationContext, RunningJob
from workers.tools import Tools

_STEP: Final = "forget history"


class HistoryContext:
    """A clean-up of the history on its way."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        self.tools = tools
        self.running = running

    def result(self) -> Mapping[str, Any]:
        """See `OperationContext.result`."""
        return {"forgotten": dict((self.running.record_of(_STEP) or {}).get("forgotten", {}))}

    def give_up(self, connection: Connection) -> None:
        """See `OperationContext.give_up`: acceptance took nothing."""


def plan_history(tools: Tools, running: RunningJob) -> tuple[Plan[HistoryContext], OperationContext]:
    """The plan of a clean-up of the history, and what its step has."""
    return Plan(Step(name=_STEP, do=forget)), HistoryContext(tools, running)


def forget(context: HistoryContext, run: StepRun) -> None:
    """Forgets piece by piece what the settings do not keep."""
    forgotten = Counter(run.record.get("forgotten", {}))
    for what, piece in (("jobs", _forget_jobs), ("events", _forget_events), ("keys", _forget_keys)):
        while count := piece(context):
            forgotten[what] += count
            run.save(forgotten=dict(forgotten))
            run.progress(0.0, f"forgot {forgotten[what]} {what}")
            run.check()
    run.log(
        ", ".join(f"{count} {what}" for what, count in forgotten.items()) or "There was nothing to forget"
    )


def _forget_jobs(context: HistoryContext) -> int:
    tools, now = context.tools, context.tools.now()
    before = now - timedelta(days=tools.settings.history_days)
    with tools.database.read() as connection:
        job_ids = history.old_jobs(connection, before=before, keep=tools.settings.history_jobs, now=now)
    if not job_ids:
        return 0
    history.remove_logs(tools.settings.jobs_dir, job_ids)
    with context.running.writing() as connection:
        return history.forget_jobs(connection, job_ids)


def _forget_events(context: HistoryContext) -> int:
    tools = context.tools
    before = tools.now() - timedelta(days=tools.settings.history_days)
    with context.running.writing() as connection:
        return history.forget_events(connection, before=before, keep=tools.settings.history_events)


def _forget_keys(context: HistoryContext) -> int:
    with context.running.writing() as connection:
        return history.forget_keys(connection, context.tools.now())
