import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from homeport.cli.client import (
    ApiClient,
    ApiProblemError,
    ApiUnreachableError,
    ConnectionBrokenError,
    path_of,
    problem_of,
)


class Pieces:
    """An answer whose bytes come in the given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __enter__(self) -> "Pieces":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def iter_content(self, chunk_size: int | None) -> Iterator[bytes]:
        assert chunk_size is None, "what has come is handed on at once"
        yield from self._pieces


class Answered(ApiClient):
    """A client whose one request is answered with the pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__("http://box", "")
        self._pieces = pieces

    def _send(self, method: str, path: str, **_: Any) -> Any:
        return Pieces(self._pieces)


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"a\nb\n", b"c\n"], ["a", "b", "c"]),
        ([b"a", b"b\r", b"\nc"], ["ab\r", "c"]),
        ([b"a\n", b"\n", b"b\n"], ["a", "", "b"]),
        ([b"caf\xc3", b"\xa9\n\xff"], ["café", "\ufffd"]),
        ([], []),
    ],
)
def test_lines_are_those_of_the_text_however_it_is_cut(pieces: list[bytes], lines: list[str]) -> None:
    assert list(Answered(pieces).lines("/v1/x")) == lines


def test_events_are_read_from_the_stream_and_comments_are_not() -> None:
    stream = [b": here\n\nid: 7\nevent: job.step\nda", b'ta: {"kind": "job.step"}\n\n', b"id: 8\nda"]

    (event,) = Answered(stream).events(after="6")

    assert (event.id, event.body) == ("7", {"kind": "job.step"})


def test_what_somebody_typed_stays_one_part_of_a_path() -> None:
    assert path_of("apps", "a/../b?c#d e", "logs") == "/v1/apps/a%2F..%2Fb%3Fc%23d%20e/logs"


def test_problem_documents_and_problems_of_jobs_read_the_same() -> None:
    same = {"code": "x", "restored": "R", "remedy": "Do.", "facts": {"port": 80}}
    document = {"title": "What.", "detail": "Why.", **same}
    of_job = {"what": "What.", "why": "Why.", **same}

    assert problem_of(document) == problem_of(of_job)
    assert problem_of({}).what


class Archive:
    """An archive that may be read more than once, as a packed folder is."""

    def __len__(self) -> int:
        return 7

    def __iter__(self) -> Iterator[bytes]:
        yield b"archive"


class LosesItsAnswers:
    """A server that takes requests and closes the connection on the first of them, unanswered."""

    def __init__(self, lost: int) -> None:
        self._lost = lost
        self.keys: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                fields = dict(
                    line.decode().strip().partition(": ")[::2] for line in iter(lines.readline, b"\r\n")
                )
                lines.read(int(fields["Content-Length"]))
                self.keys.append(fields["Idempotency-Key"])
                if len(self.keys) > self._lost:
                    connection.sendall(b'HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\n{"id":1}')


@pytest.fixture
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeport.cli.client._PAUSE_S", 0)


@pytest.mark.parametrize("how", ["submit", "upload"])
def test_a_request_whose_answer_is_lost_is_sent_again_with_its_key(how: str, without_pauses: None) -> None:
    server = LosesItsAnswers(1)
    client = ApiClient(server.url, "")

    if how == "submit":
        job = client.submit("POST", "/v1/apps", json={"definition": "wiki"})
    else:
        job = client.upload("/v1/apps", Archive())

    server.close()
    assert job == {"id": 1}
    assert len(server.keys) == 2
    assert len(set(server.keys)) == 1


def test_it_is_sent_again_once_and_every_request_has_a_key_of_its_own(without_pauses: None) -> None:
    server = LosesItsAnswers(2)
    client = ApiClient(server.url, "")

    with pytest.raises(ConnectionBrokenError):
        client.submit("POST", "/v1/apps", json={"definition": "wiki"})
    client.submit("POST", "/v1/apps", json={"definition": "wiki"})

    server.close()
    assert [server.keys[0] == key for key in server.keys] == [True, True, False]


def test_what_nobody_heard_is_not_sent_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(ApiUnreachableError) as failed:
        ApiClient(f"http://127.0.0.1:{port}", "").submit("POST", "/v1/apps", json={})

    assert not isinstance(failed.value, ConnectionBrokenError)


@pytest.mark.parametrize("token", ["", "wrong"])
def test_whoever_has_no_token_is_told_whose_it_is_and_whoever_has_one_what_is_wrong_with_it(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = requests.Response()
    refused.status_code = 401
    refused._content = b'{"code": "unauthorized", "detail": "the API\'s why", "remedy": "its remedy"}'
    monkeypatch.setattr("requests.Session.request", lambda *_given, **_more: refused)

    with pytest.raises(ApiProblemError) as raised:
        ApiClient("http://box", token).call("GET", "/v1/apps")

    problem = raised.value.problem
    assert ("sudo" in problem.remedy) is (token == "")
    assert (problem.why == "the API's why") is (token != "")
