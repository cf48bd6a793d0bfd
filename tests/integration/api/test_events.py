"""The event stream: resuming and filters. Redis is away: the database is looked at every second."""

import threading
import time
from typing import Any

import pytest


def test_a_stream_resumes_after_the_last_event_id(box: Any, listen: Any) -> None:
    jobs = [box.install("wiki", identifier=f"app-{number}").json() for number in range(4)]
    first = listen("?after=0").next_events(2)

    rest = listen(**{"Last-Event-ID": first[-1]["id"]}).next_events(2)

    assert [event["data"]["job"] for event in [*first, *rest]] == [job["id"] for job in jobs]
    assert {event["event"] for event in first} == {"job.queued"}
    assert [event["data"]["id"] for event in first] == [int(event["id"]) for event in first]


def test_the_header_counts_more_than_the_query(box: Any, listen: Any) -> None:
    for number in range(2):
        box.install("wiki", identifier=f"app-{number}")
    first = listen("?after=0").next_events(1)[0]

    event = listen("?after=0", **{"Last-Event-ID": first["id"]}).next_events(1)[0]

    assert event["data"]["app"] == "app-1"


def test_without_an_id_a_stream_begins_now_and_goes_on_without_redis(box: Any, listen: Any) -> None:
    box.install("wiki", identifier="before")
    stream = listen()
    opening = next(iter(stream))

    box.install("wiki", identifier="after")

    assert opening["id"] == "1"
    assert stream.next_events(1)[0]["data"]["app"] == "after"


@pytest.mark.parametrize("known", ["999999", "9" * 18])
def test_an_id_from_the_future_is_taken_for_now(box: Any, listen: Any, known: str) -> None:
    stream = listen(**{"Last-Event-ID": known})
    next(iter(stream))

    box.install("wiki")

    assert stream.next_events(1)[0]["data"]["app"] == "wiki"


@pytest.mark.parametrize("header", ["abc", "-1", "9" * 30])
def test_an_id_that_is_none_is_refused(box: Any, header: str) -> None:
    answer = box.call("GET", "/v1/events", headers={"Last-Event-ID": header})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_filters_pass_one_app_or_one_job(box: Any, listen: Any) -> None:
    jobs = [box.install("wiki", identifier=f"app-{number}").json() for number in range(3)]
    by_app, by_job = listen("?after=0&app=app-1"), listen(f"?after=0&job={jobs[2]['id']}")

    assert by_app.next_events(1)[0]["data"]["app"] == "app-1"
    assert by_job.next_events(1)[0]["data"]["job"] == jobs[2]["id"]


def test_a_long_history_comes_whole_and_in_order(box: Any, listen: Any) -> None:
    with box.database.write() as connection:
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
            "INSERT INTO events (at, kind, facts) SELECT 0, 'job.progress', '{}' FROM n"
        )

    events = listen("?after=0").next_events(1000)

    assert [int(event["id"]) for event in events] == list(range(1, 1001))


def test_a_stream_that_begins_takes_no_event_away_from_one_that_waits(box: Any, listen: Any) -> None:
    waiting = listen()
    next(iter(waiting))
    time.sleep(0.2)
    box.install("wiki")
    next(iter(listen()))  # looks at the newest event before the feed does
    began = time.monotonic()

    assert waiting.next_events(1)[0]["data"]["app"] == "wiki"
    assert time.monotonic() - began < 5


def test_a_filtered_stream_speaks_while_only_others_have_events(
    box: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.events.HEARTBEAT_S", 2.0)
    stream = iter(listen("?app=quiet"))
    next(stream)
    ended = threading.Event()

    def keep_busy() -> None:
        for number in range(60):
            box.install("wiki", identifier=f"app-{number}")
            if ended.wait(0.3):
                return

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        assert next(stream) == {"comment": "still here"}
        assert busy.is_alive()
    finally:
        ended.set()
        busy.join()


def test_a_filtered_stream_whose_client_has_gone_ends_with_the_next_event_of_anybody(
    box: Any, listen: Any
) -> None:
    stream = listen("?app=quiet")
    next(iter(stream))
    assert "homeport_streams 1.0\n" in box.call("GET", "/metrics").text

    stream.answer.close()
    box.install("wiki")

    deadline = time.monotonic() + 5
    while "homeport_streams 0.0\n" not in box.call("GET", "/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
