"""Builds as jobs of their own: in order, one at a time, beside quick jobs, and whole or not at all."""

import io
import tarfile
import time
from collections.abc import Iterator, Mapping

import pytest

from tests.harness.definitions import pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.points import killed_at
from tests.harness.standins import publish_standin

STEPS = ("read definition", "build images", "record")
BASE = "debian:bookworm-slim"
POINTS = "build-points"
QUICK_APP = "acme/quick:1"

STACK = {
    "app.yml": (
        'name: stack\ntitle: Stack\nversion: "1.0"\nmain: web\n'
        "images: {web: {context: ./web, target: final, contexts: {extra: ./extra}}}\n"
    ),
    "docker-compose.yml": (
        "services:\n"
        "  web: {command: [sleep, '600'], init: true}\n"
        "  twin: {image: 'own/base:1', command: [sleep, '600'], init: true}\n"
        "  base: {build: {context: base, args: {SAYS: base}}, image: 'own/base:1',"
        " command: [sleep, '600'], init: true}\n"
        "  copy:\n"
        "    build: {context: copy, additional_contexts: [other=service:web]}\n"
        "    command: [sleep, '600']\n"
        "    init: true\n"
    ),
    "base/Dockerfile": f"FROM {BASE}\nARG SAYS\nRUN echo $SAYS > /says\n",
    "web/Dockerfile": (
        "FROM own/base:1 AS final\nCOPY --from=extra file /extra\nFROM final AS unwanted\nRUN false\n"
    ),
    "extra/file": "extra\n",
    "copy/Dockerfile": f"FROM {BASE}\nCOPY --from=other /says /extra /from-web/\n",
}

SLOW = {"Dockerfile": f"FROM {BASE}\nRUN echo begun && sleep 600\n"}


@pytest.fixture(scope="module")
def box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    """A Homeport with an app to pull, whose workers can be killed at points."""
    publish_standin(engine_box, QUICK_APP)
    (engine_box.root / POINTS).mkdir()
    with HomeportBox(engine_box, "builds", fail_points=engine_box.root / POINTS) as homeport:
        homeport.add_definition("quick", pulled_app("quick", QUICK_APP))
        homeport.add_definition("stack", STACK)
        yield homeport


def build(box: HomeportBox, name: str) -> Json:
    """Asks for a definition of the catalog to be built; the accepted job."""
    return accepted(box.post("/v1/builds", {"definition": name}))


def send(box: HomeportBox, files: Mapping[str, str], query: str = "") -> Json:
    """Uploads a folder of these files to be built; the accepted job."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    headers = {"Content-Type": "application/x-tar"}
    return accepted(box.request("POST", f"/v1/builds{query}", data=raw.getvalue(), headers=headers))


def accepted(answer: object) -> Json:
    assert answer.status_code == 202, answer.text  # type: ignore[attr-defined]
    job: Json = answer.json()  # type: ignore[attr-defined]
    return job


def images_of(engine: EngineBox, name: str) -> set[str]:
    """The tags of the images that were built for a definition or upload of that name."""
    prefix = f"homeport/{name}-"
    return {tag for image in engine.client.images.list() for tag in image.tags if tag.startswith(prefix)}


def left_of(box: HomeportBox, name: str) -> list[str]:
    """All that a build of that name has left: files, images, rows of the ledger."""
    files = [
        path.name
        for folder in ("builds", "unpacked", "uploads")
        for path in (box.state_dir / folder).glob("*")
    ]
    ledger = box.sql("SELECT reference FROM images WHERE reference LIKE ?", f"homeport/{name}-%")
    return files + sorted(images_of(box.engine, name)) + [str(row[0]) for row in ledger]


def said(engine: EngineBox, image: str, path: str) -> str:
    """A file in an image."""
    output: bytes = engine.client.containers.run(image, ["cat", path], remove=True, network_mode="none")
    return output.decode().strip()


def test_services_are_built_upon_each_other_in_order_and_an_install_finds_them(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    job = build(box, "stack")
    ended = box.succeed(job, timeout_s=300)

    assert (ended["kind"], ended["subject"], ended["queue"]) == ("build", "build:stack", "builds")
    assert [row["state"] for row in ended["steps"]] == ["done"] * len(STEPS)
    made = {service: image["image"] for service, image in ended["result"]["images"].items()}
    assert set(made) == {"web", "twin", "base", "copy"}
    assert made["twin"] == made["base"]
    assert images_of(engine_box, "stack") == set(made.values())
    assert said(engine_box, made["web"], "/says") == "base"
    assert said(engine_box, made["copy"], "/from-web/extra") == "extra"
    assert set(ended["result"]["builds"]) == {"base", "web", "copy"}
    assert "caches" in ended["result"]["builds"]["web"]
    events = box.sql("SELECT DISTINCT app FROM events WHERE job = ?", job["id"])
    assert events == [(None,)]

    installed = box.install("stack")
    box.succeed(installed)

    log = box.job_log(installed)
    assert "is there already" in log
    assert "Building" not in log
    assert box.get("/v1/jobs?app=stack")["items"][0]["id"] == installed["id"]
    assert len(box.get("/v1/jobs?app=stack")["items"]) == 1
    box.succeed(box.uninstall("stack", purge=True, remove_images=True))
    assert left_of(box, "stack") == []


def test_an_uploaded_context_is_built_and_nothing_of_the_upload_is_kept(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    files = {"mine.Dockerfile": f"FROM {BASE}\nCOPY a /a\n", "a": "sent\n"}
    ended = box.succeed(send(box, files, "?name=sent&dockerfile=mine.Dockerfile"), timeout_s=300)

    (image,) = ended["result"]["images"].values()
    assert said(engine_box, image["image"], "/a") == "sent"
    assert left_of(box, "sent") == [image["image"], image["image"]]


def test_one_build_at_a_time_and_quick_jobs_beside_it(box: HomeportBox) -> None:
    slow = send(box, SLOW, "?name=slow")
    box.wait_for_step(slow, "build images")
    waiting = send(box, {"Dockerfile": f"FROM {BASE}\nRUN true\n"}, "?name=next")

    box.succeed(box.install("quick"))

    assert box.job(slow)["state"] == "running"
    assert box.job(waiting)["state"] == "queued"
    box.succeed(box.uninstall("quick", purge=True, remove_images=True))
    box.cancel(slow)
    assert box.wait(slow)["state"] == "cancelled", "its RUN would sleep ten minutes"
    box.succeed(waiting)
    assert left_of(box, "slow") == []


def test_a_build_that_is_cancelled_while_it_waits_keeps_no_upload(box: HomeportBox) -> None:
    slow = send(box, SLOW, "?name=slow")
    box.wait_for_step(slow, "build images")
    waiting = send(box, SLOW, "?name=slow")
    box.cancel(waiting)
    assert box.job(waiting)["state"] == "cancelled"
    box.cancel(slow)
    assert box.wait(slow)["state"] == "cancelled"

    deadline = time.monotonic() + 60
    while (left := left_of(box, "slow")) and time.monotonic() < deadline:
        time.sleep(0.5)

    assert left == []


def test_a_build_that_fails_at_its_second_image_leaves_none(box: HomeportBox) -> None:
    files = {
        "app.yml": 'name: half\ntitle: Half\nversion: "1"\nmain: web\n',
        "docker-compose.yml": (
            "services:\n  web: {build: {context: web, additional_contexts: {b: 'service:base'}}}\n"
            "  base: {build: base}\n"
        ),
        "base/Dockerfile": f"FROM {BASE}\nRUN echo base > /says\n",
        "web/Dockerfile": "FROM b\nRUN echo no good; exit 3\n",
    }

    problem = box.fail(send(box, files), timeout_s=300)

    assert problem["code"] == "build_failed"
    assert (problem["facts"]["service"], problem["facts"]["line"], problem["facts"]["exit_code"]) == (
        "web",
        2,
        3,
    )
    assert "build images" in problem["restored"]
    assert left_of(box, "half") == []


@pytest.mark.parametrize("step", STEPS)
def test_a_build_goes_on_after_its_worker_was_killed(box: HomeportBox, step: str) -> None:
    files = {"Dockerfile": f"FROM {BASE}\nRUN echo {step} > /step; sleep 0.5\n"}

    job = killed_at(
        box, box.engine.root / POINTS, f"build/{step}:acted", lambda: send(box, files, "?name=tough")
    )
    ended = box.succeed(job, timeout_s=120)

    assert [row["state"] for row in ended["steps"]] == ["done"] * len(STEPS)
    assert ended["attempt"] == 1
    (image,) = ended["result"]["images"].values()
    ledger = box.sql("SELECT image_id, origin FROM images WHERE reference = ?", image["image"])
    assert ledger == [(image["id"], "built")]
    assert set(left_of(box, "tough")) == images_of(box.engine, "tough")


@pytest.mark.parametrize("step", ["build images", "read definition"])
def test_a_build_s_undo_goes_on_after_its_worker_was_killed(box: HomeportBox, step: str) -> None:
    files = {
        "app.yml": 'name: fragile\ntitle: Fragile\nversion: "1"\nmain: web\n',
        "docker-compose.yml": "services:\n  base: {build: base, image: b}\n  web: {build: web}\n",
        "base/Dockerfile": f"FROM {BASE}\nRUN echo base > /says\n",
        "web/Dockerfile": "FROM b\nRUN exit 3\n",
    }

    job = killed_at(box, box.engine.root / POINTS, f"build/{step}:undone", lambda: send(box, files))

    assert box.fail(job, timeout_s=60)["code"] == "build_failed"
    assert left_of(box, "fragile") == []


def test_trimming_the_caches_is_a_job_that_waits_for_no_build(box: HomeportBox) -> None:
    store = box.state_dir / "caches" / "nginx" / "npm" / "0" / "00"
    store.mkdir(parents=True, exist_ok=True)
    (store / f"{7:032x}").write_bytes(b"x" * 100_000)
    slow = send(box, SLOW, "?name=slow")
    box.wait_for_step(slow, "build images")

    ended = box.succeed(accepted(box.post("/v1/caches/trim", {"ecosystems": ["npm"]})))

    trimmed = ended["result"]["caches"]
    assert set(trimmed) == {"npm"}
    assert trimmed["npm"]["before_bytes"] >= 100_000
    assert (trimmed["npm"]["after_bytes"], trimmed["npm"]["removed_files"]) == (0, 1)
    assert (ended["kind"], ended["subject"], ended["queue"]) == ("cleanup", "box:caches", "upkeep")
    box.cancel(slow)
    box.wait(slow)
