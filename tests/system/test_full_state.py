"""A full disk: new work is refused, what is there can be read, and room can be made out of the reserve."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.harness.definitions import pulled_app
from tests.harness.disks import MIB, DiskBox, memory_disk
from tests.harness.engine import EngineBox
from tests.harness.leftovers import leftovers
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

IMAGE = "acme/roomy:1"
RESERVE = 16 * MIB
DISK = 64 * MIB
GREED_S = 0.001


class Greedy:
    """Fills a disk to its last block; again and again, it takes what becomes free, as endless logs would."""

    def __init__(self, file: Path, *, is_insatiable: bool = True) -> None:
        self.file = file
        self._is_insatiable = is_insatiable
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self.is_full = threading.Event()

    def __enter__(self) -> "Greedy":
        self._thread.start()
        assert self.is_full.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(10)
        self.file.unlink()

    def _fill(self) -> None:
        with self.file.open("wb", buffering=0) as file:
            while not self._enough.is_set():
                try:
                    file.write(bytes(64 * 1024))
                except OSError:  # no space is left
                    self.is_full.set()
                    self._enough.wait(GREED_S if self._is_insatiable else None)


@pytest.fixture(scope="module")
def image(engine_box: EngineBox) -> None:
    publish_standin(engine_box, IMAGE)


@pytest.fixture
def box(engine_box: EngineBox, image: None) -> Iterator[DiskBox]:
    """A Homeport on a small disk in memory, with room for an app; its reserve is made."""
    with memory_disk(engine_box.root / "full-disk", DISK) as place:
        box = DiskBox(engine_box, "full", place, reserve_bytes=RESERVE, spare_bytes=0, queue_max=100_000)
        with box:
            box.add_definition("roomy", pulled_app("roomy", IMAGE))
            wait_until(lambda: held(box) == RESERVE, what="the reserve", timeout_s=40)
            yield box
            for app in box.apps():
                box.succeed(box.uninstall(app["identifier"]))
    shutil.rmtree(box.root)


def held(box: DiskBox) -> int:
    file = box.state_dir / "db" / "reserve"
    return file.stat().st_size if file.exists() else 0


def new_work(box: DiskBox) -> list[tuple[int, str]]:
    """What is said to each request for new work."""
    tar: dict[str, Any] = {"data": bytes(10240), "headers": {"Content-Type": "application/x-tar"}}
    source = {"name": "more", "kind": "index", "source": "https://apps.example.org/index.json"}
    answers = [
        box.post("/v1/apps", {"definition": "roomy", "identifier": "second"}),
        box.request("POST", "/v1/apps", **tar),
        box.post("/v1/builds", {"definition": "roomy"}),
        box.request("POST", "/v1/builds?name=thing", **tar),
        box.post("/v1/catalog/refresh", {}),
        box.post("/v1/catalog/sources", source),
    ]
    return [(answer.status_code, answer.json()["code"]) for answer in answers]


def test_a_full_disk_takes_no_new_work_and_room_can_be_made_on_it(box: DiskBox) -> None:
    box.succeed(box.install("roomy"))
    jobs = box.job_ids()

    with Greedy(box.state_dir / "greedy"):
        assert new_work(box) == [(507, "disk_full")] * 6
        told = box.post("/v1/apps", {"definition": "roomy", "identifier": "second"}).json()
        assert "disk is full" in told["title"]
        assert "uninstall" in told["remedy"]
        assert box.job_ids() == jobs
        assert [app["identifier"] for app in box.apps()] == ["roomy"]
        assert box.visit("roomy").ok
        assert box.request("GET", f"/v1/jobs/{next(iter(jobs))}/log").ok

        trimmed = box.post("/v1/caches/trim", {"to_bytes": 0})
        assert trimmed.status_code == 202, trimmed.text
        uninstalled = box.uninstall("roomy", purge=True)
        box.succeed(trimmed.json())
        box.succeed(uninstalled)

        assert held(box) < RESERVE
        assert leftovers(box, "roomy") == []
        assert box.job_ids() == {*jobs, trimmed.json()["id"], uninstalled["id"]}

    wait_until(lambda: held(box) == RESERVE, what="the reserve", timeout_s=60)
    box.succeed(box.install("roomy"))


def test_a_box_whose_disk_is_full_starts_and_an_app_can_be_uninstalled(box: DiskBox) -> None:
    box.succeed(box.install("roomy"))
    box.stop()

    with Greedy(box.state_dir / "greedy", is_insatiable=False):
        box.start()

        assert [app["identifier"] for app in box.apps()] == ["roomy"]
        assert new_work(box) == [(507, "disk_full")] * 6
        box.succeed(box.uninstall("roomy", purge=True))
        assert leftovers(box, "roomy") == []


def test_nothing_is_acknowledged_that_is_not_stored_while_the_disk_becomes_full(box: DiskBox) -> None:
    acknowledged: set[str] = set()
    refused: set[tuple[int, str]] = set()
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            answer = box.post("/v1/catalog/refresh", {})
            if answer.status_code == 202:
                acknowledged.add(answer.json()["id"])
            else:
                refused.add((answer.status_code, answer.json()["code"]))

    with ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(ask) for _ in range(4)]
        try:
            wait_until(lambda: len(acknowledged) > 50, what="requests", timeout_s=30)
            with Greedy(box.state_dir / "greedy"):
                wait_until(lambda: bool(refused), what="a refusal", timeout_s=30)
        finally:
            enough.set()
        for one in asking:
            one.result()

    assert refused <= {(507, "disk_full"), (503, "state_unavailable")}
    assert acknowledged <= box.job_ids()
    box.stop()
    box.start()
    assert acknowledged <= box.job_ids()
