"""Downloading a file over HTTPS: verified, bounded in size and time, and stopped when we stop."""

import errno
import ssl
import threading
import time
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from homeport.errors import CeilingReachedError, DiskFullError, HomeportError
from homeport.plans import Control
from homeport.settings import Settings
from workers.catalogs.gathering import unavailable

_CONNECT_S: Final = 15.0
_SILENT_S: Final = 60.0  # a server that sends nothing for so long has gone
_SLICE_S: Final = 0.2
_PIECE_BYTES: Final = 64 * 1024
_MOST_REDIRECTS: Final = 5


class Download:
    """Fetches files, one after the other, until a moment on the monotonic clock.

    Neither the environment's proxies nor its passwords are used.
    """

    def __init__(self, settings: Settings, control: Control, *, source: str, until: float) -> None:
        self._control = control
        self._ceiling_s = settings.catalog_ceiling_s
        self._source = source
        self._until = until
        known = ssl.get_default_verify_paths()
        self._authorities = settings.upstream_ca_file or known.cafile or known.capath or True

    def fetch(self, address: str, target: Path, *, max_bytes: int) -> str:
        """Stores what is at the address.

        Returns:
            The address that it came from in the end: redirects are followed, to https:// alone.

        Raises:
            CatalogUnavailableError: it cannot be had, or is larger than `max_bytes`.
            DiskFullError: there is no space for it.
            CeilingReachedError: the time is up.
        """
        transfer = _Transfer(address, target, max_bytes, self._authorities)
        try:
            while not transfer.has_ended(_SLICE_S):
                self._control.check()
                if time.monotonic() >= self._until:
                    raise CeilingReachedError(
                        "Fetching the catalog took too long.",
                        why=f"It may take {self._ceiling_s:g} s (catalog_ceiling_s).",
                        remedy="Try again, or raise the setting.",
                        ceiling_s=self._ceiling_s,
                    )
        finally:
            transfer.stop()
        return transfer.outcome()


class _Transfer:
    """One file, read by a thread of its own so that nobody waits for the server."""

    def __init__(self, address: str, target: Path, max_bytes: int, authorities: str | bool) -> None:
        self._address = address
        self._target = target
        self._max_bytes = max_bytes
        self._authorities = authorities
        self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"download {target.name}", daemon=True)
        self._thread.start()

    def has_ended(self, wait_s: float) -> bool:
        """Whether it has ended, after so long at most."""
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Lets the thread end with its next piece."""
        self._stopped = True

    def outcome(self) -> str:
        """The address in the end, or the thread's error."""
        if self._error is not None:
            raise self._error
        return self._address

    def _run(self) -> None:
        try:
            self._follow()
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            self._error = unavailable(self._address, _cause(error))
        except OSError as error:
            self._error = self._translated(error)
        except HomeportError as error:
            self._error = error

    def _follow(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(_MOST_REDIRECTS + 1):
                with session.get(
                    self._address,
                    stream=True,
                    allow_redirects=False,
                    timeout=(_CONNECT_S, _SILENT_S),
                    verify=self._authorities,
                    headers={"Accept-Encoding": "identity"},
                ) as response:
                    if not response.is_redirect:
                        return self._store(response)
                    self._address = self._redirected(response.headers["location"])
        raise unavailable(self._address, f"More than {_MOST_REDIRECTS} redirects.")

    def _redirected(self, location: str) -> str:
        address = urljoin(self._address, location)
        if urlsplit(address).scheme != "https":
            raise unavailable(self._address, "It redirects to an address that is not https://.")
        return address

    def _store(self, response: requests.Response) -> None:
        if response.status_code != requests.codes.ok:
            raise unavailable(self._address, f"The server answered {response.status_code} {response.reason}.")
        with self._target.open("wb") as file:
            while not self._stopped and (
                piece := response.raw.read1(
                    _PIECE_BYTES, decode_content=False
                )  # as it comes, never waiting for more
            ):
                file.write(piece)
                if file.tell() > self._max_bytes:
                    raise unavailable(self._address, f"It is larger than {self._max_bytes:,} bytes.")

    def _translated(self, error: OSError) -> HomeportError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            folder = str(self._target.parent)
            return DiskFullError(
                "The disk is too full for a download.",
                why=f"It would lie in {folder}.",
                remedy="Make room, then try again.",
                path=folder,
            )
        return unavailable(self._address, str(error)[:400])


def _cause(error: BaseException) -> str:
    """What ended a download, out of the errors that the libraries put around it."""
    while True:
        around = (getattr(error, "reason", None), error.__cause__, *error.args[:1])
        inner = next((one for one in around if isinstance(one, BaseException)), None)
        if inner is None:
            return str(error)[:400] or type(error).__name__
        error = inner
