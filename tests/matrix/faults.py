"""Having a fault happen to a job at a point, and the look at the box afterwards."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import uuid4

import psutil
import requests

from homeport.host.engine import Engine
from homeport.settings import Settings
from homeport.state import repairs
from homeport.state.database import Database
from homeport.state.fail_points import point_file
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.leftovers import reserved_ports
from tests.harness.points import Held, held
from tests.harness.programs import wait_until
from tests.matrix.rows import ACCEPTED, Fault, Row
from tests.matrix.scenarios import NEIGHBOUR, Scenario
from workers.observation import observe
from workers.reconciliation import find_differences

IN_TIME_S = 60.0
"""A job has ended within so many seconds after the fault."""

HEARD_S = 1.2
"""A worker hears of a cancel within so many seconds."""

WITHOUT_ENGINE_S = 1.0
"""A job goes on so long without an engine."""

_TOLD_TWICE = (
    "SELECT job, kind FROM events WHERE kind IN"
    " ('job.finished', 'app.installed', 'app.uninstalled', 'box.repaired', 'catalog.refreshed')"
    " AND job IS NOT NULL GROUP BY job, kind, app HAVING COUNT(*) > 1"
)

SETTINGS = {"lease_s": 5, "healthy_s": 40, "steady_s": 1, "stop_s": 2, "proxy": "haproxy"}


class FaultyBox:
    """A Homeport to which faults happen."""

    def __init__(self, box: HomeportBox, engine: EngineBox, points: Path) -> None:
        self.box = box
        self.engine = engine
        self.points = points

    def carry_out(self, row: Row) -> Json:
        """Brings the row's job to its step, has the fault happen, and gives the job when it has ended."""
        scenario = row.scenario(self.box, self.engine)
        if row.fault is Fault.RAISE:
            point_file(self.points, row.point).write_text("raise")
            return self._ended(scenario.submit())
        if row.fault is Fault.UNDO:
            point_file(self.points, f"{scenario.kind}/{row.failing_step}:begun").write_text("raise")
        with held(self.points, row.point) as place:
            if row.step == ACCEPTED:
                return self._ended(self._asked_again(scenario, place))
            job = scenario.submit()
            wait_until(place.is_reached, what=f"the point of {row}", timeout_s=60, log=self.box.log)
            self._happen(row.fault, job, place.let_go)
        return self._ended(job)

    def _asked_again(self, scenario: Scenario, place: Held) -> Json:
        """The job of a request whose API was killed before it answered, which its sender then sent again."""
        key = uuid4().hex
        ((newest,),) = self.box.sql("SELECT COALESCE(MAX(seq), 0) FROM jobs")
        first = "SELECT job_id FROM idempotency_keys WHERE key = ?"
        with self.box.keyed(key), ThreadPoolExecutor(1) as sender:
            asking = sender.submit(scenario.submit)
            wait_until(place.is_reached, what="an accept", timeout_s=60, log=self.box.log)
            wait_until(lambda: bool(self.box.sql(first, key)), what="its commit", timeout_s=10)
            kill(self.box.component("api"))
            place.let_go()
            assert isinstance(asking.exception(timeout=30), requests.ConnectionError)
            wait_until(self.box.is_ready, what="the API", timeout_s=30, log=self.box.log)
            job = scenario.submit()
        assert [(job["id"],)] == self.box.sql(first, key)
        made = self.box.sql("SELECT id FROM jobs WHERE kind = ? AND seq > ?", job["kind"], newest)
        assert made == [(job["id"],)]
        return job

    def _happen(self, fault: Fault, job: Json, let_go: Callable[[], None]) -> None:
        match fault:
            case Fault.WORKER | Fault.UNDO:
                kill(self.box.component("workers"))
            case Fault.PARENT:
                self.box.kill()
                let_go()
                self.box.start()
            case Fault.API:
                kill(self.box.component("api"))
            case Fault.VALKEY:
                kill(next(one for one in self.box.processes() if "valkey" in one.name()))
            case Fault.PROXY:
                kill(next(one for one in self.box.processes() if one.name() == "haproxy"))
            case Fault.ENGINE | Fault.ENGINE_KILLED:
                self.engine.stop() if fault is Fault.ENGINE else self.engine.kill()
                let_go()
                time.sleep(WITHOUT_ENGINE_S)
                self.engine.start()
            case Fault.CANCEL:
                assert self.box.cancel(job).status_code == requests.codes.accepted
                time.sleep(HEARD_S)
            case Fault.RAISE:
                raise AssertionError("it is raised where the point is passed")
        let_go()

    def _ended(self, job: Json) -> Json:
        """The job when it has ended, which must be in time; an API that was killed is away for a moment."""
        deadline = time.monotonic() + IN_TIME_S
        while time.monotonic() < deadline:
            try:
                return self.box.wait(job, timeout_s=deadline - time.monotonic())
            except requests.ConnectionError:
                time.sleep(0.1)
        raise TimeoutError(f"the API stayed away: {self.box.log.read_text()[-4000:]}")

    def faults(self) -> list[str]:
        """What on the box is not as the database wants it, or was not so before."""
        wait_until(self._is_quiet, what="all jobs end", timeout_s=IN_TIME_S, log=self.box.log)
        apps = {app["identifier"]: app for app in self.box.apps()}
        found = [f"{name} is {app['state']}" for name, app in apps.items() if app["state"] != "running"]
        for name in apps:
            wait_until(partial(self.box.answers, name), what=f"{name} answers", timeout_s=IN_TIME_S)
        found += self._orphans(set(apps))
        found += self._lasting(partial(self._wrong_routes, apps))
        ports = {35000 + app["app_id"] for app in apps.values()}
        found += [f"port {port} is reserved" for port in sorted(reserved_ports() - ports) if port > 35000]
        found += [f"port {port} is not reserved" for port in sorted(ports - reserved_ports())]
        claimed = {row[0] for row in self.box.sql("SELECT DISTINCT identifier FROM claims")}
        found += [f"{name} is claimed" for name in sorted(claimed - set(apps))]
        found += [f"{kind} of the job {job} was told twice" for job, kind in self.box.sql(_TOLD_TWICE)]
        found += self._differences()
        for folder in ("uploads", "unpacked", "builds"):
            found += [str(path) for path in (self.box.state_dir / folder).glob("*")]
        return found + self._of_neighbour()

    def _lasting(self, look: Callable[[], list[str]]) -> list[str]:
        """What is wrong for longer than it may be."""
        deadline = time.monotonic() + IN_TIME_S
        while (found := look()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _wrong_routes(self, apps: Mapping[str, Json]) -> list[str]:
        """The hosts that do not lead where they shall, as HAProxy has it and as its next start would."""
        wanted = {app["host_name"] for app in apps.values() if app["host_port"]} | {"homeport.localhost"}
        wanted |= {name.removesuffix(".localhost") for name in wanted}
        found = [f"{name} does not answer" for name in wanted if not self.box.answers_at(name)]
        return found + [f"the proxy serves {name}" for name in self.box.served_names() ^ wanted]

    def _differences(self) -> list[str]:
        """What Docker and the disk have otherwise than the database wants it, as the reconciler sees it."""
        settings = Settings(
            state_dir=self.box.state_dir, run_dir=self.box.run_dir, catalog_dir=self.box.catalog_dir
        )
        database = Database(settings.database)
        with database.read() as connection:
            apps = repairs.wanted(connection).apps
        database.close()
        found = find_differences(observe(Engine(self.engine.docker_host), settings), apps)
        return [f"{name}: {words}" for name, said in found.items() for words in said]

    def _is_quiet(self) -> bool:
        return not self.box.sql("SELECT id FROM jobs WHERE state IN ('queued', 'running', 'undoing')")

    def _orphans(self, apps: set[str]) -> list[str]:
        client, label = self.engine.client, f"homeport.box={self.box.state_dir}"
        wanted: dict[str, str | list[str] | bool] = {"label": label}
        labels = {str(one.name): one.labels for one in client.containers.list(all=True, filters=wanted)}
        labels |= {str(one.name): one.attrs["Labels"] for one in client.networks.list(filters=wanted)}
        return [f"{name} is of no app" for name, said in labels.items() if said["homeport.app"] not in apps]

    def _of_neighbour(self) -> list[str]:
        found = []
        for place in self._data():
            if not place.exists() or place.read_text() != "the owner's":
                found.append(f"{place} is not what it was")
        return found

    def write_data(self) -> None:
        """Gives the neighbour data that nobody may change."""
        for place in self._data():
            place.write_text("the owner's")

    def _data(self) -> list[Path]:
        volume = self.engine.client.volumes.get(f"homeport-{NEIGHBOUR}_store")
        return [
            self.box.state_dir / "projects" / NEIGHBOUR / "files" / "mine",
            Path(volume.attrs["Mountpoint"]) / "mine",
        ]


def kill(process: psutil.Process) -> None:
    """SIGKILL, and gone when this returns."""
    process.kill()
    process.wait(10)
