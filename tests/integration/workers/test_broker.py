"""The doorbell's other end, on a real Valkey."""

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from dramatiq import Message, Worker

from homeport.models import Queue
from homeport.state.doorbell import ACTOR_NAME
from tests.integration.workers.conftest import Valkey
from workers.actor import declare_run_job
from workers.broker import BellBroker


class Heard:
    def __init__(self) -> None:
        self.job_ids: list[str] = []
        self.at: dict[str, float] = {}
        self.gate = threading.Event()
        self.gate.set()

    def run(self, job_id: str) -> None:
        self.at[job_id] = time.monotonic()
        self.job_ids.append(job_id)
        self.gate.wait(20)

    def until(self, job_id: str, within_s: float = 10) -> None:
        deadline = time.monotonic() + within_s
        while job_id not in self.at:
            assert time.monotonic() < deadline, f"{job_id} was not run within {within_s} s"
            time.sleep(0.001)


@contextmanager
def listening(url: str, heard: Heard, *, threads: int = 1) -> Iterator[BellBroker]:
    broker = BellBroker(url, name="homeport-test")
    declare_run_job(broker, Queue.APPS, heard.run)
    worker = Worker(broker, queues={"apps"}, worker_threads=threads)
    worker.start()
    try:
        yield broker
    finally:
        heard.gate.set()
        broker.stop_taking()
        began = time.monotonic()
        worker.stop(timeout=8000)
        broker.close()
        assert time.monotonic() - began < 5


def send(broker: BellBroker, job_id: str) -> None:
    broker.enqueue(Message(queue_name="apps", actor_name=ACTOR_NAME, args=(job_id,), kwargs={}, options={}))


def test_an_idle_job_starts_without_waiting_for_a_poll(valkey: Valkey) -> None:
    heard, delays = Heard(), []
    with listening(valkey.url, heard) as broker:
        send(broker, "warm-up")
        heard.until("warm-up")

        for number in range(9):
            time.sleep(0.15)  # idle: a poller would have begun to sleep longer
            began = time.monotonic()
            send(broker, f"job-{number}")
            heard.until(f"job-{number}")
            delays.append(heard.at[f"job-{number}"] - began)

    assert statistics.median(delays) < 0.03


def test_an_idle_consumer_asks_seldom(valkey: Valkey) -> None:
    with listening(valkey.url, Heard()), valkey.client() as client:
        time.sleep(1.5)
        before = client.info("commandstats")["cmdstat_blmove"]["calls"]
        time.sleep(3)

        calls = client.info("commandstats")["cmdstat_blmove"]["calls"] - before

    assert calls <= 4


def test_messages_come_through_after_valkey_was_killed(valkey: Valkey) -> None:
    heard = Heard()
    with listening(valkey.url, heard) as broker:
        send(broker, "before")
        heard.until("before")

        valkey.kill()
        time.sleep(0.5)
        valkey.start()
        send(broker, "after")

        heard.until("after", within_s=3)


def test_a_job_that_ends_while_valkey_is_away_does_not_hold_its_thread(valkey: Valkey) -> None:
    heard = Heard()
    heard.gate.clear()
    with listening(valkey.url, heard) as broker:
        send(broker, "long")
        heard.until("long")
        valkey.kill()
        heard.gate.set()
        time.sleep(0.3)
        valkey.start()

        send(broker, "next")

        heard.until("next", within_s=3)


def test_messages_come_through_after_valkey_was_emptied(valkey: Valkey) -> None:
    heard = Heard()
    heard.gate.clear()
    with listening(valkey.url, heard) as broker, valkey.client() as client:
        send(broker, "running")
        heard.until("running")

        client.flushall()
        heard.gate.set()
        send(broker, "after")

        heard.until("after", within_s=3)


def test_a_full_worker_leaves_messages_in_the_queue(valkey: Valkey) -> None:
    heard = Heard()
    heard.gate.clear()
    with listening(valkey.url, heard, threads=2) as broker, valkey.client() as client:
        for number in range(5):
            send(broker, f"job-{number}")
        heard.until("job-1")
        time.sleep(0.2)

        waiting = client.llen("dramatiq:apps")
        heard.gate.set()

        assert waiting == 3
        heard.until("job-4")


def test_what_a_killed_worker_had_fetched_is_taken_over_at_the_next_start(valkey: Valkey) -> None:
    killed = BellBroker(valkey.url, name="homeport-test")
    killed.declare_queue("apps")
    send(killed, "fetched")
    consumer = killed.consume("apps", prefetch=2)
    assert next(consumer) is not None  # and its process is killed here: nothing is given back
    heard = Heard()

    with listening(valkey.url, heard):
        heard.until("fetched", within_s=3)


@pytest.mark.parametrize("is_there", [True, False])
def test_it_stops_within_seconds_with_and_without_valkey(valkey: Valkey, is_there: bool) -> None:
    with listening(valkey.url, Heard()):
        time.sleep(0.3)
        if not is_there:
            valkey.kill()


def test_a_worker_that_starts_before_valkey_takes_jobs_once_it_is_there(valkey: Valkey) -> None:
    heard = Heard()
    valkey.kill()
    with listening(valkey.url, heard) as broker:
        time.sleep(0.5)
        valkey.start()

        send(broker, "first")

        heard.until("first", within_s=3)
