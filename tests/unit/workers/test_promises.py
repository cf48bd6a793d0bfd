"""Installs, uninstalls, cancels, kills, reboots, faults in any order: the promises hold, and all gets done.

The database is a real one and the operations are the real ones; the engine is in memory. FUZZ_EXAMPLES in the
environment makes a run as long as one likes.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from compose.values import COMPOSE_FILE, SNAPSHOT
from homeport.errors import LeaseLostError, NotFoundError, NotPossibleNowError, TakenError
from homeport.host.engine import Engine
from homeport.models import App, AppState, Job, JobKind, JobState, Queue, StepState
from homeport.names import project_name
from homeport.state import accept, jobs, leases, repairs
from homeport.state.doorbell import Doorbell
from homeport.state.jobs import job_steps
from homeport.state.journal import JobJournal
from homeport.state.leases import Lease
from homeport.state.schema import CLAIMS, EVENTS, JOBS, STEPS
from proxy.routes import RouteState
from tests.harness.fuzz import EXAMPLES
from tests.unit.workers.conftest import NOW, Household
from workers.job_run import JobRun
from workers.lease_keeper import RunningControl, UndoingControl
from workers.operations import engine_wait, operations_with
from workers.steward.reconcile import Reconciler
from workers.steward.routes import RouteKeeper

WORKER = "one process with many threads"
NAMES = ("notes", "diary")
LAST_STEPS = {"record", "release"}
MAX_LOSSES = 3
FAULTS = st.sampled_from(["nothing", "error", "death", "engine", "cancel", "rival", "silence"])
POINTS = st.integers(0, 19)
"""Which of the boundaries that a job passes, in their order; an install has eighteen."""


class Box(RuleBasedStateMachine):
    """A box with two names for one definition."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="homeport-machine-"))
        self.household = Household(self.folder)
        self.machine = self.household.machine
        self.reconciler = Reconciler(
            settings=self.household.settings,
            database=self.household.database,
            doorbell=cast("Doorbell", SimpleNamespace(announce=lambda *_channel: True)),
            engine=cast("Engine", self.machine.engine),
            now=lambda: NOW,
        )
        self.accepted: list[str] = []
        self.ended: dict[str, str] = {}
        self.late: list[Lease] = []
        self.at_work = ""
        """The job that a worker carries out now."""
        self.is_robbed = False
        """Whether its worker has lost it to another, and does not know."""
        self.is_to_be_cancelled = False
        """Whether it was cancelled while there was something left to be cancelled."""
        self.is_undo_broken = False
        """Whether an error that nobody foresaw came in the middle of an undo."""
        self.control = RunningControl(threading.Event())
        self.attempts: dict[tuple[str, str], int] = {}
        """How often each step that is done has been begun, by job and name."""
        self.data: set[str] = set()
        """The identifiers whose data folder holds a file of the owner's."""

    def teardown(self) -> None:
        """Everything that goes on comes to its end, and the box is what the database wants."""
        try:
            self.finish_all()
            self.check_agreement()
        finally:
            self.household.database.close()
            shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        """The engine answers, and has what it needs to pull."""
        self.machine.engine.registry.add("database:1")

    @rule(name=st.sampled_from(NAMES))
    def install(self, name: str) -> None:
        """Asks for an app."""
        job_id = uuid4().hex
        try:
            with self.household.database.write() as connection:
                accept.accept_install(
                    connection, job_id=job_id, identifier=name, host_name=f"{name}.localhost", app_id=None,
                    definition="notes", queue=Queue.BUILDS, now=NOW,
                )  # fmt: skip
        except TakenError:
            return
        self.accepted.append(job_id)

    @rule(name=st.sampled_from(NAMES), purge=st.booleans())
    def uninstall(self, name: str, purge: bool) -> None:
        """Asks for an app's end."""
        job_id, parameters = uuid4().hex, {"purge": purge, "remove_images": False}
        try:
            with self.household.database.write() as connection:
                accept.accept_uninstall(
                    connection, job_id=job_id, identifier=name, parameters=parameters, now=NOW
                )
        except NotFoundError:
            return
        self.accepted.append(job_id)

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancels a job, also one that has ended."""
        with self.household.database.write() as connection:
            try:
                jobs.request_cancel(connection, data.draw(st.sampled_from(self.accepted[-3:])), NOW)
            except NotPossibleNowError:
                return

    @rule(fault=FAULTS, nth=POINTS)
    def work_and(self, fault: str, nth: int) -> None:
        """A worker carries out the job that comes first, and something happens."""
        self.carry_out(self.happening(fault, nth))
        self.machine.engine.is_up = True

    @rule(fault=FAULTS, nth=POINTS)
    def install_and(self, fault: str, nth: int) -> None:
        """All has ended, an app that is not there is asked for, and something happens."""
        self.finish_all()
        self.install(min(set(NAMES) - self.installed(), default=NAMES[0]))
        self.work_and(fault, nth)

    @rule(purge=st.booleans(), fault=FAULTS, nth=POINTS)
    def uninstall_and(self, purge: bool, fault: str, nth: int) -> None:
        """All has ended, the end of an app that is there is asked for, and something happens."""
        self.finish_all()
        self.uninstall(max(self.installed(), default=NAMES[0]), purge)
        self.work_and(fault, nth)

    @rule(nth=POINTS)
    def bring_down(self, nth: int) -> None:
        """An install brings its worker down, time and again."""
        self.install_and("death", nth)
        for _ in range(MAX_LOSSES - 1):
            self.reclaim()
            self.work_and("death", nth)
        self.reclaim()

    @rule()
    def reboot(self) -> None:
        """The machine starts again: no worker lives; the kernel's list is filled by the worker's start."""
        with self.household.database.read() as connection:
            recorded = repairs.wanted(connection).apps
        self.machine.reserved.clear()
        self.machine.reserved.update(app.host_port for app in recorded.values())
        self.reclaim()

    @precondition(lambda self: self.machine.engine.live)
    @rule(data=st.data())
    def lose_container(self, data: st.DataObject) -> None:
        """Somebody removes a container by hand."""
        del self.machine.engine.live[data.draw(st.sampled_from(sorted(self.machine.engine.live)))]

    @rule()
    def reconcile(self) -> None:
        """The steward compares, as if Homeport had just started: no repair waits for its pause."""
        self.reconciler.turn(is_fresh=True)
        with self.household.database.read() as connection:
            queued = connection.execute(select(JOBS.c.id).order_by(JOBS.c.seq)).scalars()
            self.accepted += [job_id for job_id in queued if job_id not in self.accepted]

    @invariant()
    def what_was_accepted_is_there(self) -> None:
        """No job is ever lost, and none ends twice."""
        with self.household.database.read() as connection:
            rows = {row.id: row for row in connection.execute(select(JOBS))}
            told = {
                kind: list(connection.execute(select(EVENTS.c.job).where(EVENTS.c.kind == kind)).scalars())
                for kind in ("job.finished", "app.installed", "app.uninstalled", "box.repaired")
            }
        assert set(self.accepted) <= rows.keys()  # an uninstall that is put back queues a repair by itself
        for job_id, state in self.ended.items():
            assert rows[job_id].state == state, "a job that has ended stays so"
        self.ended = {job_id: row.state for job_id, row in rows.items() if row.state.is_terminal}
        assert sorted(told["job.finished"]) == sorted(self.ended)
        for kind, told_of in told.items():
            assert len(told_of) == len(set(told_of)), f"{kind} is told once"

    @invariant()
    def one_change_per_app(self) -> None:
        """No two jobs change one app."""
        with self.household.database.read() as connection:
            active = list(
                connection.execute(select(JOBS.c.subject).where(JOBS.c.owner.is_not(None))).scalars()
            )
        assert len(active) == len(set(active))

    @invariant()
    def what_is_done_is_not_done_again(self) -> None:
        """A step that is finished is begun no more."""
        with self.household.database.read() as connection:
            rows = connection.execute(select(STEPS).where(STEPS.c.state == StepState.DONE)).all()
        for row in rows:
            assert self.attempts.setdefault((row.job_id, row.name), row.attempts) == row.attempts

    @invariant()
    def what_brings_its_workers_down_is_turned_back(self) -> None:
        """A job that has lost so many workers only goes back, and gives that for its reason."""
        with self.household.database.read() as connection:
            rows = connection.execute(select(JOBS).where(JOBS.c.losses >= MAX_LOSSES)).all()
        assert all(row.turned_back is not None for row in rows)
        assert all(row.state is not JobState.SUCCEEDED for row in rows)

    @invariant()
    def claims_are_of_apps_or_of_installs_that_go_on(self) -> None:
        """What only one app can have is held by one that there is, or that is on its way."""
        with self.household.database.read() as connection:
            wanted = repairs.wanted(connection)
            claimed = set(connection.execute(select(CLAIMS.c.identifier)).scalars())
            assert repairs.stray_claims(connection) == []
        assert claimed <= wanted.apps.keys() | wanted.busy
        assert wanted.apps.keys() <= claimed

    @invariant()
    def late_workers_are_refused(self) -> None:
        """One that was thought dead changes nothing any more."""
        for lease in self.late:
            with pytest.raises(LeaseLostError):
                self.journal_of(lease).begun("anything")

    @invariant()
    def data_is_kept(self) -> None:
        """What the owner put into an app's folder is there until it is purged."""
        for name in self.data:
            assert self.owners_file(name).read_text() == name
            assert f"{project_name(name)}_store" in self.machine.engine.vols

    def owners_file(self, name: str) -> Path:
        """A file of the owner's in the app's data folder."""
        return self.household.settings.projects_dir / name / "files" / "mine"

    def journal_of(self, lease: Lease) -> JobJournal:
        """Where whoever has the lease writes."""
        database = self.household.database
        return JobJournal(database, lease, log=lambda _line: None, now=lambda: NOW, publish=lambda: None)

    def carry_out(self, passing: Callable[[str], None]) -> None:
        """One worker takes the first job that it may, and does as much of it as it comes to."""
        taken = self.take()
        if taken is None:
            return
        job, lease = taken
        stopping = threading.Event()
        control = self.control = RunningControl(stopping)
        self.at_work, self.is_robbed = job.id, False
        self.is_undo_broken = False
        self.is_to_be_cancelled = job.cancel_requested and not self.is_all_done(job)
        if job.cancel_requested:
            control.cancelled.set()
        run = JobRun(
            job=job,
            lease=lease,
            database=self.household.database,
            journal=self.journal_of(lease),
            control=control,
            undo_control=UndoingControl(control, stopping),
            now=lambda: NOW,
            fail_points=passing,
        )
        if job.parameters.get("purge"):
            self.data.discard(job.subject)  # from here on it may go
        try:
            run.to_its_end(operations_with(self.machine.tools))
        except (LeaseLostError, RuntimeError):
            return  # its lease stands until somebody finds it dead
        assert not self.is_robbed, "who has lost a job does not end it"
        with self.household.database.read() as connection:
            ended = jobs.find_job(connection, job.id)
        assert ended is not None
        assert not (self.is_to_be_cancelled and job.problem is None) or ended.state is JobState.CANCELLED
        self.put_data(job.subject)
        self.check_all_or_nothing(job)

    def happening(self, fault: str, nth: int) -> Callable[[str], None]:
        """What happens to a job when it passes its nth point.

        An error that nobody foresaw; the worker's death, from which on it writes nothing; Docker, which does
        not answer any more; somebody who cancels; another worker, which looks for work; silence, after which
        another has the job.
        """
        passed = count()

        def passing(point: str) -> None:
            if next(passed) != nth:
                return
            match fault:
                case "error":
                    self.is_undo_broken = point.endswith((":undoing", ":undone"))
                    raise RuntimeError("something is wrong")
                case "death":
                    raise LeaseLostError("killed")
                case "engine":
                    self.machine.engine.is_up = False
                case "cancel":
                    self.cancel_now()
                    self.is_to_be_cancelled = not point.endswith((":undoing", ":undone", ":ending")) and (
                        point.partition("/")[2].partition(":")[0] not in LAST_STEPS
                    )
                case "rival":
                    self.look_for_more()
                case "silence":
                    self.reclaim()
                    self.is_robbed = self.take() is not None

        return passing

    def cancel_now(self) -> None:
        """Somebody cancels the job that goes on, and its worker hears of it."""
        with self.household.database.write() as connection:
            jobs.request_cancel(connection, self.at_work, NOW)
        self.control.cancelled.set()

    def look_for_more(self) -> None:
        """The apps' ends are asked for, and another worker, which dies at once, finds none of them to do."""
        with self.household.database.read() as connection:
            active = select(JOBS.c.subject).where(JOBS.c.owner.is_not(None))
            busy = set(connection.execute(active).scalars())
        for name in NAMES:
            self.uninstall(name, purge=False)
        taken = self.take()
        assert taken is None or taken[0].subject not in busy

    def is_all_done(self, job: Job) -> bool:
        """Whether only its end has not been written down: then nothing is left to be cancelled."""
        with self.household.database.read() as connection:
            done = {row.name for row in job_steps(connection, job.id) if row.state is StepState.DONE}
        return bool(done & LAST_STEPS)

    def installed(self) -> set[str]:
        """The identifiers of the apps that there are."""
        with self.household.database.read() as connection:
            return set(repairs.wanted(connection).apps)

    def check_all_or_nothing(self, job: Job) -> None:
        """An install that has failed has left nothing, unless Docker was away or an undo itself failed."""
        with self.household.database.read() as connection:
            ended = jobs.find_job(connection, job.id)
        assert ended is not None
        assert ended.state.is_terminal
        problem = ended.problem
        if ended.kind is not JobKind.INSTALL or problem is None:
            return
        if self.is_undo_broken or not self.machine.engine.is_up:
            return  # the reconciler takes away what is left
        assert "Could not" not in problem.restored
        engine, project = self.machine.engine, project_name(job.subject)
        assert {
            one.name for one in engine.live.values() if one.labels["homeport.app"] == job.subject
        } == set()
        assert [name for name in engine.nets if name.startswith(f"{project}_")] == []
        folder = self.household.settings.projects_dir / job.subject
        assert not any((folder / ours).exists() for ours in (COMPOSE_FILE, SNAPSHOT))
        assert job.parameters["host_port"] not in self.machine.reserved

    def take(self) -> tuple[Job, Lease] | None:
        """The first job that may be taken, and the right to it."""
        with self.household.database.write() as connection:
            query = select(JOBS.c.id).where(JOBS.c.state == "queued").order_by(JOBS.c.seq)
            for job_id in connection.execute(query).scalars().all():
                lease = leases.take(
                    connection, job_id, owner=WORKER, ttl_s=60, now=NOW, max_losses=MAX_LOSSES
                )
                if lease is not None:
                    job = jobs.find_job(connection, job_id)
                    assert job is not None
                    return job, lease
        return None

    @rule()
    def reclaim(self) -> None:
        """The steward finds that no worker of before lives; until then they may be alive."""
        with self.household.database.write() as connection:
            rows = connection.execute(select(JOBS).where(JOBS.c.owner.is_not(None))).all()
            self.late += [Lease(job_id=row.id, owner=row.owner, fence=row.fence) for row in rows]
            self.late = self.late[-3:]
            held = leases.held_leases(connection)
            leases.reclaim_lost(connection, held, now=NOW, max_losses=MAX_LOSSES)

    def put_data(self, name: str) -> None:
        """The owner of an app that runs puts a file into its folder."""
        with self.household.database.read() as connection:
            app = repairs.wanted(connection).apps.get(name)
        if app is not None and app.state is AppState.RUNNING:
            self.owners_file(name).write_text(name)
            self.data.add(name)

    def finish_all(self) -> None:
        """Jobs are carried out until none is left."""
        for _ in range(100):
            self.reclaim()
            self.work_and("nothing", 0)
            with self.household.database.read() as connection:
                left = connection.execute(select(JOBS.c.id).where(JOBS.c.finished_at.is_(None))).first()
            if left is None:
                return
        raise AssertionError("there is a job that comes to no end")

    def check_agreement(self) -> None:
        """Nothing goes on: after one comparison and its repairs, Docker has what the database wants."""
        self.reconcile()
        self.finish_all()
        with self.household.database.read() as connection:
            wanted = repairs.wanted(connection)
        running = wanted.apps
        assert {app.state for app in running.values()} <= {AppState.RUNNING}
        engine = self.machine.engine
        services = [(one.labels["homeport.app"], one.service) for one in engine.live.values()]
        assert {(name, service) for name in running for service in ("web", "db")} <= set(services)
        assert {name for name, _ in services} <= running.keys()
        assert {name.partition("_")[0] for name in engine.nets} <= {project_name(one) for one in running}
        assert self.machine.reserved == {app.host_port for app in running.values()}
        self.check_routes(running)
        self.what_was_accepted_is_there()
        self.data_is_kept()

    def check_routes(self, running: Mapping[str, App]) -> None:
        """After one look of the steward's, every app's names lead to it, and no others anywhere."""
        self.machine.proxy.is_away = False
        RouteKeeper(routes=self.machine.tools.routes, now=lambda: NOW, listens=lambda _port: True).turn()
        served = self.machine.proxy.served
        assert {route.identifier for route in served.values()} == running.keys()
        assert {route.state for route in served.values()} <= {RouteState.SERVING}

    @rule()
    def lose_or_mend_proxy(self) -> None:
        """The reverse proxy goes away, or is there again."""
        self.machine.proxy.is_away = not self.machine.proxy.is_away


def test_the_promises_hold_whatever_happens_in_whatever_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_wait, "_WAIT_S", 0.0)  # an engine that is away stays so until a rule says else
    run_state_machine_as_test(
        Box,
        settings=hypothesis_settings(
            max_examples=EXAMPLES or 60,
            stateful_step_count=40,
            derandomize=not EXAMPLES,
            deadline=None,
            database=None,
        ),
    )
