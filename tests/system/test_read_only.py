"""A disk that takes no more writes: it is read, nothing is promised, and all goes on once it takes them."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.harness.definitions import pulled_app
from tests.harness.disks import MIB, DiskBox, Ext4Disk, ext4_disk
from tests.harness.engine import EngineBox
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

IMAGE = "acme/readable:1"


@pytest.fixture(scope="module")
def disk(engine_box: EngineBox) -> Iterator[Ext4Disk]:
    place = engine_box.root / "ro-disk"
    with ext4_disk(place, 128 * MIB) as disk:
        yield disk
    disk.image.unlink()


@pytest.fixture(scope="module")
def box(engine_box: EngineBox, disk: Ext4Disk) -> Iterator[DiskBox]:
    """A Homeport whose state is on a disk of its own, with an app."""
    publish_standin(engine_box, IMAGE)
    box = DiskBox(engine_box, "readonly", disk.place, reserve_bytes=8 * MIB, spare_bytes=0)
    with box:
        box.add_definition("readable", pulled_app("readable", IMAGE))
        box.succeed(box.install("readable"))
        yield box
        box.succeed(box.uninstall("readable", purge=True))
    shutil.rmtree(box.root)


def changes(box: DiskBox) -> list[requests.Response]:
    """What is said to each request that would change something."""
    tar: dict[str, Any] = {"data": bytes(10240), "headers": {"Content-Type": "application/x-tar"}}
    return [
        box.post("/v1/apps", {"definition": "readable", "identifier": "second"}),
        box.request("POST", "/v1/apps", **tar),
        box.delete("/v1/apps/readable"),
        box.post("/v1/builds", {"definition": "readable"}),
        box.post("/v1/caches/trim", {"to_bytes": 0}),
        box.post("/v1/catalog/refresh", {}),
        box.post(
            "/v1/catalog/sources",
            {"name": "more", "kind": "index", "source": "https://apps.example.org/index.json"},
        ),
        box.post("/v1/tokens", {"name": "another"}),
    ]


def assert_read_and_refused(box: DiskBox, jobs: set[str]) -> None:
    for answer in changes(box):
        problem = answer.json()
        assert answer.status_code in (503, 507), (answer.request.url, problem)
        assert problem["code"] in ("state_unavailable", "component_unavailable", "disk_full")
        assert problem["remedy"]
    assert [app["identifier"] for app in box.apps()] == ["readable"]
    assert box.job_ids() == jobs
    for path in (
        "/v1/catalog",
        "/v1/catalog/sources",
        "/v1/tokens",
        "/v1/schedule",
        "/v1/system",
        "/v1/caches",
    ):
        assert box.request("GET", path).ok, path
    assert not box.is_ready()
    assert box.visit("readable").ok


def test_a_disk_that_breaks_is_read_and_promises_nothing_and_goes_on_when_mended(
    box: DiskBox, disk: Ext4Disk
) -> None:
    jobs = box.job_ids()

    disk.break_down()
    wait_until(lambda: not box.is_ready(), what="it is noticed", timeout_s=30)
    assert_read_and_refused(box, jobs)

    box.stop()
    disk.mend()
    disk.mount(read_only=True)
    box.start()
    assert_read_and_refused(box, jobs)

    disk.remount("rw")
    wait_until(box.is_ready, what="it works again", timeout_s=60)
    box.succeed(box.uninstall("readable"))
    box.succeed(box.install("readable"))
