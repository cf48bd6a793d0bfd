"""What clients of the package caches may not do to each other, or to the box."""

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest

from homeport.caches import Ecosystem
from tests.harness.upstream import Upstream
from tests.integration.caches.conftest import HERE, CacheBox, Devpi
from tests.integration.caches.test_devpi import PAGE, wheel_of, wheel_path

PIPS = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"


def test_a_wheel_is_kept_as_itself_whatever_form_was_asked_for(
    box: CacheBox, devpi: Devpi, line: Upstream
) -> None:
    path = wheel_path(box)

    box.get(Ecosystem.PIP, path, headers={"Accept": "application/json"})

    assert box.get(Ecosystem.PIP, path).content == wheel_of(line)


@pytest.mark.parametrize("accept", [PIPS, "text/html"])
def test_a_page_of_the_index_leads_to_no_host_that_a_client_named(
    box: CacheBox, devpi: Devpi, accept: str
) -> None:
    foreign = {"Host": "elsewhere.example", "X-Devpi-Absolute-Urls": "1", "User-Agent": "nobody"}

    for page in (PAGE, PAGE.rstrip("/")):
        box.get(Ecosystem.PIP, page, headers={"Accept": accept, **foreign}, allow_redirects=False)
        answer = box.get(Ecosystem.PIP, page, headers={"Accept": accept, "User-Agent": "pip/24.0"})

        assert re.search(r"lantern_media-1\.2\.0.*\.whl", answer.text)
        assert "elsewhere.example" not in answer.text
        assert answer.headers["Content-Type"].partition(";")[0] in accept


@pytest.mark.parametrize(
    "path",
    [
        "/lantern-words/-/../../lantern-media/-/lantern-media-1.2.0.tgz",
        "/lantern-words/-/%2e%2e/x.tgz",
        "/lantern-media/-/lantern-media-1.2.0.tgz#/../../x.tgz",
        "/lantern-words%3f/../lantern-media/-/lantern-media-1.2.0.tgz",
    ],
)
def test_a_path_that_could_be_read_in_two_ways_is_refused(
    shared_box: CacheBox, line: Upstream, path: str
) -> None:
    connection = http.client.HTTPConnection(urlsplit(shared_box.url(Ecosystem.NPM)).netloc, timeout=10)

    connection.putrequest("GET", path)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()

    assert status == 403
    assert line.served() == []


def test_no_request_makes_the_log_of_requests_grow_by_much(box: CacheBox) -> None:
    answers = [
        box.get(Ecosystem.NPM, path).status_code for path in ("/lantern%3fx", f"/lantern?{'x' * 3000}")
    ]

    (line,) = box.log_lines()
    assert answers == [403, 404]
    assert line["uri"] == f"/lantern?{'x' * 3000}"[:500]


def test_a_public_name_that_leads_to_loopback_shows_nothing_of_what_answers_there(
    line: Upstream, make_box: Callable[..., CacheBox]
) -> None:
    with name_server(b"\x7f\0\0\x4d") as port, HTTPServer(("127.0.0.77", 80), _Secret) as web:
        threading.Thread(target=web.serve_forever).start()
        box = make_box(line, resolver=f"{HERE}:{port}")
        box.start()

        answers = [box.get(Ecosystem.APT, "http://deb.example.org/status/pool/x") for _ in range(2)]
        web.shutdown()

    assert [answer.status_code for answer in answers] == [403, 403]
    assert "leads to the box itself" in answers[0].text
    assert box.stored(Ecosystem.APT) == []


class _Secret(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.send_header("X-Accel-Redirect", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"secret")


@contextlib.contextmanager
def name_server(address: bytes) -> Iterator[int]:
    """The port of a name server on loopback for which every name has this IPv4 address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HERE, 0))

        def serve() -> None:
            while (asked := server.recvfrom(512))[0]:
                query, client = asked
                question = query[12 : query.index(b"\0", 12) + 5]
                answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + address if question[-4:-2] == b"\0\1" else b""
                head = query[:2] + b"\x81\x80\0\1\0" + bytes([bool(answer)]) + bytes(4)
                server.sendto(head + question + answer, client)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        yield port
        server.sendto(b"", (HERE, port))
        thread.join()
