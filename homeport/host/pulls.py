"""Pulling an image: followed, bounded in time, and stopped in the engine when we stop."""

import json
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import docker
import requests
from docker.auth import get_config_header, resolve_repository_name
from docker.types import CancellableStream
from docker.utils import parse_repository_tag

from homeport.errors import (
    CeilingReachedError,
    DiskFullError,
    HomeportError,
    PullFailedError,
    StalledError,
)
from homeport.host.engine_errors import translated, unavailable
from homeport.host.engine_values import ImageState
from homeport.host.pull_progress import PullModel, PullProgress, pull_reason
from homeport.plans import Control

_SLICE_S = 0.2
_CONNECT_S = 10.0


def pull_image(
    open_client: Callable[[], docker.APIClient],
    reference: str,
    *,
    on_progress: Callable[[PullProgress], None],
    control: Control,
    stall_s: float,
    ceiling_s: float,
    find_image: Callable[[str], ImageState | None],
) -> ImageState:
    """See `Engine.pull`; `open_client` opens a connection that nobody else uses."""
    control.check()
    feed = _Feed(open_client(), reference, stall_s)
    try:
        _follow(
            feed,
            reference,
            on_progress=on_progress,
            control=control,
            stall_s=stall_s,
            ceiling_s=ceiling_s,
        )
    finally:
        feed.stop()
    image = find_image(reference)
    if image is None:
        raise _failed(reference, "the pull ended without an error, and the image is not there")
    return image


def _follow(
    feed: "_Feed",
    reference: str,
    *,
    on_progress: Callable[[PullProgress], None],
    control: Control,
    stall_s: float,
    ceiling_s: float,
) -> None:
    model = PullModel()
    began = moved = time.monotonic()
    for messages in feed:
        now = time.monotonic()
        for message in messages:
            if "error" in message:
                raise _failed(reference, str(message["error"]))
            if model.feed(message, now):
                moved = now
        if messages:
            on_progress(model.progress())
        control.check()
        if now - moved >= stall_s:
            raise _stalled(reference, stall_s, model.progress())
        if now - began >= ceiling_s:
            raise _too_long(reference, ceiling_s)


class _Feed:
    """The engine's messages of one pull, read by a thread of its own so that nobody waits for the engine."""

    def __init__(self, client: docker.APIClient, reference: str, stall_s: float) -> None:
        self._client = client
        self._reference = reference
        self._read_s = stall_s + _CONNECT_S  # only for a thread that was left behind: we stop earlier
        self._queue: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stream: CancellableStream[Any] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._read, name=f"pull {reference}", daemon=True)
        self._thread.start()

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> list[dict[str, Any]]:
        """What has come, after at most a slice; empty if nothing has."""
        messages: list[dict[str, Any]] = []
        deadline = time.monotonic() + _SLICE_S
        while (left := deadline - time.monotonic()) > 0:
            try:
                item = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if item is None:
                self._queue.put(None)
                if messages:
                    return messages
                raise StopIteration
            if isinstance(item, BaseException):
                raise item
            messages.append(item)
        return messages

    def stop(self) -> None:
        """Closes the connection, upon which the engine stops pulling."""
        with self._lock:
            self._stopped = True
            if self._stream is not None:
                _shut(self._stream)

    def _read(self) -> None:
        try:
            with translated("pull an image"):
                self._pass_on(self._ask())
            self._queue.put(None)
        except HomeportError as error:
            self._queue.put(error)
        except ValueError as error:  # half a message: the engine went away in the middle of it
            self._queue.put(unavailable(error))
        finally:
            self._client.close()

    def _ask(self) -> requests.Response:
        # docker-py's own pull() gives no handle on the connection, and without one a pull cannot be stopped
        repository, tag = parse_repository_tag(self._reference)
        registry, _ = resolve_repository_name(repository)
        credentials = get_config_header(self._client, registry)
        return self._client.post(
            f"{self._client.base_url}/v{self._client.api_version}/images/create",
            params={"fromImage": repository, "tag": tag or "latest"},
            headers={"X-Registry-Auth": credentials} if credentials else {},
            stream=True,
            timeout=(_CONNECT_S, self._read_s),
        )

    def _pass_on(self, response: requests.Response) -> None:
        with self._lock:
            self._stream = CancellableStream(iter(()), response)
            if self._stopped:
                _shut(self._stream)
                return
        if response.status_code >= 400:
            self._queue.put(_failed(self._reference, _explanation(response)))
            return
        for line in response.iter_lines():
            if line:
                self._queue.put(json.loads(line))


def _shut(stream: "CancellableStream[Any]") -> None:
    try:
        stream.close()
    except (OSError, AttributeError):  # the stream had ended: there is no socket any more
        return


def _explanation(response: requests.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:2000]


def _failed(reference: str, message: str) -> HomeportError:
    if "no space left on device" in message.lower():
        return DiskFullError(
            f"The image {reference} could not be pulled: the disk is full.",
            why=message,
            remedy="Free some space: remove apps, images or files that are not needed.",
        )
    reason = pull_reason(message)
    return PullFailedError(
        f"The image {reference} could not be pulled.", why=reason.why, remedy=reason.remedy, image=reference
    )


def _stalled(reference: str, stall_s: float, progress: PullProgress) -> StalledError:
    return StalledError(
        f"The pull of {reference} was stopped: nothing moved for {stall_s:g} seconds.",
        why=f"It had come to {progress.text}.",
        remedy="Check the network connection, and try again: what was downloaded whole is kept.",
        stall_s=stall_s,
        image=reference,
    )


def _too_long(reference: str, ceiling_s: float) -> CeilingReachedError:
    return CeilingReachedError(
        f"The pull of {reference} was stopped after {ceiling_s:g} seconds.",
        why="That is the longest that a pull may take.",
        remedy="Try again, or raise the setting `ceiling_s`.",
        ceiling_s=ceiling_s,
    )
