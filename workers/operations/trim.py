"""Trimming the package caches by hand: it only goes forward, and may be asked for again."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from homeport.caches import Ecosystem
from homeport.plans import Plan, Step, StepRun
from homeport.state.caches import record_sizes
from workers.operation import OperationContext, RunningJob
from workers.tools import Tools


class TrimContext:
    """A trim on its way."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        parameters = running.job.parameters
        self.tools = tools
        self.running = running
        self.ecosystems = tuple(Ecosystem(name) for name in parameters["ecosystems"])
        self.to_bytes = int(parameters["to_bytes"])

    def result(self) -> Mapping[str, Any]:
        """See `OperationContext.result`."""
        return {"caches": dict((self.running.record_of("trim caches") or {}).get("caches", {}))}

    def give_up(self, connection: Connection) -> None:
        """See `OperationContext.give_up`: what is gone from a cache is fetched when it is wanted again."""


def plan_trim(tools: Tools, running: RunningJob) -> tuple[Plan[TrimContext], OperationContext]:
    """The plan of a trim, and what its step has."""
    return Plan(Step(name="trim caches", do=trim)), TrimContext(tools, running)


def trim(context: TrimContext, run: StepRun) -> None:
    """Trims one cache after the other; after a crash, what was trimmed before stays written down."""
    trimmed: dict[str, Any] = dict(run.record.get("caches", {}))
    left = [ecosystem for ecosystem in context.ecosystems if ecosystem.value not in trimmed]
    for number, ecosystem in enumerate(left):
        run.progress(number / len(left), f"trimming {ecosystem}")
        found = context.tools.trim_caches(
            context.tools.settings,
            to_bytes=context.to_bytes,
            ecosystems=[ecosystem],
            control=run.waiting(f"trimming {ecosystem}"),
        )
        held = found[ecosystem]
        with context.running.writing() as connection:
            record_sizes(connection, {ecosystem: (held.after_bytes, held.after_files)})
        trimmed[ecosystem.value] = asdict(held)
        run.save(caches=trimmed)
        run.log(f"{ecosystem}: removed {held.removed_files} files")
