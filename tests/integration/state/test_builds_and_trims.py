"""Jobs that change no app: builds, and trims of the package caches."""

import uuid

import pytest

from homeport.caches import Ecosystem
from homeport.errors import NotPossibleNowError
from homeport.models import Job, JobKind, JobState, Queue
from homeport.state.accept import accept_build, accept_trim
from homeport.state.jobs import list_jobs
from tests.integration.state.box import Box


def build(box: Box, name: str, *, upload: str | None = None) -> Job:
    with box.database.write() as conn:
        return accept_build(
            conn,
            job_id=uuid.uuid4().hex,
            definition=None if upload else name,
            upload=upload,
            name=name,
            queue=Queue.BUILDS,
            now=box.now,
        )


def trim(box: Box) -> Job:
    with box.database.write() as conn:
        return accept_trim(conn, job_id=uuid.uuid4().hex, ecosystems=[Ecosystem.NPM], to_bytes=5, now=box.now)


def test_accepted_builds_and_trims_come_back_as_they_were_given(box: Box) -> None:
    catalog, upload, caches = build(box, "wiki"), build(box, "mine", upload="u1"), trim(box)

    assert [box.job(job) for job in (catalog, upload, caches)] == [catalog, upload, caches]
    assert (catalog.kind, catalog.subject, catalog.queue) == (JobKind.BUILD, "build:wiki", Queue.BUILDS)
    assert catalog.parameters == {"definition": "wiki", "catalog": None, "settings": {}}
    assert upload.parameters == {
        "upload": "u1", "name": "mine", "dockerfile": "Dockerfile", "settings": {},
    }  # fmt: skip
    assert (caches.kind, caches.subject, caches.queue) == (JobKind.CLEANUP, "box:caches", Queue.UPKEEP)
    assert caches.parameters == {"ecosystems": ["npm"], "to_bytes": 5}


def test_a_build_is_of_a_definition_or_of_an_upload(box: Box) -> None:
    with pytest.raises(ValueError, match="definition or of an upload"), box.database.write() as conn:
        accept_build(
            conn, job_id="x", definition=None, upload=None, name="wiki", queue=Queue.BUILDS, now=box.now
        )


def test_no_event_of_theirs_and_no_list_names_an_app(box: Box) -> None:
    for identifier in ("wiki", "caches"):
        box.add_app(identifier)
    jobs = [build(box, "wiki"), trim(box)]
    waiting = build(box, "wiki")
    leases = [box.taken(job) for job in jobs]
    assert box.take(waiting) is None
    for lease in leases:
        box.journal(lease).begun("a step")
        box.hand_back(lease)
    for job in jobs:
        box.finish(box.taken(job))
    box.cancel(waiting)

    assert {event.app for event in box.events()} == {None}
    with box.database.read() as conn:
        of_apps = [list_jobs(conn, before_seq=None, limit=9, app=app) for app in ("wiki", "caches")]
    assert of_apps == [[], []]


def test_builds_of_one_name_take_turns_and_wait_for_no_app_of_that_name(box: Box) -> None:
    box.taken(box.install("wiki"))
    first, second, other = build(box, "wiki"), build(box, "wiki"), build(box, "blog")
    lease = box.taken(first)

    assert box.take(second) is None
    assert box.job(second).waiting_for == first.id
    assert box.take(other) is not None
    assert box.finish(lease) == [second.id]


def test_what_is_said_of_a_build_names_what_is_built(box: Box) -> None:
    job = build(box, "wiki")
    box.cancel(job)

    problem = box.job(job).problem
    assert problem is not None
    assert problem.what == "The build of 'wiki' was cancelled before it began."
    with pytest.raises(NotPossibleNowError, match="The build of 'wiki' has ended: it was cancelled"):
        box.cancel(job)


def test_a_build_whose_undo_has_no_end_says_nothing_of_an_app_of_its_name(box: Box) -> None:
    box.add_app("wiki")
    job = build(box, "wiki")
    for _ in range(6):
        lease = box.taken(job)
        box.journal(lease).begun("build images")
        box.pass_time(16)
        box.reclaim()

    ended = box.job(job)
    assert ended.state is JobState.FAILED
    assert ended.problem is not None
    assert ended.problem.what == "The build of 'wiki' brought its worker down 3 times."
    assert "uninstall" not in ended.problem.restored
