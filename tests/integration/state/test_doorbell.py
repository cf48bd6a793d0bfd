"""Ringing a real Valkey, and ringing when it is away."""

import time
from concurrent.futures import ThreadPoolExecutor

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from homeport.state.doorbell import ACTOR_NAME, CHANNEL_EVENTS, Doorbell, message_id
from tests.integration.conftest import PrivateValkey
from tests.integration.state.box import Box


def test_a_ring_is_a_dramatiq_message_with_the_job_s_id_alone(valkey: PrivateValkey, box: Box) -> None:
    jobs = [box.install("wiki"), box.install("blog")]

    assert Doorbell(valkey.url).ring(jobs)

    broker = RedisBroker(url=valkey.url, middleware=[])  # type: ignore[no-untyped-call]
    messages = [Message.decode(text) for text in broker.do_fetch("apps", 10)]
    assert [message.args for message in messages] == [(job.id,) for job in jobs]
    assert [message.message_id for message in messages] == [f"{job.id}-0" for job in jobs]
    assert {message.actor_name for message in messages} == {ACTOR_NAME}


def test_a_message_is_seen_in_its_queue_until_it_is_fetched(valkey: PrivateValkey, box: Box) -> None:
    job, other = box.install("wiki"), box.install("blog")
    doorbell = Doorbell(valkey.url)
    doorbell.ring([job])

    assert doorbell.is_waiting_in_redis(job)
    assert doorbell.not_waiting([job, other]) == [other]
    RedisBroker(url=valkey.url, middleware=[]).do_fetch("apps", 1)  # type: ignore[no-untyped-call]
    assert not doorbell.is_waiting_in_redis(job)


def test_two_rings_for_one_job_are_both_readable_after_the_first_was_acknowledged(
    valkey: PrivateValkey, box: Box
) -> None:
    job = box.install()
    doorbell = Doorbell(valkey.url)
    doorbell.ring([job])
    doorbell.ring([job])
    consumer = RedisBroker(url=valkey.url, middleware=[]).consume("apps", timeout=100)  # type: ignore[no-untyped-call]

    first = next(consumer)
    assert first is not None
    consumer.ack(first)
    second = next(consumer)

    assert second is not None
    assert first.message_id == second.message_id == message_id(job)


def test_another_attempt_is_another_message(valkey: PrivateValkey, box: Box) -> None:
    job = box.install()
    doorbell = Doorbell(valkey.url)
    doorbell.ring([job])
    box.hand_back(box.taken(job))

    assert not doorbell.is_waiting_in_redis(box.job(job))


def test_it_says_so_when_valkey_is_away_and_rings_again_when_it_is_back(
    valkey: PrivateValkey, box: Box
) -> None:
    job = box.install()
    doorbell = Doorbell(valkey.url)
    assert doorbell.ring([job])
    valkey.kill()

    assert not doorbell.ring([job])
    assert not doorbell.announce()
    assert doorbell.not_waiting([job]) == [job]

    valkey.start()
    assert not doorbell.is_waiting_in_redis(job)
    assert doorbell.ring([job])
    assert doorbell.is_waiting_in_redis(job)


def test_a_valkey_that_hangs_holds_nobody_up_for_long(valkey: PrivateValkey, box: Box) -> None:
    job = box.install()
    doorbell = Doorbell(valkey.url)
    valkey.suspend()

    begun = time.monotonic()
    assert not doorbell.ring([job])
    assert time.monotonic() - begun < 5


def test_a_listener_hears_announcements_and_outlives_a_restart(valkey: PrivateValkey) -> None:
    doorbell = Doorbell(valkey.url)
    heard = doorbell.listen(CHANNEL_EVENTS, wait_s=0.2)
    assert next(heard) is False
    doorbell.announce()
    assert next(heard) is True
    assert next(heard) is False

    valkey.kill()
    assert next(heard) is False
    valkey.start()
    assert next(heard) is False
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(next, heard)
        doorbell.announce()
        assert waiting.result(5) is True
    heard.close()
