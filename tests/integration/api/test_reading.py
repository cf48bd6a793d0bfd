"""What can be read over HTTP: lists, single things, logs, the box; and who may read."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import requests
from aiohttp import web
from sqlalchemy import update

from api.routes import ROUTES
from homeport.errors import EngineUnavailableError, HomeportError, NotFoundError, NotPossibleNowError
from homeport.models import JobState
from homeport.state.schema import JOBS
from homeport.state.tokens import revoke_token


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dGVzdHM6", "Bearer höme"]
)
@pytest.mark.parametrize("path", ["/v1/apps", "/v1/system", "/metrics", "/openapi.json", "/v1/nothing"])
def test_nothing_is_told_without_a_right_token(box: Any, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode()}

    answer = requests.get(box.url + path, headers=headers, timeout=20)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_liveness_needs_no_token(box: Any) -> None:
    assert requests.get(f"{box.url}/livez", timeout=20).status_code == 200


def test_a_token_is_shown_once_works_and_can_be_revoked(box: Any) -> None:
    made = box.call("POST", "/v1/tokens", json={"name": "dashboard"})
    listed = box.call("GET", "/v1/tokens").json()["items"]
    theirs = {"Authorization": f"Bearer {made.json()['token']}"}
    worked = requests.get(f"{box.url}/v1/apps", headers=theirs, timeout=20).status_code
    revoked = box.call("DELETE", "/v1/tokens/dashboard")

    assert (made.status_code, worked, revoked.status_code) == (201, 200, 204)
    assert [token["name"] for token in listed] == ["dashboard", "tests"]
    assert made.json()["token"] not in json.dumps(listed)
    assert requests.get(f"{box.url}/v1/apps", headers=theirs, timeout=20).status_code == 401
    assert box.call("DELETE", "/v1/tokens/dashboard").status_code == 404


def test_a_token_that_another_process_revoked_is_refused_within_five_seconds(box: Any) -> None:
    made = box.call("POST", "/v1/tokens", json={"name": "dashboard"}).json()
    theirs = {"Authorization": f"Bearer {made['token']}"}
    assert requests.get(f"{box.url}/v1/apps", headers=theirs, timeout=20).ok

    with box.database.write() as connection:
        revoke_token(connection, "dashboard")
    deadline = time.monotonic() + 5.5

    while requests.get(f"{box.url}/v1/apps", headers=theirs, timeout=20).ok:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_token_of_the_same_name_is_a_conflict(box: Any) -> None:
    assert box.call("POST", "/v1/tokens", json={"name": "tests"}).status_code == 409
    assert box.call("POST", "/v1/tokens", json={"name": "a/b"}).status_code == 422


def test_checking_a_token_again_opens_no_transaction(box: Any) -> None:
    box.call("GET", "/v1/tokens")
    with box.database.write():  # holds the write lock: a check that wrote would wait for it
        began = time.monotonic()

        assert box.call("GET", "/v1/tokens").status_code == 200
        assert time.monotonic() - began < 5


def test_apps_are_listed_page_by_page(box: Any, installed: Callable[..., Any]) -> None:
    names = [f"app-{number}" for number in range(5)]
    for number, name in enumerate(names):
        installed(name, app_id=number + 1)

    assert _all_pages(box, "/v1/apps", "identifier", limit=2) == [
        ["app-0", "app-1"],
        ["app-2", "app-3"],
        ["app-4"],
    ]
    assert _all_pages(box, "/v1/apps", "identifier", limit=5) == [names]


def test_jobs_are_listed_newest_first_and_filtered(box: Any) -> None:
    names = [f"app-{number}" for number in range(5)]
    for name in names:
        box.install("wiki", identifier=name)
    box.call("DELETE", f"/v1/jobs/{box.call('GET', '/v1/jobs?app=app-1').json()['items'][0]['id']}")

    assert _all_pages(box, "/v1/jobs", "subject", limit=3) == [
        ["app-4", "app-3", "app-2"],
        ["app-1", "app-0"],
    ]
    assert _all_pages(box, "/v1/jobs?state=cancelled", "subject", limit=3) == [["app-1"]]
    assert _all_pages(box, "/v1/jobs?app=app-3&state=queued", "subject", limit=3) == [["app-3"]]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/apps?limit=0", "?limit"),
        ("/v1/apps?limit=201", "?limit"),
        ("/v1/apps?limit=many", "?limit"),
        ("/v1/jobs?cursor=%21%21", "?cursor"),
        ("/v1/jobs?cursor=YWJj", "?cursor"),
        ("/v1/jobs?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk", "?cursor"),
        ("/v1/jobs?state=lost", "?state"),
        ("/v1/jobs?sort=up", "?sort"),
        ("/v1/events?after=-1", "?after"),
        ("/v1/jobs?limit=5&limit=6", "?limit"),
        ("/v1/apps/wiki?porge=true", "?porge"),
        ("/v1/system?x=", "?x"),
    ],
)
def test_a_wrong_query_is_refused_and_named(box: Any, path: str, pointer: str) -> None:
    answer = box.call("GET", path)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["facts"]["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "path", ["/v1/apps/none", "/v1/apps/none/logs", "/v1/jobs/none", "/v1/jobs/none/log", "/v1/catalog/none",
             "/v1/nothing", "/v1/jobs/..%2F..%2Fetc%2Fpasswd/log"],
)  # fmt: skip
def test_what_is_not_there_is_a_problem_document(box: Any, path: str) -> None:
    answer = box.call("GET", path)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["status"] == 404


def test_a_wrong_method_is_told_with_the_right_ones(box: Any) -> None:
    answer = box.call("PUT", "/v1/apps")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(",")) == {"GET", "POST"}


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_of_10_mb_is_refused(box: Any, is_chunked: bool) -> None:
    pieces = [b"x" * 65536] * 160

    answer = box.call("POST", "/v1/apps", data=iter(pieces) if is_chunked else b"".join(pieces))

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_an_unforeseen_error_tells_no_more_than_an_id_that_the_log_has(
    box: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with box.database.write() as connection:  # what is stored there is no member of the closed set
        job_id = box_install_within(box, connection)

    answer = box.call("GET", f"/v1/jobs/{job_id}")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["X-Request-Id"] == answer.json()["facts"]["request"]
    assert "Traceback" not in answer.text
    assert any(record.exc_info for record in caplog.records)


def box_install_within(box: Any, connection: Any) -> str:
    from datetime import UTC, datetime

    from homeport.models import Queue
    from homeport.state.accept import accept_install

    job = accept_install(
        connection, job_id="a" * 32, identifier="odd", host_name="odd", app_id=None, definition="wiki",
        queue=Queue.APPS, now=datetime.now(UTC),
    )  # fmt: skip
    connection.exec_driver_sql("UPDATE jobs SET state = 'lost'")
    return job.id


def test_a_waiting_job_is_cancelled_at_once_and_only_once(box: Any) -> None:
    job = box.install("wiki").json()

    first = box.call("DELETE", f"/v1/jobs/{job['id']}")
    second = box.call("DELETE", f"/v1/jobs/{job['id']}")

    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert (second.status_code, second.json()["code"]) == (409, "not_possible_now")
    assert box.install("wiki").status_code == 202


def test_a_running_job_is_asked_to_turn_back(box: Any) -> None:
    job = box.install("wiki").json()
    _set_state(box, job["id"], JobState.RUNNING)

    answer = box.call("DELETE", f"/v1/jobs/{job['id']}")

    assert (answer.status_code, answer.json()["cancel_requested"]) == (202, True)


def test_a_jobs_log_is_its_file_or_the_end_of_it(box: Any) -> None:
    job = box.install("wiki").json()
    log = f"/v1/jobs/{job['id']}/log"
    before = box.call("GET", log)
    lines = [f"line {number} " + "x" * 100 for number in range(3000)]  # several chunks
    (box.settings.jobs_dir / f"{job['id']}.log").write_text("\n".join(lines) + "\n")

    assert (before.status_code, before.text) == (200, "")
    assert box.call("GET", log).text.splitlines() == lines
    assert box.call("GET", f"{log}?tail=2000").text.splitlines() == lines[-2000:]
    assert box.call("GET", f"{log}?tail=1").text.splitlines() == lines[-1:]
    assert box.call("GET", f"{log}?tail=0").text == ""
    assert box.call("GET", f"{log}?tail=5000").text.splitlines() == lines


def test_a_followed_log_ends_with_its_job(box: Any) -> None:
    job = box.install("wiki").json()
    path = box.settings.jobs_dir / f"{job['id']}.log"

    with box.call("GET", f"/v1/jobs/{job['id']}/log?follow=true", stream=True) as answer:
        lines = answer.iter_lines(chunk_size=None)
        path.write_text("begun\n")
        first = next(lines)
        with path.open("a") as file:
            file.write("ended\n")
        _set_state(box, job["id"], JobState.SUCCEEDED)
        rest = list(lines)

    assert (first, rest) == (b"begun", [b"ended"])


def test_the_catalog_shows_what_can_be_installed_and_what_is_broken(box: Any, define: Any) -> None:
    define("broken", app_yml="name: broken\n")

    entries = {entry["name"]: entry for entry in box.call("GET", "/v1/catalog").json()["items"]}
    wiki = box.call("GET", "/v1/catalog/wiki").json()

    assert set(entries) == {"blog", "broken", "wiki"}
    assert entries["wiki"]["problem"] is None
    assert entries["broken"]["problem"]["code"] == "definition_invalid"
    assert (wiki["services"], wiki["builds"], wiki["pulls"]) == (
        ["web"],
        [],
        {"web": "registry.example/web:1"},
    )
    assert wiki["web"]["port"] == 80


def test_the_system_page_is_degraded_while_components_are_away(box: Any) -> None:
    system = box.call("GET", "/v1/system").json()
    ready = requests.get(f"{box.url}/readyz", timeout=20)

    assert system["status"] == "degraded"
    assert system["settings"]["domain"] == "home.example"
    assert {name: part["status"] for name, part in system["components"].items()} == {
        "database": "ok", "redis": "down", "steward": "down", "caches": "down", "proxy": "down",
    }  # fmt: skip
    assert (ready.status_code, ready.json()["status"]) == (503, "unready")


def test_metrics_count_jobs_apps_and_requests(box: Any, installed: Callable[..., Any]) -> None:
    installed("blog", app_id=9)
    box.install("wiki")
    box.call("GET", "/v1/apps/nothing")

    answer = box.call("GET", "/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'homeport_jobs{kind="install",state="queued"} 1.0' in answer.text
    assert "homeport_jobs_queued 1.0" in answer.text
    assert 'homeport_apps{state="running"} 1.0' in answer.text
    labels = '{method="GET",route="/v1/apps/{identifier}",status="404"}'
    assert f"homeport_http_request_duration_seconds_count{labels} 1.0" in answer.text


def test_every_answer_has_the_shape_that_openapi_says(box: Any, installed: Callable[..., Any]) -> None:
    document = box.call("GET", "/openapi.json").json()
    installed("blog", app_id=9)
    job = box.install("wiki").json()
    paths = {
        "/v1/apps": "/v1/apps", "/v1/apps/{identifier}": "/v1/apps/blog", "/v1/jobs": "/v1/jobs",
        "/v1/jobs/{id}": f"/v1/jobs/{job['id']}", "/v1/catalog": "/v1/catalog",
        "/v1/catalog/{name}": "/v1/catalog/wiki", "/v1/tokens": "/v1/tokens", "/v1/system": "/v1/system",
    }  # fmt: skip

    for route, path in paths.items():
        schema = document["paths"][route]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        _check_shape(document, schema, box.call("GET", path).json())
    problem = document["components"]["schemas"]["ProblemShape"]
    _check_shape(document, problem, box.call("GET", "/v1/apps/none").json())
    _check_shape(document, document["components"]["schemas"]["JobShape"], job)


def test_every_route_is_described_and_every_description_is_routed(box: Any) -> None:
    document = box.call("GET", "/openapi.json").json()

    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}

    assert described == {(route.method, route.path) for route in ROUTES}
    for method, path in described:
        answer = box.call(method, path.replace("{", "").replace("}", ""), stream=True)
        what = answer.json()["title"] if answer.status_code == 404 else ""
        answer.close()
        assert answer.status_code != 405
        assert "There is nothing at" not in what


def test_an_apps_log_comes_from_the_steward(box: Any, installed: Any, serve: Any) -> None:
    installed("wiki")
    serve(_steward(), path=str(box.settings.steward_socket))

    text = box.call("GET", "/v1/apps/wiki/logs?tail=5&service=web")
    events = box.call("GET", "/v1/apps/wiki/logs?tail=2", headers={"Accept": "text/event-stream"})

    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.text == "web | tail=5 follow=0 service=web\nweb | last, without an end"
    assert events.headers["Content-Type"].startswith("text/event-stream")
    assert events.text == "data: web | tail=2 follow=0 service=\n\ndata: web | last, without an end\n\n"


def test_a_followed_app_log_comes_line_by_line(box: Any, installed: Any, serve: Any) -> None:
    installed("wiki")
    serve(_steward(), path=str(box.settings.steward_socket))

    with box.call("GET", "/v1/apps/wiki/logs?follow=true", stream=True) as answer:
        assert next(answer.iter_lines(chunk_size=None)) == b"web | tail=100 follow=1 service="


def test_without_the_steward_an_apps_log_is_a_problem(box: Any, installed: Any) -> None:
    installed("wiki")

    answer = box.call("GET", "/v1/apps/wiki/logs")

    assert (answer.status_code, answer.json()["code"]) == (503, "component_unavailable")
    assert answer.json()["facts"]["component"] == "steward"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("No such service.", kind="service", name="db"), 404),
        (EngineUnavailableError("Docker does not answer."), 503),
        (NotPossibleNowError("Too many logs are being read."), 409),
    ],
)
def test_what_the_steward_refuses_is_told_in_its_words(
    box: Any, installed: Any, serve: Any, error: HomeportError, status: int
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response(error.problem().as_json(), status=503)

    installed("wiki")
    app = web.Application()
    app.router.add_get("/apps/{identifier}/logs", refuse)
    serve(app, path=str(box.settings.steward_socket))

    answer = box.call("GET", "/v1/apps/wiki/logs")

    assert (answer.status_code, answer.json()["code"]) == (status, error.code)
    assert answer.json()["title"] == error.what
    assert answer.json()["facts"] == error.facts


def _steward() -> web.Application:
    """Answers as the steward does on its socket."""

    async def logs(request: web.Request) -> web.StreamResponse:
        query = request.query
        response = web.StreamResponse()
        await response.prepare(request)
        line = f"web | tail={query['tail']} follow={query['follow']} service={query.get('service', '')}\n"
        await response.write(line.encode())
        if query["follow"] == "1":
            await asyncio.sleep(30)
        await response.write(b"web | last, without an end")
        await asyncio.sleep(0.1)  # the end comes after all of it was read
        return response

    async def health(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/apps/{identifier}/logs", logs)
    app.router.add_get("/health", health)
    return app


def _all_pages(box: Any, path: str, key: str, limit: int) -> list[list[str]]:
    pages, cursor = [], None
    while True:
        page = box.call("GET", path, params={"limit": limit, "cursor": cursor}).json()
        pages.append([item[key] for item in page["items"]])
        cursor = page["next"]
        if cursor is None:
            return pages


def _set_state(box: Any, job_id: str, state: JobState) -> None:
    with box.database.write() as connection:
        connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(state=state))


def _check_shape(document: Any, schema: Any, answer: Any) -> None:
    jsonschema.validate(answer, {**schema, "components": document["components"]})
