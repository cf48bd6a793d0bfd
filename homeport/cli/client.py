"""The command line's side of the API: requests, problems, event streams."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

_CONNECT_S = 5
_READ_S = 60  # the stream sends a comment every 15 s


class ApiUnreachableError(Exception):
    """Nothing answers at the API's address."""


class ApiProblemError(Exception):
    """The API answered with a problem document; `problem` is its JSON object."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("title", "unknown problem")))
        self.problem = problem


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
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of the answer, or None where it has none.

        Raises:
            ApiProblemError: the API refused.
            ApiUnreachableError: it did not answer.
        """
        answer = self._send(method, path, **options)
        return answer.json() if answer.content else None

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, page by page."""
        cursor = None
        while True:
            page = self.call("GET", path, params={**query, "cursor": cursor})
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def lines(self, path: str, **query: Any) -> Iterator[str]:
        """The lines of a text, as they come."""
        with self._send("GET", path, params=query, stream=True) as answer:
            try:
                for line in answer.iter_lines(chunk_size=None):
                    yield line.decode("utf-8", "replace")
            except requests.RequestException as error:
                raise ApiUnreachableError(f"the stream from {self._url} broke: {error}") from error

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

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            answer = self._session.request(method, self._url + path, timeout=(_CONNECT_S, _READ_S), **options)
        except requests.RequestException as error:
            raise ApiUnreachableError(f"Nothing answers at {self._url}.") from error
        if answer.ok:
            return answer
        try:
            problem = answer.json()
        except ValueError:
            problem = {"title": f"{self._url} answered {answer.status_code}, and not as Homeport does."}
        raise ApiProblemError(problem)
