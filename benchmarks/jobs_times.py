"""How soon a job starts, goes on after a crash, and is gone when cancelled: parts of the benchmark `jobs`."""

import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figures import Figure, percentile
from benchmarks.jobs_peer import peer_worker
from homeport.state.fail_points import point_file, reached_file
from tests.harness.definitions import built_app, headless_app
from tests.harness.homeport_box import HomeportBox, Json

STARTS = 80
KILLS = 100
CANCELS = 40
IDLE_S = 15
APP = "bench"
SLOW = "slow"

_HELD = "install/read definition:acted"
_GAP_S = (0.7, 1.5)  # between two jobs, so that whoever looks for them has long gone idle
_QUIET_S = 0.1  # before a job that has just been queued is asked for, which takes time of the same process
_STARTED_S = 2  # who ran for so long is restarted at once, who ends before only after a pause
_UP_S = (1.5, 1.8)  # more than that, since a job runs a second after its worker's start
_LOOK_S = 0.001
_LONGEST_S = 60


def add_definitions(box: HomeportBox) -> None:
    """Definitions of an app that is never begun, and of one whose build takes ten minutes."""
    box.add_definition(APP, headless_app(APP, "acme/bench:1"))
    box.add_definition(SLOW, built_app(SLOW, "FROM debian:bookworm-slim\nRUN echo begun && sleep 600\n"))


def idle_cpu(box: HomeportBox) -> Iterator[Figure]:
    """What the worker and the API use of a core while nothing is asked of them."""
    names = {"workers": "worker", "api": "API", "workers.steward": "steward"}
    processes = {name: box.component(name) for name in names}
    before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    time.sleep(IDLE_S)
    for name, process in processes.items():
        used = sum(process.cpu_times()[:2]) - before[name]
        yield Figure(figure=f"idle: CPU of the {names[name]}", value=100 * used / IDLE_S, unit="%")


def idle_starts(box: HomeportBox) -> Iterator[Figure]:
    """How soon a job of an idle box starts; what it does (nothing) is as short as the peer's."""
    ours: list[_Start] = []
    peers: list[float] = []
    with peer_worker(redis_url(box), box.root / "peer.log") as peer:
        for _ in range(STARTS):
            time.sleep(random.uniform(*_GAP_S))
            sent_at = time.time()
            answer = box.post("/v1/catalog/refresh", {})
            ours.append(_start_of(box, answer.json()["id"], sent_at))
            peers.append(peer.time_start() * 1000)
        peer.forget()
    taken = [start.taken_ms for start in ours]
    _say(f"{STARTS} starts of an idle box, ours {_spread(taken)} ms, stock Dramatiq {_spread(peers)} ms")
    yield Figure(figure="idle: enqueue to start, p50", value=percentile(taken, 50), unit="ms", aim=5)
    yield Figure(figure="idle: enqueue to start, p99", value=percentile(taken, 99), unit="ms")
    step = percentile([start.step_ms for start in ours], 50)
    yield Figure(figure="  request sent to first step written down, p50", value=step, unit="ms")
    yield Figure(figure="stock Dramatiq: send to start, p50", value=percentile(peers, 50), unit="ms")
    yield Figure(figure="stock Dramatiq: send to start, p99", value=percentile(peers, 99), unit="ms")


def recoveries(box: HomeportBox, fail_points: Path) -> Iterator[Figure]:
    """How soon a job goes on whose worker is killed in a step, having run long enough to count as started."""
    file = point_file(fail_points, _HELD)
    file.write_text("pause")
    job = box.install(APP)
    found: list[float] = []
    _until(reached_file(file).exists, what=lambda: f"the first start of {box.job(job)}")
    for _ in range(KILLS):
        worker = box.component("workers")
        time.sleep(random.uniform(*_UP_S))
        reached_file(file).unlink()
        worker.kill()
        killed_at = time.perf_counter()
        _until(reached_file(file).exists, what=lambda: f"{box.job(job)} after a kill")
        found.append(time.perf_counter() - killed_at)
    file.unlink()
    box.wait(job)
    _say(f"{KILLS} kills: {_spread(found)} s")
    name = f"crash of a worker that ran for {_STARTED_S} s: kill to running again"
    yield Figure(figure=f"{name}, p50", value=percentile(found, 50), unit="s")
    yield Figure(figure=f"{name}, p99 of {KILLS}", value=percentile(found, 99), unit="s", aim=5)


def cancels(box: HomeportBox) -> Iterator[Figure]:
    """How soon the programs of a job are gone that is cancelled in a build."""
    gone: list[float] = []
    ended: list[float] = []
    worker = box.component("workers")
    for _ in range(CANCELS):
        answer = box.post("/v1/builds", {"definition": SLOW})
        job: Json = answer.json()
        _until(lambda: "begun" in box.job_log(job), what=lambda: str(box.job(job)), look_s=0.05)  # noqa: B023
        programs = worker.children(recursive=True)
        assert programs, "a build runs programs"
        asked_at = time.perf_counter()
        box.cancel(job)
        _until(lambda: not any(map(_runs, programs)), what=lambda: f"the end of {programs}")  # noqa: B023
        gone.append(time.perf_counter() - asked_at)
        state = box.wait(job)["state"]
        ended.append(time.perf_counter() - asked_at)
        assert state == "cancelled", state
    _say(f"{CANCELS} cancels: programs gone {_spread(gone)} s, job ended {_spread(ended)} s")
    yield Figure(figure="cancel to dead, p50", value=percentile(gone, 50), unit="s")
    yield Figure(figure=f"cancel to dead, p99 of {CANCELS}", value=percentile(gone, 99), unit="s", aim=2)
    yield Figure(figure="  cancel to undone and told, p99", value=percentile(ended, 99), unit="s")


def redis_url(box: HomeportBox) -> str:
    """The box's own Valkey."""
    return f"unix://{box.run_dir / 'valkey' / 'valkey.sock'}?db=0"


@dataclass(frozen=True)
class _Start:
    taken_ms: float  # from the making of the job's row to its lease: two processes, a synced commit between
    step_ms: float  # from before the request to the row of its first step: two synced commits


def _start_of(box: HomeportBox, job_id: str, sent_at: float) -> _Start:
    time.sleep(_QUIET_S)
    box.wait({"id": job_id})
    with closing(sqlite3.connect(box.state_dir / "db" / "homeport.sqlite", timeout=10)) as database:
        created_at, taken_at, step_at = database.execute(
            "SELECT jobs.created_at, jobs.started_at, min(steps.started_at)"
            " FROM jobs JOIN steps ON steps.job_id = jobs.id WHERE jobs.id = ?",
            (job_id,),
        ).fetchone()
    return _Start(taken_ms=(taken_at - created_at) / 1000, step_ms=step_at / 1000 - sent_at * 1000)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(holds: Callable[[], bool], *, what: Callable[[], str], look_s: float = _LOOK_S) -> None:
    deadline = time.monotonic() + _LONGEST_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_LONGEST_S} s: {what()}")
        time.sleep(look_s)


def _spread(values: list[float]) -> str:
    return f"p50 {percentile(values, 50):.3f} p99 {percentile(values, 99):.3f} most {max(values):.3f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)
