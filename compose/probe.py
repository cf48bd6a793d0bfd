"""Asking an app on its host port whether it answers, without making anybody wait."""

import http.client
import socket
import threading

ADDRESS = "127.0.0.1"
"""Host ports are published on every address or on this one."""

_ANSWER_S = 10.0  # a first page may be slow: a cold PHP on a small box takes seconds
_HELD_S = (
    0.25  # for an app that does not listen, Docker's port proxy takes the connection and hangs up at once
)


class Probe:
    """Looks at a host port, one look at a time, each in a thread of its own.

    Args:
        host_port: the port on the loopback address.
        host_name: what the `Host` header says.
        path: what is asked for by HTTP; None: TCP alone.
    """

    def __init__(self, host_port: int, *, host_name: str, path: str | None) -> None:
        self.answers = False
        """Whether the last look found the app answering."""
        self.said = "was not asked yet"
        """What the last look found, in words."""
        self._host_port = host_port
        self._host_name = host_name
        self._path = path
        self._thread: threading.Thread | None = None
        self._asked = 0

    def look(self) -> None:
        """Starts a look, unless one is under way or the app has answered."""
        if self.answers or (self._thread is not None and self._thread.is_alive()):
            return
        self._thread = threading.Thread(
            target=self._run, args=(self._asked,), name="health probe", daemon=True
        )
        self._thread.start()

    def forget(self) -> None:
        """The app was restarted: what it answered counts no more."""
        self.answers = False
        self._asked += 1

    def _run(self, asked: int) -> None:
        if self._path is None:
            answers, said = ask_tcp(self._host_port)
        else:
            answers, said = ask_http(self._host_port, self._path, self._host_name)
        if asked == self._asked:  # else it was restarted meanwhile
            self.answers, self.said = answers, said


def ask_http(host_port: int, path: str, host_name: str) -> tuple[bool, str]:
    """Whether the app answers a GET, and what it said.

    Every status below 500 is an answer of the app itself: a page, a redirect to its set-up, a login (401,
    403), a page it does not have. With 5xx an app, or the server in front of it, says that it is not ready.
    Redirects are not followed: they may lead to other hosts.
    """
    connection = http.client.HTTPConnection(ADDRESS, host_port, timeout=_ANSWER_S)
    try:
        connection.request("GET", path, headers={"Host": host_name, "User-Agent": "Homeport"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return False, f"did not answer GET {path} ({_in_words(error)})"
    finally:
        connection.close()
    return status < 500, f"answered GET {path} with {status}"


def ask_tcp(host_port: int) -> tuple[bool, str]:
    """Whether something behind the port takes a connection and keeps it, or speaks first."""
    try:
        with socket.create_connection((ADDRESS, host_port), timeout=_ANSWER_S) as connection:
            connection.settimeout(_HELD_S)
            try:
                spoke = bool(connection.recv(1))
            except TimeoutError:
                spoke = True
    except OSError as error:
        return False, f"took no connection ({_in_words(error)})"
    return spoke, "took a connection" if spoke else "hung up at once"


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_ANSWER_S:g} seconds"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError):
        return "it hung up"
    return str(error) or type(error).__name__
