"""Clients of the benchmark `jobs`, in a process of their own, each of which asks again when it was answered.

They are as lean as they can be, since what they use of the machine is missing where the answers are made.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.jobs_peer import connect_peer

CLIENTS = 64
_CODE = "from benchmarks.jobs_load import main; main()"
_LONGEST_S = 240


@dataclass(frozen=True)
class Load:
    """What a load took: how many a second were answered, and how long each answer took."""

    rate: float
    answers_ms: list[float]


def send_requests(
    address: str, token: str, *, definition: str, prefix: str, count: int, has_keys: bool
) -> Load:
    """Asks for so many installs of the definition, each of another identifier, and waits for every 202.

    With keys, each has an `Idempotency-Key`, a random UUID as the `homeport` command makes it up.
    """
    return _run(
        {
            "address": address,
            "token": token,
            "definition": definition,
            "prefix": prefix,
            "count": count,
            "has_keys": has_keys,
        }
    )


def send_messages(redis_url: str, count: int) -> Load:
    """Sends so many messages by Dramatiq's own `send`, from as many threads as there are clients else."""
    return _run({"redis_url": redis_url, "count": count})


def _run(wanted: dict[str, object]) -> Load:
    argv = [sys.executable, "-c", _CODE]
    done = subprocess.run(
        argv, input=json.dumps(wanted), stdout=subprocess.PIPE, text=True, check=True, timeout=_LONGEST_S
    )
    return Load(**json.loads(done.stdout))


def main() -> None:
    """Reads what is wanted, and writes the load as JSON."""
    wanted = json.loads(sys.stdin.read())
    count = wanted["count"]
    if "redis_url" in wanted:
        seconds, answers = _send_by_threads(wanted["redis_url"], count)
    else:
        seconds, answers = asyncio.run(_request_at_once(wanted))
    if len(answers) != count:
        raise SystemExit(f"{count - len(answers)} of {count} were not accepted")
    print(json.dumps({"rate": count / seconds, "answers_ms": [answer * 1000 for answer in answers]}))


async def _request_at_once(wanted: dict[str, Any]) -> tuple[float, list[float]]:
    host, _, port = wanted["address"].rpartition(":")
    requests = _requests(wanted)
    answers: list[float] = []
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(CLIENTS):
        _, client = await loop.create_connection(lambda: _Client(requests, answers), host, int(port))
        clients.append(client)
    began = time.perf_counter()
    for client in clients:
        client.send_next()
    await asyncio.gather(*(client.ended for client in clients))
    return time.perf_counter() - began, answers


def _requests(wanted: dict[str, Any]) -> Iterator[bytes]:
    for number in range(int(wanted["count"])):
        choices = {"definition": wanted["definition"], "identifier": f"{wanted['prefix']}-{number}"}
        body = json.dumps(choices).encode()
        key = f"Idempotency-Key: {uuid.uuid4()}\r\n" if wanted["has_keys"] else ""
        head = (
            f"POST /v1/apps HTTP/1.1\r\nHost: {wanted['address']}\r\n"
            f"Authorization: Bearer {wanted['token']}\r\n{key}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Iterator[bytes], answers: list[float]) -> None:
        self._requests = requests
        self._answers = answers
        self._received = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send_next(self) -> None:
        """Sends the next request, if any is left."""
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            self.ended.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Goes on once the answer is whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            return
        took = time.perf_counter() - self._sent_at
        if head.startswith(b"HTTP/1.1 202 "):
            self._answers.append(took)
        else:
            sys.stderr.write(f"{self._received.decode(errors='replace')}\n")
        self._received = b""
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends this client, whatever the reason."""
        if not self.ended.done():
            self.ended.set_result(None)


def _send_by_threads(redis_url: str, count: int) -> tuple[float, list[float]]:
    tick = connect_peer(redis_url)
    answers: list[float] = []
    ready = threading.Barrier(CLIENTS + 1)

    def send(share: int) -> None:
        ready.wait()
        for _ in range(share):
            sent_at = time.perf_counter()
            tick.send(0.0)
            answers.append(time.perf_counter() - sent_at)

    shares = [count // CLIENTS + (number < count % CLIENTS) for number in range(CLIENTS)]
    threads = [threading.Thread(target=send, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, answers
