"""What Homeport's jobs are measured beside: Dramatiq as it is shipped, on the same Valkey.

`python -m dramatiq benchmarks.jobs_peer` is its worker; it finds Valkey's address in `BENCH_REDIS`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from tests.harness.programs import start

_VARIABLE = "BENCH_REDIS"
_NAMESPACE = "bench"
_TICKS = "bench:ticks"
_THREADS = 4  # as many as Homeport has for apps
_WAIT_S = 30


def connect_peer(redis_url: str) -> dramatiq.Actor[Any, Any]:
    """The peer's actor, on a broker with all of Dramatiq's own defaults; it says when it began."""
    broker = RedisBroker(url=redis_url, namespace=_NAMESPACE)  # type: ignore[no-untyped-call]
    ticks = redis.Redis.from_url(redis_url)

    def tick(sent_at: float) -> None:
        ticks.rpush(_TICKS, repr(time.time() - sent_at))

    return dramatiq.actor(broker=broker)(tick)


@contextmanager
def peer_worker(redis_url: str, log: Path) -> Iterator["Peer"]:
    """A worker of the peer, until the end."""
    words = ["--processes", "1", "--threads", str(_THREADS)]
    process = start(
        [sys.executable, "-m", "dramatiq", "benchmarks.jobs_peer", *words],
        log=log,
        environment={**os.environ, _VARIABLE: redis_url},
    )
    try:
        peer = Peer(redis_url)
        peer.time_start()
        yield peer
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


class Peer:
    """Sends to the peer's worker."""

    def __init__(self, redis_url: str) -> None:
        self._ticks = redis.Redis.from_url(redis_url, socket_timeout=_WAIT_S + 5)
        self._actor = connect_peer(redis_url)

    def time_start(self) -> float:
        """Seconds from `send` to the actor's first line."""
        self._actor.send(time.time())
        found: Any = self._ticks.blpop([_TICKS], timeout=_WAIT_S)
        assert found is not None, "the peer's worker does not answer"
        return float(found[1])

    def forget(self) -> None:
        """Drops what was sent and not taken."""
        self._actor.broker.flush_all()


if _VARIABLE in os.environ:  # Dramatiq's own program imports this, and looks for a broker
    dramatiq.set_broker(connect_peer(os.environ[_VARIABLE]).broker)
