"""Asking a real web server as `homeport check` asks an app's page."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from homeport.cli import check_web
from homeport.cli.check_web import ask, ask_patiently
from tests.harness.homeport_box import free_port

PAGE = b"x" * 3000


class _Site(BaseHTTPRequestHandler):
    failures = 0

    def do_GET(self) -> None:
        if self.path == "/again":
            type(self).failures += 1
            self._answer(503 if self.failures < 3 else 200)
        elif self.path == "/start":
            self._answer(302, Location="/page")
        elif self.path == "/round":
            self._answer(302, Location="/round")
        elif self.path == "/away":
            self._answer(302, Location="http://elsewhere.example/page")
        elif self.path == "/login":
            self._answer(401)
        else:
            self._answer(200 if self.path == "/page" else 404)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A site on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/somewhere"
    server.shutdown()
    server.server_close()


def test_a_page_is_told_with_status_kind_size_and_time(address: str) -> None:
    answer = ask(address, "/page")

    assert (answer.status, answer.content_type, answer.size_bytes) == (200, "text/html", 3000)
    assert str(answer).startswith("GET /page: 200, text/html, 2.9 KiB, ")


def test_redirects_are_followed_on_the_same_host_and_nowhere_else(address: str) -> None:
    followed, left, circle = ask(address, "/start"), ask(address, "/away"), ask(address, "/round")

    assert (followed.status, followed.redirects, followed.left_to) == (200, 1, "")
    assert (left.status, left.left_to) == (302, "http://elsewhere.example/page")
    assert (circle.status, circle.redirects) == (302, 5)


def test_a_login_is_a_page_and_what_is_not_there_is_none(address: str) -> None:
    assert not ask(address, "/login").is_missing
    assert ask(address, "/nothing").is_missing


def test_an_answer_that_fails_at_first_is_asked_for_again(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_web, "_PAUSE_S", 0.01)

    assert ask_patiently(address, "/again").status == 200


def test_nothing_that_listens_is_told_in_words() -> None:
    answer = ask(f"http://127.0.0.1:{free_port()}/", "/")

    assert answer.has_failed
    assert str(answer) == "GET /: takes no connection, or hangs up"
