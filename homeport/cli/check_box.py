"""What `homeport check` asks of a box: building, installing, and taking all of it back."""

import json
import signal
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from types import FrameType
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from homeport.cli.check_verdicts import Checkup
from homeport.cli.client import ApiClient, ApiProblemError, ApiUnreachableError, path_of, problem_of
from homeport.cli.follow import await_job, bar_shown
from homeport.cli.packing import PackedFolder
from homeport.errors import NotFoundError, Problem, TakenError
from homeport.names import MAX_APP_ID

R = TypeVar("R")

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals after which what was begun is taken back: Ctrl-C, an orderly end, a closed terminal."""

_PATIENCE_S: Final = 60.0  # a restarted Homeport is back within this time
_PAUSE_S: Final = 1.0
_JOBS: Final = 50
_APP_IDS: Final = 500
_PORT_S: Final = 2.0


def build_images(checkup: Checkup) -> Mapping[str, Any]:
    """Builds the images of the folder; the job's result.

    Raises:
        ApiProblemError: it was refused, or failed; facts of a failed job have its id.
        ApiUnreachableError: the API does not answer.
    """
    query = {"settings": _settings(checkup)}
    client = checkup.context.client
    job = client.upload("/v1/builds", PackedFolder(checkup.asked.folder), **query)
    try:
        return _succeeded(checkup, job)["result"] or {}
    except KeyboardInterrupt:
        _patiently(lambda: _end(client, job))
        raise


def install_app(checkup: Checkup) -> Mapping[str, Any]:
    """Installs the folder under the identifier that is the check's own; the app's JSON object.

    Raises:
        TakenError: an app of this identifier is installed that is no check's.
        ApiProblemError: it was refused, or failed.
        ApiUnreachableError: the API does not answer.
    """
    client, identifier = checkup.context.client, checkup.identifier
    query = {
        "identifier": identifier,
        "permissions": ",".join(map(str, checkup.definition.permissions)) or None,
        "settings": _settings(checkup),
    }
    checkup.may_be_installed = True
    with _uninterrupted():  # else it could be accepted after all had been taken back
        job = _send_install(checkup, query)
    _succeeded(checkup, job)
    app: Mapping[str, Any] = _patiently(lambda: client.call("GET", path_of("apps", identifier)))
    return app


def _send_install(checkup: Checkup, query: Mapping[str, str | None]) -> Mapping[str, Any]:
    client, archive = checkup.context.client, PackedFolder(checkup.asked.folder)
    try:
        sent: Mapping[str, Any] = client.upload("/v1/apps", archive, app_id=_app_id(checkup), **query)
    except ApiProblemError as error:
        if error.problem.code != TakenError.code or error.problem.facts.get("kind") != "app_id":
            raise
        sent = client.upload("/v1/apps", archive, **query)
    return sent


def _app_id(checkup: Checkup) -> int:
    """One of the last, the same for every check of a definition: what Homeport chooses is used up."""
    return MAX_APP_ID - zlib.crc32(checkup.identifier.encode()) % _APP_IDS


def find_leftover(checkup: Checkup) -> bool:
    """Whether an earlier check has left its app.

    Raises:
        TakenError: an app has this identifier that is no check's.
    """
    app = _find_app(checkup.context.client, checkup.identifier)
    if app is None:
        return False
    if app["definition"] == checkup.definition.definition.name and app.get("catalog") is None:
        return True
    raise TakenError(
        f"{checkup.identifier!r} is an installed app, and none that a check has left.",
        why=f"It is installed from {app.get('catalog') or 'a folder'}, as {app['definition']}.",
        remedy="It is left as it is. Give the definition another name for the check, or uninstall that app.",
        kind="identifier",
        value=checkup.identifier,
    )


def remove_app(checkup: Checkup) -> None:
    """Ends what goes on about the app, uninstalls it with its data, and looks that it is gone.

    Tries again for a minute where the API is away.

    Raises:
        ApiProblemError: it could not be uninstalled.
        ApiUnreachableError: the API stayed away.
    """
    _patiently(lambda: _remove(checkup))
    checkup.may_be_installed = False


def _remove(checkup: Checkup) -> None:
    client, identifier = checkup.context.client, checkup.identifier
    with bar_shown(checkup.context.printer) as show:
        for job in islice(client.pages("/v1/jobs", app=identifier), _JOBS):
            if not job["finished_at"]:
                _end(client, job)
                await_job(client, job, show)
        if _find_app(client, identifier) is None:
            return
        wanted = {"purge": "true", "remove_images": str(checkup.asked.removes_images).lower()}
        job = client.submit("DELETE", path_of("apps", identifier), params=wanted)
        ended = await_job(client, job, show)
    if ended["state"] != "succeeded":
        raise ApiProblemError(_problem_of(ended))


def _end(client: ApiClient, job: Mapping[str, Any]) -> None:
    """Cancels the job, unless it is an uninstall, or has just ended."""
    if job["kind"] == "uninstall":
        return
    try:
        client.call("DELETE", path_of("jobs", job["id"]))
    except ApiProblemError as error:
        if error.problem.code != "not_possible_now":
            raise


def is_port_open(address: str) -> bool:
    """Whether something takes a connection at an app's address."""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "localhost", parts.port or 80), timeout=_PORT_S):
            return True
    except OSError:
        return False


def read_log(checkup: Checkup) -> list[str]:
    """The app's log, as far as the API gives it at once."""
    path = path_of("apps", checkup.identifier, "logs")
    return _patiently(lambda: list(checkup.context.client.lines(path, tail=10_000)))


def _succeeded(checkup: Checkup, job: Mapping[str, Any]) -> Mapping[str, Any]:
    """The job when it has ended well.

    Raises:
        ApiProblemError: it did not.
    """
    with bar_shown(checkup.context.printer) as show:
        ended = _patiently(lambda: await_job(checkup.context.client, job, show))
    if ended["state"] != "succeeded":
        raise ApiProblemError(_problem_of(ended))
    return ended


def _problem_of(ended: Mapping[str, Any]) -> Problem:
    if ended["problem"]:
        return problem_of(ended["problem"])
    return Problem(code="cancelled", what=f"The {ended['kind']} was {ended['state']} by somebody else.")


def _find_app(client: ApiClient, identifier: str) -> Mapping[str, Any] | None:
    try:
        app: Mapping[str, Any] = client.call("GET", path_of("apps", identifier))
    except ApiProblemError as error:
        if error.problem.code == NotFoundError.code:
            return None
        raise
    return app


def _settings(checkup: Checkup) -> str | None:
    return json.dumps(dict(checkup.settings)) if checkup.settings else None


def _patiently(action: Callable[[], R]) -> R:
    """What the action gives, tried again while the API is away, for a minute."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return action()
        except ApiUnreachableError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_S)


@contextmanager
def heeding_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Has the handler called for signals that end the program, but for those that are ignored (nohup)."""
    heeded = [one for one in _ENDING if signal.getsignal(one) is not signal.SIG_IGN]
    before = {one: signal.signal(one, handler) for one in heeded}
    try:
        yield
    finally:
        for one, earlier in before.items():
            signal.signal(one, earlier)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Puts what ends the program off until what is within has ended."""
    came: list[int] = []
    with heeding_signals(lambda number, _frame: came.append(number)):
        yield
    if came:
        raise KeyboardInterrupt
