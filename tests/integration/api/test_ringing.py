"""What Redis is for: it wakes streams and workers; nothing waits for it."""

import time
from typing import Any

import pytest


@pytest.fixture
def redis_url(valkey: Any) -> str:
    return str(valkey.url)


def test_redis_wakes_a_stream_well_before_the_database_would_be_looked_at(box: Any, listen: Any) -> None:
    stream = listen()
    next(iter(stream))
    delays = []

    for number in range(5):
        box.install("wiki", identifier=f"app-{number}")
        began = time.monotonic()
        stream.next_events(1)
        delays.append(time.monotonic() - began)

    assert sorted(delays)[2] < 0.3


def test_an_accepted_job_is_rung_for_and_marked_as_sent(
    box: Any, valkey: Any, eventually: Any, unsent: Any
) -> None:
    box.install("wiki")

    assert eventually(lambda: unsent() == 0)
    assert valkey.client().llen("dramatiq:apps") == 1
    assert box.call("GET", "/readyz").json()["components"]["redis"] == {"status": "ok"}


@pytest.mark.parametrize("way", ["kill", "suspend"])
def test_with_redis_gone_or_stuck_a_job_is_accepted_at_once_and_left_to_the_steward(
    box: Any, valkey: Any, unsent: Any, way: str
) -> None:
    box.install("wiki", identifier="before")
    getattr(valkey, way)()
    began = time.monotonic()

    answers = [box.install("wiki", identifier=f"app-{number}").status_code for number in range(5)]

    assert answers == [202] * 5
    assert time.monotonic() - began < 2
    assert unsent() >= 5


def test_streams_go_on_when_redis_dies(box: Any, valkey: Any, listen: Any) -> None:
    stream = listen()
    next(iter(stream))
    valkey.kill()

    box.install("wiki")

    assert stream.next_events(1)[0]["data"]["app"] == "wiki"
