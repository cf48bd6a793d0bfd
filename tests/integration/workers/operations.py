"""Operations that tests can steer: three steps that each put a thing into a world, and take it out again."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from homeport.plans import Plan, Step, StepRun
from workers.operation import OperationContext, RunningJob

STEPS = ("first", "second", "third")


class World:
    """What steps have made, in whose thread they ran, and how to make them fail or wait.

    A job's parameters steer it: `fail` names the step that fails, `wait` the one that waits for `gate`.
    """

    def __init__(self) -> None:
        self.things: list[tuple[str, str]] = []
        self.done: list[tuple[str, str]] = []
        self.threads: list[threading.Thread] = []
        self.gate = threading.Event()
        self.failure: BaseException = RuntimeError("it broke")
        self.given_up: list[str] = []

    def operation(self, running: RunningJob) -> tuple[Plan[Any], OperationContext]:
        if running.job.parameters.get("fail") == "building":
            raise self.failure
        steps = (Step(name=name, do=self._do(name), undo=self._undo(name)) for name in STEPS)
        return Plan(*steps), WorldContext(self, running)

    def _do(self, name: str) -> "Callable[[WorldContext, StepRun], None]":
        def do(context: WorldContext, run: StepRun) -> None:
            self.threads.append(threading.current_thread())
            thing = (context.running.job.subject, name)
            if thing not in self.things:
                self.things.append(thing)
            parameters = context.running.job.parameters
            while parameters.get("wait") == name and not self.gate.wait(0.05):
                run.check()
            if parameters.get("fail") == name:
                raise self.failure
            self.done.append(thing)

        return do

    def _undo(self, name: str) -> "Callable[[WorldContext, StepRun], None]":
        def undo(context: WorldContext, run: StepRun) -> None:
            while context.running.job.parameters.get("wait_undo") == name and not self.gate.wait(0.05):
                run.check()
            self.things.remove((context.running.job.subject, name))

        return undo


class WorldContext:
    def __init__(self, world: World, running: RunningJob) -> None:
        self.world = world
        self.running = running

    def result(self) -> Mapping[str, Any]:
        return {"made": self.running.job.subject}

    def give_up(self, _connection: Connection) -> None:
        self.world.given_up.append(self.running.job.subject)
