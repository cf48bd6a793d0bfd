"""The doorbell: tells workers that a job waits, and listeners that something happened.

Redis (or Valkey) may lose all of it: the database knows what is queued, and the steward rings again.
"""

import secrets
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from time import sleep
from typing import Any, Final

import redis
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from homeport.models import Job

ACTOR_NAME: Final = "run_job"
"""The name of the one actor; it takes a job's id."""

CHANNEL_EVENTS: Final = "homeport:events"
"""Where an empty message is published after events were committed."""

CHANNEL_JOBS: Final = "homeport:jobs"
"""Where an empty message is published when a job became sendable that nobody has rung for."""

CHANNEL_ROUTES: Final = "homeport:routes"
"""Where an empty message is published when the reverse proxy has to learn what no job tells it."""

_AT_ONCE: Final = 256  # messages per round trip: Redis answers long before the time-out
_TIMEOUT_S: Final = 1.0  # Redis is on this machine; who waits for it longer waits in vain
_AWAY: Final = (redis.RedisError, OSError)


class Doorbell:
    """Rings through Redis. It never raises when Redis is away, hangs or forgets: it says so.

    Safe to share between threads; the first ring connects.
    """

    def __init__(self, redis_url: str) -> None:
        # One more try without delay: a connection that lay in the pool while Redis was restarted is dead.
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
        )
        self._broker = _PlainBroker(self._redis)

    def ring(self, jobs: Sequence[Job]) -> bool:
        """Sends a message for each job to its queue; False where Redis is away and not all were sent."""
        try:
            for first in range(0, len(jobs), _AT_ONCE):
                self._broker.enqueue_all([_message(job) for job in jobs[first : first + _AT_ONCE]])
        except _AWAY:
            return False
        return True

    def is_waiting_in_redis(self, job: Job) -> bool:
        """Whether a message of this attempt of the job lies in its queue, not yet fetched by a worker."""
        return not self.not_waiting([job])

    def not_waiting(self, jobs: Sequence[Job]) -> list[Job]:
        """Those whose message lies in no queue: lost, fetched, or never sent; all if Redis is away."""
        try:
            lying = {queue: self._lying_in(queue) for queue in {job.queue.value for job in jobs}}
        except _AWAY:
            return list(jobs)
        return [job for job in jobs if message_id(job) not in lying[job.queue.value]]

    def announce(self, channel: str = CHANNEL_EVENTS) -> bool:
        """Wakes whoever listens; False where Redis is away."""
        try:
            self._redis.publish(channel, b"")
        except _AWAY:
            return False
        return True

    def listen(self, channel: str, *, wait_s: float) -> Generator[bool, None, None]:
        """For ever: True when the channel was announced, False after `wait_s` seconds without.

        While Redis is away it gives False in the same rhythm, and finds it again by itself. Announcements
        made meanwhile are lost: whoever listens looks into the database at every turn.
        """
        while True:
            try:
                with closing(self._subscription()) as subscription:
                    subscription.subscribe(channel)
                    while True:
                        yield _heard(subscription, wait_s)
            except _AWAY:
                sleep(wait_s)
                yield False

    def close(self) -> None:
        """Closes the connections."""
        self._redis.close()

    def _subscription(self) -> Any:
        return self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]

    def _lying_in(self, queue: str) -> set[str]:
        entries: Iterable[bytes] = self._redis.lrange(f"{self._broker.namespace}:{queue}", 0, -1)  # type: ignore[assignment]
        return {entry.decode().partition(".")[0] for entry in entries}


def message_id(job: Job) -> str:
    """The id of the message that rings for this attempt of the job."""
    return f"{job.id}-{job.attempt}"


def _message(job: Job) -> Message[Any]:
    return Message(
        queue_name=job.queue.value,
        actor_name=ACTOR_NAME,
        args=(job.id,),
        kwargs={},
        options={},
        message_id=message_id(job),
    )


def _heard(subscription: Any, wait_s: float) -> bool:
    """Whether something came within the time; what came at once with it is swallowed."""
    if subscription.get_message(timeout=wait_s) is None:
        return False
    while subscription.get_message(timeout=0) is not None:
        pass
    return True


class _PlainBroker(RedisBroker):
    """Dramatiq's broker, with entries in its lists that say whose message they are.

    Dramatiq names an entry by a random UUID; ours begins with the message's id, so that one look at a list
    says for whom it need not be rung again. The random end keeps two rings for one job apart: acknowledging
    one must not take the other's text away.
    """

    def __init__(self, client: redis.Redis) -> None:
        # No maintenance: what a dead worker had fetched is sent again out of the database.
        super().__init__(client=client, middleware=[], maintenance_chance=0)  # type: ignore[no-untyped-call]

    def enqueue_all(self, messages: Sequence[Message[Any]]) -> None:
        """Appends the messages to their queues: the first by itself, the others in one round trip."""
        self.enqueue(messages[0])  # finds out, too, what Dramatiq wants to know of a Redis once
        if len(messages) > 1:
            with self.client.pipeline(transaction=False) as pipeline:
                gathering = _PlainBroker(pipeline)
                for message in messages[1:]:
                    gathering.enqueue(message)
                pipeline.execute()

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Appends the message to its queue, at once."""
        named = message.copy(options={"redis_message_id": f"{message.message_id}.{secrets.token_hex(4)}"})
        self.do_enqueue(named.queue_name, named.options["redis_message_id"], named.encode())
        return named
