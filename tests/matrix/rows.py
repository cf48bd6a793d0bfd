"""The rows of the matrix, made of the plans themselves, and the documents that tell how they went."""

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from homeport.models import Job, JobState, Queue
from homeport.plans import Plan
from homeport.settings import Settings
from homeport.state.fail_points import COMMITTED
from tests.harness.programs import REPOSITORY
from tests.matrix.scenarios import SCENARIOS, Scenario
from workers.operation import RunningJob
from workers.operations import operations_with
from workers.tools import Tools

RESULTS = REPOSITORY / "docs" / "fault-matrix.json"
PAGE = REPOSITORY / "docs" / "fault-matrix.md"


ACCEPTED, TAKEN, ENDING = "(accepted)", "(taken)", "(ending)"
"""Where a job stands before and after its steps: committed, and neither answered nor sent to a worker;
leased, and no step begun; all done, and its end not written down."""


class Fault(StrEnum):
    """What happens when the step has acted, and nobody has written that down yet."""

    RAISE = "error"
    WORKER = "worker killed"
    PARENT = "supervisor killed"
    API = "API killed"
    VALKEY = "Valkey killed and emptied"
    PROXY = "proxy killed"
    ENGINE = "engine restarted"
    ENGINE_KILLED = "engine killed"
    UNDO = "worker killed after the undo"
    CANCEL = "cancelled"


MEANINGS: Mapping[Fault, str] = {
    Fault.RAISE: "the step raises an error that nobody foresaw",
    Fault.WORKER: "SIGKILL of the process that carries out the job",
    Fault.PARENT: "SIGKILL of the parent of all processes, which die with it; then Homeport is started again",
    Fault.API: "SIGKILL of the API; who sent a job that was only just accepted gets no answer and asks again",
    Fault.VALKEY: "SIGKILL of Valkey, which comes back empty",
    Fault.PROXY: "SIGKILL of HAProxy, while the job goes on",
    Fault.ENGINE: "the Docker Engine is stopped, the job goes on without it for a second, and it is started",
    Fault.ENGINE_KILLED: "likewise, by SIGKILL, in the longest step of each kind",
    Fault.CANCEL: "the owner cancels the job when the step has begun",
    Fault.UNDO: "the job fails at a later step; SIGKILL of the worker when the step is undone",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A scenario's step and what happens to it."""

    scenario: type[Scenario]
    step: str
    fault: Fault

    def __str__(self) -> str:
        return f"{self.scenario.name}-{self.step}-{self.fault}".replace(" ", "_")

    @property
    def point(self) -> str:
        """The fail point at which it happens."""
        kind = self.scenario.kind
        if self.step == ACCEPTED:
            return COMMITTED
        if self.step in (TAKEN, ENDING):
            return f"{kind}:{self.step.strip('()')}"
        boundary = {Fault.CANCEL: "begun", Fault.UNDO: "undone"}.get(self.fault, "acted")
        return f"{kind}/{self.step}:{boundary}"

    @property
    def last_step(self) -> str:
        """The last step of the plan."""
        return plan_of(self.scenario).steps[-1].name

    @property
    def failing_step(self) -> str:
        """The step at which the job fails when its undos are looked at."""
        return self.scenario.fails_at or self.last_step

    def as_json(self, *, passed: bool) -> dict[str, Any]:
        """`{job, step, fault, passed}`."""
        return {"job": self.scenario.name, "step": self.step, "fault": self.fault.value, "passed": passed}


def plan_of(scenario: type[Scenario]) -> Plan[Any]:
    """The plan of a scenario's job, as a worker would make it."""
    nowhere = Path("/nowhere")
    settings = Settings(state_dir=nowhere, run_dir=nowhere, catalog_dir=nowhere)
    job = Job(
        id="0" * 32, seq=1, kind=scenario.kind, subject="x", queue=Queue.APPS, state=JobState.RUNNING,
        parameters=scenario.parameters, created_at=datetime.now(UTC),
    )  # fmt: skip
    tools = cast("Tools", SimpleNamespace(settings=settings))
    running = RunningJob(job=job, steps=list, writing=_nowhere)
    return operations_with(tools)[scenario.kind](running)[0]


def _nowhere() -> AbstractContextManager[Any]:
    raise AssertionError("whoever makes a plan writes nothing")


def all_rows() -> list[Row]:
    """Every row."""
    rows = []
    for scenario in SCENARIOS:
        plan = plan_of(scenario)
        longest = longest_step(scenario)
        if scenario.is_asked_for:
            rows.append(Row(scenario=scenario, step=ACCEPTED, fault=Fault.API))
        rows.append(Row(scenario=scenario, step=TAKEN, fault=Fault.WORKER))
        for step in plan.steps:
            faults: list[Fault] = [one for one in Fault if one not in (Fault.ENGINE_KILLED, Fault.UNDO)]
            faults += [Fault.ENGINE_KILLED] if step.name == longest else []
            faults += [Fault.UNDO] if step.undo is not None else []
            rows += [Row(scenario=scenario, step=step.name, fault=fault) for fault in faults]
        rows.append(Row(scenario=scenario, step=ENDING, fault=Fault.WORKER))
    return rows


def longest_step(scenario: type[Scenario]) -> str:
    """The step of its plan that has the largest share of the time."""
    return max(plan_of(scenario).steps, key=lambda step: step.weight).name


def quick_rows() -> list[Row]:
    """Those of every run: a killed worker in every step and undo, an error in each kind, the rest once."""
    rows = all_rows()
    longest = {scenario: longest_step(scenario) for scenario in SCENARIOS}
    often = [row for row in rows if row.fault in (Fault.WORKER, Fault.UNDO) or row.step == ACCEPTED]
    once = [
        row
        for row in rows
        if row.step == longest[row.scenario]
        and (
            row.fault in (Fault.RAISE, Fault.CANCEL)
            or (row.scenario.name == "install" and row.fault not in (Fault.WORKER, Fault.UNDO))
        )
    ]
    return often + once


def write_documents(results: Iterable[tuple[Row, bool]]) -> None:
    """Writes how the rows went, for programs and for people."""
    found = [row.as_json(passed=passed) for row, passed in results]
    RESULTS.write_text("[\n" + ",\n".join(f" {json.dumps(row)}" for row in found) + "\n]\n")
    PAGE.write_text(page_of(found))


def page_of(results: list[dict[str, Any]]) -> str:
    """The page for people."""
    passed = sum(bool(row["passed"]) for row in results)
    lines = [
        "# The fault matrix",
        "",
        "Every kind of job is brought to every one of its steps, and there something happens, at the",
        "worst moment: when the step has acted and nobody has written that down. Then the box is looked at:",
        "the job has ended within a minute; containers, networks, ports, files and claims are those that",
        "the database wants; nothing is left over; and what the owner's other apps hold is as it was.",
        f"Beside the steps stand {ACCEPTED}: committed, and neither answered nor sent to a worker; {TAKEN}:",
        f"leased, and no step begun; {ENDING}: all done, and the job's end not written down.",
        "",
        f"`scripts/test --matrix` made this page and [fault-matrix.json](fault-matrix.json): {passed} of",
        f"{len(results)} passed. The steps are those of the plans themselves. A part of it runs with every",
        "run of the tests.",
        "",
    ]
    lines += [f"- **{fault}**: {words}" for fault, words in MEANINGS.items()]
    table: dict[tuple[str, str], dict[str, bool]] = {}
    for row in results:
        table.setdefault((row["job"], row["step"]), {})[row["fault"]] = row["passed"]
    lines += ["", f"| job | step | {' | '.join(Fault)} |", "|---|---" + "|---" * len(Fault) + "|"]
    for (job, step), faults in table.items():
        cells = [{True: "passed", False: "**failed**", None: ""}[faults.get(fault)] for fault in Fault]
        lines.append(f"| {job} | {step} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
