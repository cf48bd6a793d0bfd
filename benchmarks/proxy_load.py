"""Clients of the benchmark `proxy`, in a process of their own: each asks for one host after the other.

A request is lost when no answer comes to it, or another than 200. A connection that is closed between two
requests is no loss: HTTP lets a server do that (RFC 9112, section 9.6), and the client connects anew.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CLIENTS = 32

_CODE = "from benchmarks.proxy_load import main; main()"
_ANSWER_S = 30
_LONGEST_S = 1200


@dataclass(frozen=True)
class Load:
    """What a load took."""

    sent: int
    lost: int
    seconds: float


class RunningLoad:
    """A load that was begun."""

    def __init__(self, port: int, hosts: Sequence[str], count: int) -> None:
        wanted = {"port": port, "hosts": list(hosts), "count": count}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted))
        self._process.stdin.close()

    def is_over(self) -> bool:
        """Whether all was asked."""
        return self._process.poll() is not None

    def result(self) -> Load:
        """What it took, when it has ended."""
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        self._process.wait(_LONGEST_S)
        return Load(**json.loads(said))


def main() -> None:
    """Reads what is wanted, and writes the load as JSON."""
    print(json.dumps(asyncio.run(_ask(json.loads(sys.stdin.read())))))


async def _ask(wanted: dict[str, Any]) -> dict[str, Any]:
    counts = _Counts(wanted["count"])
    requests = [
        f"GET / HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode("ascii") for host in wanted["hosts"]
    ]
    began = time.perf_counter()
    clients = (
        _client(wanted["port"], requests[number::CLIENTS] or requests, counts) for number in range(CLIENTS)
    )
    await asyncio.gather(*clients)
    return {"sent": counts.sent, "lost": counts.lost, "seconds": time.perf_counter() - began}


class _Counts:
    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.sent = 0
        self.lost = 0


async def _client(port: int, requests: Sequence[bytes], counts: _Counts) -> None:
    connection: _Connection | None = None
    number = 0
    loop = asyncio.get_running_loop()
    while counts.sent < counts.wanted:
        if connection is None or connection.is_closed:
            try:
                _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
            except OSError:
                counts.sent += 1
                counts.lost += 1
                continue
        counts.sent += 1
        number += 1
        try:
            async with asyncio.timeout(_ANSWER_S):
                status = await connection.ask(requests[number % len(requests)])
        except TimeoutError:
            status = 0
            connection.close()
        counts.lost += status != 200


class _Connection(asyncio.Protocol):
    """One connection, with one request under way; 0 is the status of an answer that does not come."""

    def __init__(self) -> None:
        self.is_closed = False
        self._received = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """Sends a request; its answer's status."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._received = b""
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Goes on once the answer is whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        low = head.lower()
        length = int(low.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or b"0")
        if len(body) < length:
            return
        if b"connection: close" in low:
            self.close()
        self._settle(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer that was not there comes no more."""
        self.is_closed = True
        self._settle(0)

    def close(self) -> None:
        """Ends it."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.close()

    def _settle(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)
