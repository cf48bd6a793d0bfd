"""One registry's HTTP server: validators, ranges, a shared pace, faults on demand, and a count."""

import base64
import contextlib
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from homeport.caches import Ecosystem
from tests.harness.upstream.content import BUILT_AT, Content, Site

CONNECTIONS = 64
PIECE = 16 * 1024


class Fault(StrEnum):
    """What can be wrong with an answer."""

    HALF = "half"
    """The whole length is announced, half is sent, then the connection ends."""
    WRONG = "wrong"
    """As many bytes as there should be, but others."""
    UNAVAILABLE = "unavailable"
    """503."""
    STUCK = "stuck"
    """Half is sent, and nothing more while the server runs."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """One answer; `body_bytes` counts what was really sent."""

    ecosystem: Ecosystem
    method: str
    path: str
    status: int
    body_bytes: int
    user_agent: str


class Pace:
    """A line that all answers share: each piece waits until those before it are through."""

    def __init__(self) -> None:
        self.mbit_s: float | None = None
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, count: int) -> None:
        """Returns when so many bytes more have gone through the line."""
        if not self.mbit_s:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + count * 8 / (self.mbit_s * 1_000_000)
            delay = self._free_at - now
        time.sleep(delay)


Rule = tuple[re.Pattern[str], Fault, list[int]]


class SiteServer:
    """Serves a site on a port that stays the same when it is stopped and started."""

    def __init__(
        self, ecosystem: Ecosystem, address: str, pace: Pace, record: Callable[[Served], None]
    ) -> None:
        self.site: Site = {}
        self.faults: list[Rule] = []
        self.ecosystem = ecosystem
        self.pace = pace
        self.record = record
        with socket.create_server((address, 0)) as found:
            self.port: int = found.getsockname()[1]
        self._address = address
        self._server: _Listener | None = None

    def start(self) -> None:
        """Begins to listen."""
        self._server = _Listener((self._address, self.port), self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stops listening and ends what is open; nothing happens when it is stopped."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server.end_connections()
            self._server = None

    @property
    def runs(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def take_fault(self, path: str) -> Fault | None:
        """The fault that the answer for a path is to have."""
        for pattern, fault, left in self.faults:
            if left[0] > 0 and pattern.search(path):
                left[0] -= 1
                return fault
        return None


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: SiteServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(address, _Answering)

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._slots.acquire()
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        super().shutdown_request(request)
        if request in self._open:
            self._open.discard(request)
            self._slots.release()

    def end_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener
    timeout = 120

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_POST(self) -> None:
        """Nothing here takes anything: an audit of npm's gets the answer that ends it."""
        self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 1 << 20))
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, b"", {}, fault=None, with_body=True)

    def log_message(self, *_: object) -> None:
        """It counts; it does not print."""

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        fault = self.server.owner.take_fault(path)
        found = self.server.owner.site.get(path)
        if fault is Fault.UNAVAILABLE:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, b"busy", {}, fault=None, with_body=with_body)
        elif found is None:
            self._send(HTTPStatus.NOT_FOUND, b"not here", {}, fault=None, with_body=with_body)
        else:
            content = found.chosen(self.headers.get("Accept", ""))
            status, body, headers = self._part(content)
            if found.variants:
                headers["Vary"] = "Accept"
            self._send(status, body, headers, fault=fault, with_body=with_body)

    def _part(self, content: Content) -> tuple[HTTPStatus, bytes, dict[str, str]]:
        """What of the content is wanted, by the validators and the range that were sent (RFC 9110)."""
        digest = base64.b64encode(hashlib.sha256(content.body).digest()).decode()
        headers = {
            "Content-Type": content.media_type,
            "ETag": content.etag,
            "Last-Modified": formatdate(BUILT_AT, usegmt=True),
            "Accept-Ranges": "bytes",
            "Repr-Digest": f"sha-256=:{digest}:",
        }
        if self._is_unchanged(content):
            return HTTPStatus.NOT_MODIFIED, b"", headers
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not wanted or (condition and condition not in (content.etag, headers["Last-Modified"])):
            return HTTPStatus.OK, content.body, headers
        size, first = len(content.body), int(wanted[1])
        last = min(int(wanted[2] or size - 1), size - 1)
        if first >= size or last < first:
            return (
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                b"",
                headers | {"Content-Range": f"bytes */{size}"},
            )
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return HTTPStatus.PARTIAL_CONTENT, content.body[first : last + 1], headers

    def _is_unchanged(self, content: Content) -> bool:
        if tags := self.headers.get("If-None-Match"):
            return content.etag in tags
        since = self.headers.get("If-Modified-Since", "")
        return bool(since) and parsedate_to_datetime(since).timestamp() >= BUILT_AT

    def _send(
        self,
        status: HTTPStatus,
        body: bytes,
        headers: dict[str, str],
        *,
        fault: Fault | None,
        with_body: bool,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault is Fault.WRONG:
            body = bytes(byte ^ 0xFF for byte in body)
        if fault in (Fault.HALF, Fault.STUCK):
            body = body[: len(body) // 2]
        sent = 0
        try:
            for start in range(0, len(body) if with_body else 0, PIECE):
                piece = body[start : start + PIECE]
                self.server.owner.pace.wait(len(piece))
                self.wfile.write(piece)
                sent += len(piece)
        finally:
            self._count(status, sent)
        while fault is Fault.STUCK and self.server.owner.runs:
            time.sleep(0.05)
        if fault is not None:
            self.close_connection = True

    def _count(self, status: HTTPStatus, sent: int) -> None:
        answer = Served(
            ecosystem=self.server.owner.ecosystem,
            method=self.command,
            path=unquote(self.path),
            status=status,
            body_bytes=sent,
            user_agent=self.headers.get("User-Agent", ""),
        )
        self.server.owner.record(answer)
