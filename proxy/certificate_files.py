"""The owner's certificates in HAProxy: a file for each, and the commands that add and remove one."""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from homeport.host.files import drafts_of
from homeport.models import Certificate
from proxy.haproxy_conf import CERTIFICATES
from proxy.own_files import keep_written
from proxy.runtime import RuntimeSocket

FOLDER: Final = "certificates"

_MODE: Final = 0o640  # with the key in it: for root, and for the group that HAProxy runs in


class CertificateFiles:
    """The certificates of one HAProxy.

    A file is named after all that is in it. So a new certificate of the same name is another file, which is
    added before the old one goes, and two tables are compared by their files' names alone.
    """

    def __init__(self, folder: Path, runtime: RuntimeSocket) -> None:
        self._folder = folder / FOLDER
        self._list = folder / CERTIFICATES
        self._runtime = runtime

    def served(self, certificates: Sequence[Certificate]) -> list[Certificate]:
        """Those that are served already.

        Raises:
            ComponentUnavailableError: HAProxy does not answer.
        """
        paths = {*self._served()}
        return [certificate for certificate in certificates if str(self._path(certificate)) in paths]

    def add(self, certificates: Sequence[Certificate]) -> Mapping[str, str]:
        """Makes these be served, beside those that are; why one is not, by its name.

        Raises:
            ComponentUnavailableError: HAProxy does not answer.
        """
        served = self._served()
        refused: dict[str, str] = {}
        owner = (os.geteuid(), self._folder.stat().st_gid)
        for certificate in certificates:
            path = self._path(certificate)
            keep_written(path, certificate.pem, mode=_MODE, owner=owner)
            if str(path) not in served and (why := self._load(path, certificate.pem)):
                refused[certificate.name] = why
        return refused

    def older(self, names: Collection[str]) -> frozenset[str]:
        """Those of the certificates' names of which some file is served: where the new one was refused, the
        one before it.

        Raises:
            ComponentUnavailableError: see `add`.
        """
        return frozenset(map(_name_of, self._served())) & frozenset(names)

    def remove_others(self, certificates: Sequence[Certificate], refused: Collection[str]) -> None:
        """Ends the serving of all but these; where one is refused, the one before it stays.

        What HAProxy reads at its next start names the same. What it does not let go of now it is asked for
        again.

        Raises:
            ComponentUnavailableError: see `add`.
        """
        kept = [
            str(self._path(certificate)) for certificate in certificates if certificate.name not in refused
        ]
        kept += [path for path in self._served() if _name_of(path) in refused]
        keep_written(self._list, "".join(f"{path}\n" for path in kept))
        for path in {*self._served()} - {*kept}:
            self._runtime.ask(f"del ssl crt-list {self._list} {path}")
        for path in {*self._known()} - {*kept}:
            self._runtime.ask(f"del ssl cert {path}")
        for file in (*self._folder.glob("*.pem"), *self._folder.glob(drafts_of("*.pem"))):
            if str(file) not in kept:
                file.unlink()

    def _served(self) -> list[str]:
        shown = self._runtime.ask(f"show ssl crt-list {self._list}").splitlines()
        return [line.split()[0] for line in shown if line.startswith("/")]

    def _known(self) -> list[str]:
        """Those that HAProxy has in memory, also one that a kill left half added or half removed."""
        shown = self._runtime.ask("show ssl cert").splitlines()
        return [line for line in shown if line.startswith(f"{self._folder}/")]

    def _load(self, path: Path, pem: str) -> str:
        """Why HAProxy does not take it; nothing where it does."""
        fill = (
            (f"set ssl cert {path}", "\n".join(line for line in pem.splitlines() if line)),
            (f"commit ssl cert {path}", None),
            (f"add ssl crt-list {self._list} {path}", None),
        )
        is_known = str(path) in self._known()
        for command, payload in fill if is_known else ((f"new ssl cert {path}", None), *fill):
            said = self._runtime.ask(command, payload=payload)
            if not _is_done(said):
                self._runtime.ask(f"abort ssl cert {path}")
                self._runtime.ask(f"del ssl cert {path}")
                return " ".join(said.split())[:300] or f"HAProxy said nothing to {command!r}."
        return ""

    def _path(self, certificate: Certificate) -> Path:
        digest = hashlib.sha256(certificate.pem.encode()).hexdigest()
        return self._folder / f"{certificate.name}-{digest[:16]}.pem"


def _name_of(path: str) -> str:
    """The certificate's name in its file's: what is behind the last hyphen is the content's."""
    return Path(path).name.rpartition("-")[0]


def _is_done(said: str) -> bool:
    """These commands tell what they do, a line for each part, and end with that they did it."""
    return any(word in said for word in ("New empty certificate store", "Transaction", "Success"))
