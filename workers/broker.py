"""Dramatiq's Redis broker as a doorbell: an idle consumer blocks until a message comes, and loses nothing.

The database says which jobs there are; Redis only wakes. So a Redis that is away is waited for, quietly and
without end, and whatever could not be said to it (an acknowledgement, a message given back) is not an error.
"""

import logging
import threading
import time
from collections import deque
from typing import Any

import redis
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.retry import Retry

_log = logging.getLogger(__name__)

_SOCKET_TIMEOUT_S = 5.0  # longer than a blocking wait, or every idle wait would end as an error
_CONNECT_TIMEOUT_S = 2.0
_AWAY_WAIT_S = 0.2  # between two attempts to reach a Redis that is away
_LONGEST_BLOCK_S = 2.0


class BellConsumer(_RedisConsumer):
    """Waits on Dramatiq's own list with BLMOVE onto itself, which changes nothing and returns at once when
    a message is there; what follows is Dramatiq's own fetch.
    """

    def __init__(self, broker: "BellBroker", queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self._bell = broker
        self._block_s = min(timeout / 1000, _LONGEST_BLOCK_S)
        self._room = threading.Event()
        self._owed: deque[str] = deque()
        self._is_away = False

    def __next__(self) -> MessageProxy | None:
        """The next message, or None after a while without one."""
        if self._bell.is_closing.is_set():
            time.sleep(_AWAY_WAIT_S)
            return None
        try:
            message = self._next_message()
        except (redis.RedisError, ConnectionClosed) as error:
            self._note_away(error)
            self._bell.is_closing.wait(_AWAY_WAIT_S)
            return None
        self._note_back()
        return message

    def ack(self, message: MessageProxy) -> None:
        """Tells Redis that the message is dealt with; later, if Redis is away now."""
        self._settle(message, self.broker.do_ack)

    def nack(self, message: MessageProxy) -> None:
        """Tells Redis that nobody can deal with the message."""
        self._settle(message, self.broker.do_nack)

    def requeue(self, messages: Any) -> None:
        """Gives messages back that were fetched and not begun. Without Redis they come from the outbox."""
        try:
            super().requeue(list(messages))  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            _log.info("messages of queue %s not given back: %s", self.queue_name, error)

    def _next_message(self) -> MessageProxy | None:
        if self.queue_name.endswith(".DQ"):  # delayed messages: looked for in Dramatiq's own way
            return self._fetched()
        self._bell.take_over_once(self.queue_name)
        self._pay_owed()
        if not self.message_cache:
            # Cleared before the count is taken: an ack in between sets it again, and nothing is missed.
            self._room.clear()
            if self.outstanding_message_count >= self.prefetch:
                self._room.wait(self._block_s)
                return None
            self.misses = 0
            key = f"{self.broker.namespace}:{self.queue_name}"
            is_there = self.broker.client.blmove(key, key, self._block_s, "LEFT", "LEFT") is not None
            if not is_there or self._bell.is_closing.is_set():
                return None
        return self._fetched()

    def _fetched(self) -> MessageProxy | None:
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        return message

    def _settle(self, message: MessageProxy, tell: Any) -> None:
        redis_message_id = message.options["redis_message_id"]
        try:
            tell(self.queue_name, redis_message_id)
        except redis.RedisError:
            self._owed.append(redis_message_id)
        finally:
            self.queued_message_ids.discard(message.message_id)
            self._room.set()

    def _pay_owed(self) -> None:
        while self._owed:
            self.broker.do_ack(self.queue_name, self._owed[0])
            self._owed.popleft()

    def _note_away(self, error: Exception) -> None:
        if not self._is_away and not self.queue_name.endswith(".DQ"):  # its twin says it already
            _log.warning("queue %s: Redis is away (%s); trying until it is back", self.queue_name, error)
        self._is_away = True

    def _note_back(self) -> None:
        if self._is_away and not self.queue_name.endswith(".DQ"):
            _log.info("queue %s: Redis is back", self.queue_name)
        self._is_away = False


class BellBroker(RedisBroker):
    """A Redis broker for one worker process and one queue, without Dramatiq's own middleware.

    Args:
        redis_url: `redis://…` or `unix://…`.
        name: the same at every start of the worker; under it stand the messages that were fetched and not
            dealt with, so a new worker finds what a killed one had fetched.
    """

    def __init__(self, redis_url: str, *, name: str) -> None:
        client = redis.Redis.from_url(
            redis_url,
            socket_timeout=_SOCKET_TIMEOUT_S,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        super().__init__(client=client, middleware=[])  # type: ignore[no-untyped-call]
        self.broker_id = name
        self.is_closing = threading.Event()
        self._taken_over: set[str] = set()

    @property
    def consumer_class(self) -> type[BellConsumer]:
        """The blocking consumer."""
        return BellConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> BellConsumer:
        """A consumer that holds no more messages than there are threads to run them.

        Dramatiq asks for twice as many; the other half would wait behind a long job unseen.
        """
        return self.consumer_class(self, queue_name, max(1, prefetch // 2), timeout)

    def take_over_once(self, queue_name: str) -> None:
        """Puts back, at the first contact, what a killed worker of this name had fetched."""
        if queue_name in self._taken_over:
            return
        fetched = self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}")
        if fetched:
            self.do_requeue(queue_name, *fetched)
            _log.info("queue %s: %d messages of an earlier worker taken over", queue_name, len(fetched))
        self._taken_over.add(queue_name)

    def stop_taking(self) -> None:
        """No consumer fetches a message from now on."""
        self.is_closing.set()

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()
