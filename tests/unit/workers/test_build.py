"""Builds without an install, and trims of the caches, on a machine in memory."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.caches import BuildReport, CacheTraffic, Ecosystem
from homeport.errors import BuildFailedError, CancelledError, HandedBackError
from homeport.models import ImageOrigin, JobState
from homeport.plans import Ending, Plan, Step
from homeport.state import apps, builds, images, jobs
from homeport.state.caches import cache_totals
from tests.unit.workers.conftest import Household
from tests.unit.workers.fakes import image_state
from workers.operations import build

DEFINITION = {
    "app.yml": 'name: sent\ntitle: Sent\nversion: "1"\nmain: web\n',
    "docker-compose.yml": (
        "services:\n"
        "  web: {build: ./web}\n"
        "  again: {build: ./web}\n"
        "  base: {build: ./base, image: own/base}\n"
        "  other: {image: 'database:1'}\n"
    ),
    "web/Dockerfile": "FROM own/base\n",
    "base/Dockerfile": "FROM scratch\n",
}


def files_left(household: Household) -> list[str]:
    settings = household.settings
    return [
        path.name for folder in ("unpacked", "uploads") for path in (settings.state_dir / folder).glob("*")
    ]


def ledger(household: Household) -> dict[str, ImageOrigin]:
    with household.database.read() as connection:
        return {row.reference: row.origin for row in images.ledger(connection)}


def fails_at(call: int, error: BaseException) -> Callable[[], None]:
    calls: list[None] = []

    def fail() -> None:
        calls.append(None)
        if len(calls) == call:
            raise error

    return fail


def test_a_definition_s_images_are_built_and_no_app_is_made(household: Household) -> None:
    outcome = household.run(household.accept_build())

    assert outcome.ending is Ending.SUCCEEDED
    assert household.result is not None
    image = household.result["images"]["web"]
    assert image == {"image": image["image"], "id": f"sha256:{image['image']}", "built": True}
    assert ledger(household) == {image["image"]: ImageOrigin.BUILT}
    assert household.left() == {}


def test_an_uploaded_definition_is_built_in_order_and_twins_once(household: Household) -> None:
    outcome = household.run(household.accept_build(upload=DEFINITION, name="sent"))

    assert outcome.ending is Ending.SUCCEEDED
    assert household.result is not None
    base, web = household.machine.requests
    assert (base.service, web.service) == ("base", "web")
    assert web.contexts == {"own/base": base.tag}
    made = household.result["images"]
    assert {service: image["image"] for service, image in made.items()} == {
        "base": base.tag, "web": web.tag, "again": web.tag,
    }  # fmt: skip
    assert files_left(household) == []


def test_what_the_owner_set_reaches_a_build_and_is_looked_at_again(household: Household) -> None:
    more = "settings: {SOURCE: {build: true, required: true}}\n"
    files = {
        **DEFINITION,
        "app.yml": DEFINITION["app.yml"] + more,
        "web/Dockerfile": "FROM own/base\nARG SOURCE\n",
    }

    outcome = household.run(household.accept_build(upload=files, name="sent", settings={"SOURCE": "here"}))
    refused = household.run(household.accept_build(upload=files, name="sent"))

    assert outcome.ending is Ending.SUCCEEDED
    assert household.machine.requests[1].args == {"SOURCE": "here"}
    assert refused.problem is not None
    assert refused.problem.code == "invalid_input"
    assert files_left(household) == []


def test_a_bare_context_is_one_service_of_the_job_s_name(household: Household) -> None:
    job = household.accept_build(upload={"top/Dockerfile": "FROM scratch\n", "top/a": "x"}, name="mine")

    outcome = household.run(job)

    assert outcome.ending is Ending.SUCCEEDED
    (request,) = household.machine.requests
    assert (request.service, request.tag.partition(":")[0]) == ("mine", "homeport/mine-mine")
    assert files_left(household) == []


def test_a_failed_build_leaves_no_image_and_no_file(household: Household) -> None:
    household.machine.report = BuildReport(durations={"FROM scratch": 2.0})
    household.machine.on_build = fails_at(2, BuildFailedError("no"))

    outcome = household.run(household.accept_build(upload=DEFINITION, name="sent"))

    assert outcome.ending is Ending.FAILED
    assert household.machine.engine.images == {}
    assert ledger(household) == {}
    assert files_left(household) == []
    with household.database.read() as connection:
        assert builds.durations_of(connection, "sent", "base") == {"FROM scratch": 2.0}


def test_an_image_that_an_app_has_come_to_need_survives_the_failure(household: Household) -> None:
    def installed_meanwhile() -> None:
        if len(household.machine.requests) == 2:
            tag = household.machine.requests[0].tag
            with household.database.write() as connection:
                apps.update_app(connection, "notes", images={"web": {"id": f"sha256:{tag}"}})
            raise BuildFailedError("no")

    household.install()
    household.machine.requests.clear()
    household.machine.on_build = installed_meanwhile

    household.run(household.accept_build(upload=DEFINITION, name="sent"))

    assert household.machine.requests[0].tag in household.machine.engine.images
    assert household.machine.requests[0].tag in ledger(household)


def test_an_image_that_was_there_before_survives_the_failure(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    household.run(household.accept_build())
    before = set(household.machine.engine.images)
    break_step(monkeypatch, "record", "after")

    outcome = household.run(household.accept_build())

    assert outcome.ending is Ending.FAILED
    assert before
    assert set(household.machine.engine.images) == before


@pytest.mark.parametrize("name", ["read definition", "build images", "record"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_is_left_when_a_step_fails(
    household: Household, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    break_step(monkeypatch, name, when)

    outcome = household.run(household.accept_build(upload=DEFINITION, name="sent"))

    assert outcome.ending is Ending.FAILED
    assert household.machine.engine.images == {}
    assert ledger(household) == {}
    assert files_left(household) == []


def break_step(monkeypatch: pytest.MonkeyPatch, name: str, when: str) -> None:
    """From now on this step of a build fails, before or after it did what it does."""

    def failing(step: "Step[object]") -> "Step[object]":
        def do(context: object, run: object) -> None:
            if when == "after":
                step.do(context, run)  # type: ignore[arg-type]
            raise BuildFailedError("It broke.")

        return Step(name=step.name, do=do if step.name == name else step.do, undo=step.undo)

    original: Any = Plan
    monkeypatch.setattr(build, "Plan", lambda *steps: original(*(failing(step) for step in steps)))


def test_a_build_that_was_handed_back_goes_on_where_it_was(household: Household) -> None:
    household.machine.on_build = fails_at(2, HandedBackError())
    job = household.accept_build(upload=DEFINITION, name="sent")
    with pytest.raises(HandedBackError):
        household.run(job)

    outcome = household.run(job)

    assert outcome.ending is Ending.SUCCEEDED
    assert [request.service for request in household.machine.requests] == ["base", "web", "web"]
    assert household.result is not None
    assert set(household.result["builds"]) == {"base", "web"}
    assert len(ledger(household)) == 2


def test_a_build_that_was_cancelled_before_its_first_step_leaves_no_upload(household: Household) -> None:
    class Cancelled:
        def check(self) -> None:
            raise CancelledError("no more")

    outcome = household.run(household.accept_build(upload=DEFINITION), Cancelled())

    assert outcome.ending is Ending.CANCELLED
    assert files_left(household) == []


def test_what_a_job_left_behind_that_could_not_be_undone_goes_with_the_next_upload(
    household: Household,
) -> None:
    left = household.settings.state_dir / "unpacked" / "0123"
    left.mkdir(parents=True)

    household.run(household.accept_build(upload=DEFINITION))

    assert files_left(household) == []


def test_an_image_that_is_gone_before_the_end_fails_the_build(household: Household) -> None:
    remove_first = household.machine.engine.images.clear
    household.machine.on_build = lambda: remove_first() if len(household.machine.requests) == 2 else None

    outcome = household.run(household.accept_build(upload=DEFINITION, name="sent"))

    assert outcome.problem is not None
    assert "is gone" in outcome.problem.what
    assert household.machine.engine.images == {}


def test_what_a_build_says_of_itself_stands_in_the_result_and_weighs_the_next(
    household: Household,
) -> None:
    traffic = {Ecosystem.APT: CacheTraffic(requests=4, hits=3, bytes_served=1000, bytes_fetched=10)}
    household.machine.report = BuildReport(traffic=traffic, warnings=("slow",), durations={"RUN a": 3.0})
    household.install()
    installed = household.result

    assert installed is not None
    report = installed["builds"]["web"]
    assert report["caches"]["apt"]["hits"] == 3
    assert (report["direct"], report["warnings"]) == (None, ["slow"])
    household.machine.engine.images.clear()
    household.run(household.accept_build())
    assert [dict(request.durations) for request in household.machine.requests] == [{}, {"RUN a": 3.0}]


def test_builds_take_turns_whatever_job_they_belong_to(household: Household) -> None:
    lock = household.machine.tools.builds_lock
    lock.acquire()

    class Once:
        """Lets go after the build has asked for its turn twice."""

        asked = 0

        def check(self) -> None:
            self.asked += 1
            if lock.locked() and not household.machine.requests and self.asked == 8:
                lock.release()

    outcome = household.run(household.accept_build(), Once())

    assert outcome.ending is Ending.SUCCEEDED
    assert not lock.locked()


def test_trimming_says_what_each_cache_held_and_holds(household: Household) -> None:
    household.machine.cached = {Ecosystem.APT: 100, Ecosystem.NPM: 5, Ecosystem.GEM: 100}

    outcome = household.trim(Ecosystem.APT, Ecosystem.NPM, to_bytes=10)

    assert outcome.ending is Ending.SUCCEEDED
    assert household.result == {
        "caches": {
            "apt": {"before_bytes": 100, "after_bytes": 10, "after_files": 1, "removed_files": 1},
            "npm": {"before_bytes": 5, "after_bytes": 5, "after_files": 1, "removed_files": 0},
        }
    }
    with household.database.read() as connection:
        totals = cache_totals(connection)
    assert {name: total.size_bytes for name, total in totals.items() if total.files is not None} == {
        Ecosystem.APT: 10,
        Ecosystem.NPM: 5,
    }
    assert household.machine.cached[Ecosystem.GEM] == 100


def test_builds_and_trims_belong_to_no_app(household: Household) -> None:
    household.run(household.accept_build(name="notes"))
    household.machine.engine.images["x"] = image_state("x")
    household.trim(Ecosystem.APT)

    with household.database.read() as connection:
        listed = jobs.list_jobs(connection, before_seq=None, limit=9)
        of_app = jobs.list_jobs(connection, before_seq=None, limit=9, app="notes")
    assert [job.subject for job in listed] == ["box:caches", "build:notes"]
    assert all(job.state is JobState.SUCCEEDED for job in listed)
    assert of_app == []
