"""What becomes a job: once per key, while there is room in line, and shown with its place."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
import requests
from sqlalchemy import select, update

from homeport.settings import Settings
from homeport.state import leases
from homeport.state.accept import accept_history
from homeport.state.jobs import list_jobs
from homeport.state.schema import CLAIMS, IDEMPOTENCY_KEYS
from homeport.state.tokens import create_token
from tests.integration.api.test_builds import CONTEXT, TAR, tar_of


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def install(box: Any, key: str, definition: str = "wiki", **fields: Any) -> requests.Response:
    answer: requests.Response = box.call(
        "POST", "/v1/apps", json={"definition": definition, **fields}, headers=keyed(key)
    )
    return answer


def jobs_of(box: Any) -> list[str]:
    with box.database.read() as connection:
        return [job.id for job in list_jobs(connection, before_seq=None, limit=200)]


def test_a_request_that_is_sent_again_with_its_key_is_the_same_job(box: Any) -> None:
    first = install(box, "one")
    again = install(box, "one")

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert jobs_of(box) == [first.json()["id"]]


def test_without_a_key_the_same_request_is_refused_or_another_job(box: Any) -> None:
    assert box.install("wiki").status_code == 202
    assert box.install("wiki").status_code == 409


def test_the_job_is_answered_as_it_is_by_now_even_where_it_could_not_be_accepted_any_more(
    box: Any, settings: Settings
) -> None:
    job = install(box, "one").json()
    assert box.call("DELETE", f"/v1/jobs/{job['id']}").status_code == 200
    (settings.catalog_dir / "wiki" / "app.yml").unlink()

    again = install(box, "one")

    assert again.status_code == 202
    assert (again.json()["id"], again.json()["state"]) == (job["id"], "cancelled")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/apps", {"definition": "blog"}),
        ("/v1/apps", {"definition": "wiki", "identifier": "notes"}),
        ("/v1/builds", {"definition": "wiki"}),
    ],
    ids=["another definition", "another field", "another path"],
)
def test_a_key_that_is_used_for_another_request_is_refused(box: Any, path: str, body: Any) -> None:
    job = install(box, "one").json()

    refused = box.call("POST", path, json=body, headers=keyed("one"))

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert refused.json()["facts"] == {"key": "one", "job": job["id"]}
    assert jobs_of(box) == [job["id"]]


def test_another_query_is_another_request(box: Any, installed: Callable[..., Any]) -> None:
    path = "/v1/apps/wiki"
    installed("wiki")
    assert box.call("DELETE", path, headers=keyed("one")).status_code == 202
    assert box.call("DELETE", path, headers=keyed("one")).headers["Idempotency-Replayed"] == "true"
    assert box.call("DELETE", f"{path}?purge=true", headers=keyed("one")).status_code == 422
    assert len(jobs_of(box)) == 1


def test_a_key_belongs_to_the_token_that_it_came_with(box: Any) -> None:
    with box.database.write() as connection:
        other = create_token(connection, "other", datetime.now(UTC))
    mine = install(box, "one").json()

    theirs = box.call(
        "POST",
        "/v1/apps",
        json={"definition": "blog"},
        headers={**keyed("one"), "Authorization": f"Bearer {other}"},
    )

    assert theirs.status_code == 202
    assert theirs.json()["id"] != mine["id"]


def test_many_at_once_with_one_key_are_one_job(box: Any) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: install(box, "one"), range(32)))

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["id"] for answer in answers} == set(jobs_of(box))
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1


def test_a_refused_request_leaves_its_key_free(box: Any) -> None:
    assert install(box, "one", "nothing").status_code == 404
    assert install(box, "one").status_code == 202


def test_a_key_is_forgotten_after_a_day(box: Any) -> None:
    first = install(box, "one").json()
    box.call("DELETE", f"/v1/jobs/{first['id']}")
    a_day_ago = datetime.now(UTC) - timedelta(hours=24, seconds=1)
    with box.database.write() as connection:
        connection.execute(update(IDEMPOTENCY_KEYS).values(created_at=a_day_ago))

    second = install(box, "one").json()

    assert second["id"] != first["id"]
    assert install(box, "one").json()["id"] == second["id"]


@pytest.mark.parametrize(("first", "again"), [('"a-b"', "a-b"), ("a-b", '"a-b"')])
def test_quotation_marks_around_a_key_do_not_matter(box: Any, first: str, again: str) -> None:
    assert install(box, first).json()["id"] == install(box, again).json()["id"]


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 256, "caf\xe9", "a, b"])
def test_what_is_no_key_is_refused_and_nothing_is_accepted(box: Any, key: str) -> None:
    refused = box.call(
        "POST",
        "/v1/apps",
        json={"definition": "wiki"},
        headers={"Idempotency-Key": key.encode("latin-1")},
    )

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert refused.json()["facts"]["errors"][0]["pointer"] == "Idempotency-Key"
    assert jobs_of(box) == []


def test_an_archive_that_is_sent_again_is_the_same_job_and_is_kept_once(box: Any, settings: Settings) -> None:
    settings.uploads_dir.mkdir()

    def send(body: bytes, key: str) -> requests.Response:
        answer: requests.Response = box.call(
            "POST", "/v1/builds?name=mine", data=body, headers={**TAR, **keyed(key)}
        )
        return answer

    job = send(CONTEXT, "one").json()
    again = send(CONTEXT, "one")
    other = send(tar_of({"Dockerfile": "FROM scratch\nUSER 1\n"}), "one")
    unkeyed = send(CONTEXT, "a b")

    assert (again.status_code, again.json()["id"]) == (202, job["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert unkeyed.status_code == 422
    assert [path.name for path in settings.uploads_dir.iterdir()] == [f"{job['id']}.tar"]


def test_one_archive_that_is_sent_by_many_at_once_is_one_job(box: Any, settings: Settings) -> None:
    settings.uploads_dir.mkdir()

    def send(_: int) -> requests.Response:
        answer: requests.Response = box.call(
            "POST", "/v1/builds?name=mine", data=CONTEXT, headers={**TAR, **keyed("one")}
        )
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))

    (job,) = {answer.json()["id"] for answer in answers}
    assert [path.name for path in settings.uploads_dir.iterdir()] == [f"{job}.tar"]


class TestAFullQueue:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"queue_max": 2})

    def test_one_job_more_is_refused_with_the_time_to_wait(self, box: Any) -> None:
        assert box.install("wiki").status_code == 202
        assert box.install("blog").status_code == 202

        refused = box.install("wiki", identifier="third")

        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        facts = refused.json()["facts"]
        assert (facts["limit"], facts["queued"]) == (2, 2)
        assert refused.headers["Retry-After"] == str(facts["retry_after_s"])
        assert int(refused.headers["Retry-After"]) > 0
        assert claimed_identifiers(box) == {"wiki", "blog"}

    def test_a_place_that_is_free_again_is_given_to_the_next(self, box: Any) -> None:
        job = box.install("wiki").json()
        box.install("blog")
        assert box.install("wiki", identifier="third").status_code == 429

        box.call("DELETE", f"/v1/jobs/{job['id']}")

        assert box.install("wiki", identifier="third").status_code == 202
        assert box.install("wiki", identifier="fourth").status_code == 429

    def test_a_request_that_is_sent_again_needs_no_place(self, box: Any) -> None:
        job = install(box, "one").json()
        box.install("blog")

        assert install(box, "one").json()["id"] == job["id"]

    def test_what_homeport_queues_by_itself_takes_places_and_is_not_refused(self, box: Any) -> None:
        assert box.install("wiki").status_code == 202
        with box.database.write() as connection:
            for number in range(2):
                accept_history(connection, job_id=f"history-{number}", now=datetime.now(UTC))

        refused = box.install("blog")

        assert (refused.status_code, refused.json()["facts"]["queued"]) == (429, 3)

    def test_an_archive_is_refused_before_any_of_it_is_read(self, box: Any, settings: Settings) -> None:
        settings.uploads_dir.mkdir()
        box.install("wiki")
        box.install("blog")

        status, code = answer_to_head(box, settings, "/v1/builds?name=mine")

        assert (status, code) == (429, "queue_full")
        assert list(settings.uploads_dir.iterdir()) == []

    def test_an_archive_that_is_sent_again_needs_no_place(self, box: Any, settings: Settings) -> None:
        settings.uploads_dir.mkdir()
        sent = ("POST", "/v1/builds?name=mine")
        job = box.call(*sent, data=CONTEXT, headers={**TAR, **keyed("one")}).json()
        box.install("wiki")

        again = box.call(*sent, data=CONTEXT, headers={**TAR, **keyed("one")})
        other = box.call(*sent, data=tar_of({"Dockerfile": "FROM x\n"}), headers={**TAR, **keyed("one")})
        new = box.call(*sent, data=CONTEXT, headers={**TAR, **keyed("two")})

        assert (again.status_code, again.json()["id"]) == (202, job["id"])
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert (new.status_code, new.json()["code"]) == (429, "queue_full")
        assert [path.name for path in settings.uploads_dir.iterdir()] == [f"{job['id']}.tar"]

    def test_archives_that_come_together_get_no_more_than_the_places_that_there_are(
        self, box: Any, settings: Settings
    ) -> None:
        settings.uploads_dir.mkdir()

        def send(number: int) -> int:
            answer = box.call("POST", f"/v1/builds?name=mine-{number}", data=CONTEXT, headers=TAR)
            return int(answer.status_code)

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(send, range(12)))

        assert sorted(statuses) == [202] * 2 + [429] * 10
        assert {path.stem for path in settings.uploads_dir.iterdir()} == set(jobs_of(box))

    def test_no_more_than_the_limit_come_in_together(self, box: Any) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n: box.install("wiki", identifier=f"app-{n}"), range(12)))

        assert sorted(answer.status_code for answer in answers) == [202] * 2 + [429] * 10
        assert len(jobs_of(box)) == 2


def test_a_queued_job_shows_its_place_and_what_it_waits_for(box: Any, define: Callable[..., Any]) -> None:
    define("built", images=True)
    first = box.install("wiki").json()
    second = box.install("blog").json()
    build = box.install("built").json()
    box.call("DELETE", f"/v1/jobs/{box.install('wiki', identifier='gone').json()['id']}")

    shown = {job["id"]: job for job in box.call("GET", "/v1/jobs").json()["items"]}

    assert [shown[job["id"]]["position"] for job in (first, second, build)] == [0, 1, 0]
    assert shown[first["id"]]["waits"] == "a free worker"
    assert shown[second["id"]]["waits"] == "a free worker; 1 job comes first"
    assert shown[build["id"]]["waits"] == "its turn, for one build runs at a time"
    ended = next(job for job in shown.values() if job["state"] == "cancelled")
    assert (ended["position"], ended["waits"]) == (None, None)
    single = box.call("GET", f"/v1/jobs/{second['id']}").json()
    assert (single["position"], single["waits"]) == (1, "a free worker; 1 job comes first")


def test_a_job_that_waits_for_another_of_its_app_names_it(box: Any, installed: Callable[..., Any]) -> None:
    installed("wiki")
    now = datetime.now(UTC)
    first = box.call("DELETE", "/v1/apps/wiki").json()
    second = box.call("DELETE", "/v1/apps/wiki?purge=true").json()
    with box.database.write() as connection:
        assert leases.take(connection, first["id"], owner="w", ttl_s=60, now=now) is not None
        assert leases.take(connection, second["id"], owner="w", ttl_s=60, now=now) is None

    shown = box.call("GET", f"/v1/jobs/{second['id']}").json()

    assert shown["waiting_for"] == first["id"]
    assert shown["waits"] == f"the uninstall of 'wiki' (job {first['id']})"
    running = box.call("GET", f"/v1/jobs/{first['id']}").json()
    assert (running["state"], running["position"], running["waits"]) == ("running", None, None)


@pytest.mark.parametrize(
    ("path", "name"), [("/v1/catalog", "name"), ("/v1/catalog/sources", "name"), ("/v1/tokens", "name")]
)
def test_every_list_comes_page_by_page(box: Any, path: str, name: str) -> None:
    for number in range(3):
        box.call("POST", "/v1/tokens", json={"name": f"token-{number}"})
        body = {"name": f"source-{number}", "kind": "folder", "source": f"/srv/{number}"}
        assert box.call("POST", "/v1/catalog/sources", json=body).status_code == 202
    whole = [item[name] for item in box.call("GET", path).json()["items"]]

    paged, cursor = [], None
    while True:
        page = box.call("GET", path, params={"limit": 1, "cursor": cursor}).json()
        assert len(page["items"]) == 1
        paged.append(page["items"][0][name])
        if (cursor := page["next"]) is None:
            break

    assert len(whole) > 1
    assert paged == whole == sorted(whole)
    assert box.call("GET", path, params={"cursor": "?"}).status_code == 422


def answer_to_head(box: Any, settings: Settings, path: str) -> tuple[int, str]:
    """The status and code of the answer to an archive of which nothing but the announcement is sent."""
    connection = HTTPConnection(settings.listen, timeout=20)
    connection.putrequest("POST", path)
    for name, value in {**TAR, "Authorization": f"Bearer {box.token}", "Content-Length": "1000000"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    with closing(connection), connection.getresponse() as answer:
        return answer.status, json.load(answer)["code"]


def claimed_identifiers(box: Any) -> set[str]:
    with box.database.read() as connection:
        return set(connection.execute(select(CLAIMS.c.identifier)).scalars())
