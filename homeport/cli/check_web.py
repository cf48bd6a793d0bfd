"""Asking an app's web page as a browser on this machine would: what comes back, and how fast."""

import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests

from homeport.cli.output import size

_TIMEOUT: Final = (5, 30)
_MOST_REDIRECTS: Final = 5
_MOST_BYTES: Final = 16 * 1024 * 1024
_PIECE: Final = 64 * 1024
_PATIENCE_S: Final = 15.0  # a server that takes connections may need some seconds to serve its first page
_PAUSE_S: Final = 1.0
_HAS_LOGIN: Final = frozenset({401, 403})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back; `status` 0: nothing did, and `problem` says why. `left_to` is a redirect elsewhere."""

    path: str
    status: int = 0
    content_type: str = ""
    size_bytes: int = 0
    took_ms: int = 0
    redirects: int = 0
    left_to: str = ""
    problem: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether nothing came, or the app itself says that it failed."""
        return self.status == 0 or self.status >= 500

    @property
    def is_missing(self) -> bool:
        """Whether there is no page at this path."""
        return 400 <= self.status < 500 and self.status not in _HAS_LOGIN

    def __str__(self) -> str:
        if self.status == 0:
            return f"GET {self.path}: {self.problem}"
        kind = self.content_type or "no content type"
        told = f"GET {self.path}: {self.status}, {kind}, {size(self.size_bytes)}, {self.took_ms} ms"
        if self.redirects:
            told += f", after {self.redirects} redirect{'s' if self.redirects > 1 else ''}"
        return told + (f", sends on to {self.left_to}" if self.left_to else "")


def ask_patiently(address: str, path: str) -> Answer:
    """What the path answers; one that fails is asked again for a while."""
    deadline = time.monotonic() + _PATIENCE_S
    while (answer := ask(address, path)).has_failed and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
    return answer


def ask(address: str, path: str) -> Answer:
    """What the path answers; redirects are followed while they stay on the same host and port.

    Args:
        address: any URL of the host and port.
        path: what is asked for.
    """
    url = urljoin(address, path)
    home = urlsplit(url).netloc
    redirects = 0
    began = time.monotonic()
    with requests.Session() as session:
        session.trust_env = False  # a proxy for the web does not know this box's ports
        while True:
            try:
                with session.get(url, timeout=_TIMEOUT, stream=True, allow_redirects=False) as got:
                    size_bytes = _read(got)
            except requests.RequestException as error:
                return Answer(path=path, problem=_in_words(error))
            target = urljoin(url, got.headers["Location"]) if got.is_redirect else ""
            leaves = bool(target) and urlsplit(target).netloc != home
            if not target or leaves or redirects == _MOST_REDIRECTS:
                break
            url, redirects = target, redirects + 1
    return Answer(
        path=path,
        status=got.status_code,
        content_type=got.headers.get("Content-Type", "").partition(";")[0],
        size_bytes=size_bytes,
        took_ms=round((time.monotonic() - began) * 1000),
        redirects=redirects,
        left_to=target,
    )


def _read(answer: requests.Response) -> int:
    """How many bytes of content come, up to a bound."""
    count = 0
    for piece in answer.iter_content(_PIECE):
        count += len(piece)
        if count >= _MOST_BYTES:
            break
    return count


def _in_words(error: requests.RequestException) -> str:
    match error:
        case requests.Timeout():
            return f"no answer within {_TIMEOUT[1]} seconds"
        case requests.ConnectionError():
            return "takes no connection, or hangs up"
        case _:
            return f"no HTTP answer ({type(error).__name__})"
