"""Jobs in any order, broken off anywhere: the promises hold after each of them."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from homeport.errors import CancelledError, HandedBackError, HomeportError, LeaseLostError
from homeport.events import EventKind
from homeport.models import SHIPPED, AppState, Job, JobState, Queue
from homeport.names import project_name
from homeport.plans import run_plan
from homeport.state import accept, apps, jobs, leases
from homeport.state.journal import JobJournal
from homeport.state.leases import Lease
from homeport.state.schema import CLAIMS, EVENTS, JOBS
from tests.harness.fuzz import fuzz
from tests.unit.workers.conftest import NOW, Household
from workers.operation import RunningJob
from workers.operations import operations_with

APPS = ("one", "two")
MAX_LOSSES = 3
ENDS = ("end", "kill", "raise", "cancel", "hand back")


class Killed(BaseException):
    """The worker is gone in the middle of it: nothing after this is written."""


class Interruption:
    """What happens to a run when it has passed so many boundaries of steps; and what its steps ask."""

    def __init__(self, how: str, after: int, is_up: Callable[[], bool]) -> None:
        self._how, self._left, self._is_up = how, after, is_up
        self._cancelled = False

    def passing(self, point: str) -> None:
        """Breaks off at the drawn boundary."""
        self._left -= 1
        if self._left >= 0:
            return
        how, self._how = self._how, "end"
        if how == "kill":
            raise Killed
        if how == "hand back":
            raise HandedBackError
        if how == "cancel":
            self._cancelled = True
        if how == "raise" and point.endswith((":begun", ":acted")):
            raise RuntimeError("drawn")

    def check(self) -> None:
        """A worker that waits for an engine that stays away is stopped at last."""
        if not self._is_up():
            raise HandedBackError
        if self._cancelled:
            raise CancelledError("The job was cancelled.")


class Undoing:
    """What undos ask: a cancel does not stop them."""

    def __init__(self, is_up: Callable[[], bool]) -> None:
        self._is_up = is_up

    def check(self) -> None:
        """See `Interruption.check`."""
        if not self._is_up():
            raise HandedBackError


class Box(RuleBasedStateMachine):
    """One household with a database on disk and two apps that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.home = Household(self.folder)
        self.accepted: set[str] = set()
        self.lost: list[Lease] = []
        self.data: set[str] = set()

    def teardown(self) -> None:
        try:
            self.everything_runs_to_its_end()
        finally:
            self.home.database.close()
            shutil.rmtree(self.folder)

    @rule(app=st.sampled_from(APPS))
    def install(self, app: str) -> None:
        def asked() -> Job:
            with self.home.database.write() as connection:
                return accept.accept_install(
                    connection, job_id=uuid4().hex, identifier=app, host_name=f"{app}.localhost",
                    app_id=None, definition="notes", queue=Queue.BUILDS, now=NOW, catalog=SHIPPED,
                    upload=None, permissions=(), settings=None,
                )  # fmt: skip

        self._accept(asked)

    @rule(app=st.sampled_from(APPS), purge=st.booleans())
    def uninstall(self, app: str, purge: bool) -> None:
        def asked() -> Job:
            with self.home.database.write() as connection:
                return accept.accept_uninstall(
                    connection, job_id=uuid4().hex, identifier=app, parameters={"purge": purge}, now=NOW
                )

        self._accept(asked)

    def _accept(self, asked: Callable[[], Job]) -> None:
        try:
            self.accepted.add(asked().id)
        except HomeportError:
            return  # refused: installed already, not there

    @rule(pick=st.integers(0, 5))
    def cancel(self, pick: int) -> None:
        if unfinished := self._unfinished():
            with self.home.database.write() as connection:
                jobs.request_cancel(connection, unfinished[pick % len(unfinished)].id, NOW)

    @rule(pick=st.integers(0, 5), how=st.sampled_from(ENDS), after=st.integers(0, 24))
    def run_one(self, pick: int, how: str, after: int) -> None:
        if unfinished := self._unfinished():
            job = unfinished[pick % len(unfinished)]
            is_worn = (
                self._losses(job.id) >= MAX_LOSSES + 1
            )  # one that is given up leaves what only a repair removes
            self._run(job.id, "end" if how == "kill" and is_worn else how, after)

    @rule()
    def reclaim(self) -> None:
        with self.home.database.write() as connection:
            leases.reclaim_lost(connection, now=NOW, max_losses=MAX_LOSSES, is_dead=lambda _owner: True)
        for lease in self.lost:
            with pytest.raises(LeaseLostError), self.home.database.write() as connection:
                leases.heartbeat(connection, lease, 60, NOW)
        self.lost.clear()

    @rule()
    def reboot(self) -> None:
        self.home.machine.reserved.clear()
        self.reclaim()

    @rule(is_up=st.booleans())
    def engine_goes_or_comes(self, is_up: bool) -> None:
        self.home.machine.engine.is_up = is_up

    def _losses(self, job_id: str) -> int:
        with self.home.database.read() as connection:
            row = connection.execute(JOBS.select().where(JOBS.c.id == job_id)).one()
        return int(row.losses)

    def _unfinished(self) -> list[Job]:
        return [job for job in self._jobs() if not job.state.is_terminal]

    def _jobs(self) -> list[Job]:
        with self.home.database.read() as connection:
            return [jobs.job_of(row) for row in connection.execute(JOBS.select().order_by(JOBS.c.seq))]

    def _run(self, job_id: str, how: str = "end", after: int = 0) -> None:
        """One run, as a worker would do it; a kill leaves the lease behind."""
        database = self.home.database
        with database.write() as connection:
            lease = leases.take(
                connection, job_id, owner=uuid4().hex, ttl_s=60, now=NOW, max_losses=MAX_LOSSES
            )
            job = jobs.find_job(connection, job_id)
        if lease is None or job is None:
            return
        try:
            self._carry_out(job, lease, how, after)
        except Killed:
            self.lost.append(lease)
        except HandedBackError:
            with database.write() as connection:
                leases.hand_back(connection, lease, NOW)

    def _carry_out(self, job: Job, lease: Lease, how: str, after: int) -> None:
        database = self.home.database
        journal = JobJournal(database, lease, log=lambda _line: None, now=lambda: NOW, publish=lambda: None)
        plan, context = operations_with(self.home.machine.tools)[job.kind](
            RunningJob(job=job, steps=journal.steps)
        )
        if job.parameters.get("purge"):
            self.data.discard(job.subject)
        away = self.home.machine.engine
        broken = Interruption("cancel" if job.cancel_requested else how,
                              0 if job.cancel_requested else after, lambda: away.is_up)  # fmt: skip
        outcome = run_plan(
            plan, context, journal, broken, undo_control=Undoing(lambda: away.is_up),
            turned_back=job.problem, passing=broken.passing,
        )  # fmt: skip
        with database.write() as connection:
            if outcome.problem is not None:
                context.give_up(connection)
            leases.finish(
                connection, lease, state=JobState(outcome.ending.value), problem=outcome.problem,
                result=context.result() if outcome.problem is None else None, now=NOW,
            )  # fmt: skip
        if outcome.problem is None and job.kind == "install":
            self._keep_data(str(job.parameters["identifier"]))

    def _keep_data(self, app: str) -> None:
        (self._folder_of(app) / "files").mkdir(exist_ok=True)
        (self._folder_of(app) / "files" / "mine").write_text(app)
        self.data.add(app)

    def _folder_of(self, app: str) -> Path:
        return self.home.settings.projects_dir / app

    @invariant()
    def accepted_jobs_exist(self) -> None:
        assert self.accepted <= {job.id for job in self._jobs()}

    @invariant()
    def one_job_of_an_app_is_active(self) -> None:
        active = [job.subject for job in self._jobs() if job.state in (JobState.RUNNING, JobState.UNDOING)]
        assert len(active) == len(set(active))

    @invariant()
    def data_stays(self) -> None:
        for app in self.data:
            assert (self._folder_of(app) / "files" / "mine").read_text() == app
            assert f"{project_name(app)}_store" in self.home.machine.engine.vols

    @invariant()
    def nothing_is_told_twice(self) -> None:
        with self.home.database.read() as connection:
            rows = connection.execute(EVENTS.select()).all()
        once = (EventKind.APP_INSTALLED, EventKind.APP_UNINSTALLED)
        told = [(row.kind, row.job) for row in rows if row.kind in once]
        assert len(told) == len(set(told))

    def everything_runs_to_its_end(self) -> None:
        """At rest, what is there is what is recorded."""
        self.home.machine.engine.is_up = True
        for _ in range(len(self._jobs()) + 1):
            self.reclaim()
            for job in self._unfinished():
                self._run(job.id)
        assert self._unfinished() == []
        for app in APPS:
            self._is_as_recorded(app)

    def _is_as_recorded(self, app: str) -> None:
        with self.home.database.read() as connection:
            row = apps.find_app(connection, app)
            claims = connection.execute(CLAIMS.select().where(CLAIMS.c.identifier == app)).all()
        machine = self.home.machine
        live = [one.name for one in machine.engine.project_containers(project_name(app))]
        nets = [name for name in machine.engine.nets if name.startswith(project_name(app) + "_")]
        if row is None:
            assert (live, nets, claims) == ([], [], [])
            assert not (self._folder_of(app) / "docker-compose.yml").exists()
        else:
            assert claims
            assert row.state in (AppState.RUNNING, AppState.UNINSTALLING)
            if row.state is AppState.RUNNING:
                assert (len(live), len(nets)) == (2, 1)


Box.TestCase.settings = fuzz(40)
TestBox = Box.TestCase
