"""The power is cut while requests come in: whatever was acknowledged by then is on the disk."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from homeport.catalog.sources import copy_folder, put_in_place
from tests.harness.definitions import pulled_app
from tests.harness.disks import MIB, DiskBox, Ext4Disk, ext4_disk
from tests.harness.engine import EngineBox
from tests.harness.programs import wait_until
from tests.integration.api.test_builds import CONTEXT

CUTS = 5
CLIENTS = 6


@pytest.fixture
def disk(engine_box: EngineBox) -> Iterator[Ext4Disk]:
    place = engine_box.root / "cut-disk"
    with ext4_disk(place, 96 * MIB) as disk:
        yield disk
    disk.image.unlink()


@pytest.fixture
def box(engine_box: EngineBox, disk: Ext4Disk) -> Iterator[DiskBox]:
    """A Homeport on that disk that takes any number of jobs; its worker carries them out meanwhile."""
    box = DiskBox(engine_box, "cut", disk.place, reserve_bytes=0, spare_bytes=0, queue_max=1_000_000)
    with box:
        box.add_definition("cut", pulled_app("cut", "acme/never-pulled:1"))
        yield box
    shutil.rmtree(box.root)


class Load:
    """Clients that send requests, and the jobs that were acknowledged to them."""

    def __init__(self, box: DiskBox) -> None:
        self._box = box
        self._enough = threading.Event()
        self.jobs: list[str] = []
        self.uploads: list[str] = []

    def __enter__(self) -> "Load":
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._asking = [self._pool.submit(self._ask, number) for number in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for asking in self._asking:
            asking.result()
        self._pool.shutdown()

    def wait_for(self, *, jobs: int, uploads: int) -> None:
        """Returns when so many were acknowledged."""
        wait_until(
            lambda: len(self.jobs) > jobs and len(self.uploads) > uploads, what="requests", timeout_s=60
        )

    def _ask(self, number: int) -> None:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {self._box.token}"
        url = self._box.base_url
        while not self._enough.is_set():
            if number == 0:
                tar = {"Content-Type": "application/x-tar"}
                answer = session.post(f"{url}/v1/builds?name=cut", data=CONTEXT, headers=tar, timeout=30)
                known = self.uploads
            else:
                answer = session.post(f"{url}/v1/catalog/refresh", json={}, timeout=30)
                known = self.jobs
            assert answer.status_code == 202, answer.text
            known.append(answer.json()["id"])


def stored_jobs(state: Path) -> dict[str, str]:
    """Every job in a copied state folder, and its state, after SQLite has mended it as after a power cut."""
    with closing(sqlite3.connect(state / "db" / "homeport.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        return dict(database.execute("SELECT id, state FROM jobs").fetchall())


def test_whatever_was_acknowledged_is_on_the_disk_when_the_power_is_cut(box: DiskBox, disk: Ext4Disk) -> None:
    with Load(box) as load:
        for cut in range(1, CUTS + 1):
            load.wait_for(jobs=100 * cut, uploads=5 * cut)
            jobs, uploads = set(load.jobs), set(load.uploads)
            with disk.copied() as state:
                stored = stored_jobs(state)
                assert jobs <= stored.keys()
                assert uploads <= stored.keys()
                for upload in uploads:
                    if stored[upload] == "queued":
                        assert (state / "uploads" / f"{upload}.tar").read_bytes() == CONTEXT

    assert {*load.jobs, *load.uploads} <= box.job_ids()


def test_a_definition_that_a_job_has_copied_is_whole_when_the_power_is_cut(engine_box: EngineBox) -> None:
    files = {f"context/{number}": f"line {number}\n" * 50 for number in range(40)}
    source = engine_box.root / "copied-from"
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)

    with ext4_disk(engine_box.root / "copy-disk", 64 * MIB) as disk:
        copy_folder(source, disk.place / "fresh")
        put_in_place(disk.place / "fresh", disk.place / "copy")
        with disk.copied() as after:
            found = {name: (after / "copy" / name).read_text() for name in files}

    disk.image.unlink()
    assert found == files
