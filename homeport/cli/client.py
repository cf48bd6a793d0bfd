"""The command line's side of the API: requests, problems, event streams."""

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

import requests
from urllib3.exceptions import ProtocolError

from homeport.errors import Problem
from homeport.wire import KEY_FIELD

_CONNECT_S = 5
_READ_S = 60  # the event stream sends a comment every 15 s
_TIMEOUT: Final = (_CONNECT_S, _READ_S)
_PAUSE_S: Final = 2
_UPLOAD_TIMEOUT: Final = (60, 600)  # for each piece that is sent, and for what was sent to be looked through
_WHY_UNKNOWN: Final = "None was given, and there is none in your state folder."
_BE_KNOWN: Final = "Run it as the user who started Homeport (sudo), or give --token or HOMEPORT_TOKEN."


class ApiUnreachableError(Exception):
    """Nothing answers at the API's address, or an answer broke off."""


class ConnectionBrokenError(ApiUnreachableError):
    """A request was sent, and the connection broke before its answer came: it may have been carried out."""


class ApiProblemError(Exception):
    """The API refused; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


def _was_sent(error: requests.RequestException) -> bool:
    """Whether there was a connection, so that the request may have arrived."""
    return isinstance(error, requests.ReadTimeout) or isinstance(next(iter(error.args), None), ProtocolError)


def problem_of(shape: Mapping[str, Any]) -> Problem:
    """The problem that a problem document (RFC 9457) tells, or the `problem` of a job's JSON object."""
    return Problem(
        code=str(shape.get("code") or "unknown"),
        what=str(shape.get("what") or shape.get("title") or "Something failed."),
        why=str(shape.get("why") or shape.get("detail") or ""),
        restored=str(shape.get("restored") or ""),
        remedy=str(shape.get("remedy") or ""),
        facts=shape.get("facts") or {},
    )


def path_of(*parts: str) -> str:
    """The path of a resource of the API; a part may hold anything that somebody typed."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


@dataclass(frozen=True, kw_only=True)
class ServerEvent:
    """One event of the stream: its id (to go on after) and its JSON object."""

    id: str
    body: Mapping[str, Any]


class ApiClient:
    """A connection to one Homeport.

    Args:
        url: the API's address, `http://host:port`.
        token: the bearer token; empty for none.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy set for the web must not get the token
        self._has_token = bool(token)
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of the answer, or None where it has none.

        Raises:
            ApiProblemError: the API refused.
            ApiUnreachableError: it did not answer.
        """
        answer = self._send(method, path, **options)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise self._foreign(answer) from error

    def submit(self, method: str, path: str, **options: Any) -> Any:
        """Sends what becomes a job, and sends it again if its answer is lost: its key lets it be done once.

        Raises:
            ApiProblemError: the API refused.
            ApiUnreachableError: it did not answer.
        """
        keyed = {**options, "headers": {**options.get("headers", {}), KEY_FIELD: str(uuid.uuid4())}}
        try:
            return self.call(method, path, **keyed)
        except ConnectionBrokenError:
            time.sleep(_PAUSE_S)  # it may be starting again
            return self.call(method, path, **keyed)

    def upload(self, path: str, archive: Iterable[bytes], **query: Any) -> Any:
        """Sends a tar archive; one that has a length is announced, so that one too large is refused unread.

        Like `submit`, it sends it again if the answer is lost.

        Raises:
            ApiProblemError: the API refused.
            ApiUnreachableError: it did not answer.
        """
        headers = {"Content-Type": "application/x-tar"}
        return self.submit("POST", path, timeout=_UPLOAD_TIMEOUT, data=archive, headers=headers, params=query)

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, page by page."""
        cursor = None
        while True:
            page = self.call("GET", path, params={**query, "cursor": cursor})
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def lines(self, path: str, *, may_be_quiet: bool = False, **query: Any) -> Iterator[str]:
        """The lines of a text, as they come.

        Args:
            path: of the text.
            may_be_quiet: whether any time may pass between lines; else a minute without a byte is a break.
            query: the parameters; those that are None are not sent.

        Raises:
            ApiProblemError: the API refused.
            ApiUnreachableError: it did not answer, or the answer broke off.
        """
        timeout = (_CONNECT_S, None) if may_be_quiet else _TIMEOUT
        with self._send("GET", path, params=query, stream=True, timeout=timeout) as answer:
            begun = b""
            try:
                for piece in answer.iter_content(chunk_size=None):
                    *lines, begun = (begun + piece).split(b"\n")
                    yield from (line.decode("utf-8", "replace") for line in lines)
            except requests.RequestException as error:
                raise ApiUnreachableError(f"The answer of {self._url} broke off.") from error
            if begun:
                yield begun.decode("utf-8", "replace")

    def events(self, *, after: str, **query: Any) -> Iterator[ServerEvent]:
        """Server-sent events after an id (HTML Standard, section 9.2.6), until the API ends the stream."""
        identifier, body = after, ""
        for line in self.lines("/v1/events", after=after, **query):
            name, _, value = line.partition(":")
            match name:
                case "id":
                    identifier = value.strip()
                case "data":
                    body += value
                case "" if not line and body:
                    yield ServerEvent(id=identifier, body=json.loads(body))
                    body = ""
                case _:
                    pass

    def _send(
        self, method: str, path: str, *, timeout: tuple[float, float | None] = _TIMEOUT, **options: Any
    ) -> requests.Response:
        try:
            answer = self._session.request(method, self._url + path, timeout=timeout, **options)
        except requests.RequestException as error:
            if _was_sent(error):
                raise ConnectionBrokenError(f"The answer of {self._url} did not come.") from error
            raise ApiUnreachableError(f"Nothing answers at {self._url}.") from error
        if answer.ok:
            return answer
        try:
            problem = problem_of(answer.json())
        except (ValueError, AttributeError) as error:
            raise self._foreign(answer) from error
        if answer.status_code == requests.codes.unauthorized and not self._has_token:
            problem = replace(problem, why=_WHY_UNKNOWN, remedy=_BE_KNOWN)
        raise ApiProblemError(problem)

    def _foreign(self, answer: requests.Response) -> ApiProblemError:
        said = f"{self._url} answered {answer.status_code}, and not as Homeport does."
        return ApiProblemError(Problem(code="unknown", what=said, remedy="Is that the address of Homeport?"))
