"""The owner's certificates in HAProxy: a file for each, and the commands that add and remove one."""

import hashlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from homeport.host.files import drafts_of
from homeport.models import Certificate
from proxy.haproxy_conf import CERTIFICATES
from proxy.maps import is_covered
from proxy.own_files import keep_written
from proxy.runtime import RuntimeSocket

FOLDER: Final = "certificates"

_MODE: Final = 0o640  # with the key in it: for root, and for the group that HAProxy runs in


_FILE: Final = re.compile(r"'?/[^\s']+\.(?:pem|list)'?")


class CertificateFiles:
    """The certificates of one HAProxy.

    A file is named after all that is in it, and the names that it is served for. So a new certificate of the
    same name is another file, which is added before the old one goes, and two tables are compared by their
    files' names alone.
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
        paths, lines = self._served(), self._lines(certificates)
        return [one for one in certificates if _path_in(lines[one.name]) in paths]

    def add(self, certificates: Sequence[Certificate]) -> Mapping[str, str]:
        """Makes these be served, beside those that are; why one is not, by its name.

        Raises:
            ComponentUnavailableError: HAProxy does not answer.
        """
        served, lines = self._served(), self._lines(certificates)
        refused: dict[str, str] = {}
        owner = (os.geteuid(), self._folder.stat().st_gid)
        for certificate in certificates:
            line = lines[certificate.name]
            keep_written(Path(_path_in(line)), certificate.pem, mode=_MODE, owner=owner)
            if _path_in(line) not in served and (why := self._load(line, certificate.pem)):
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
        lines = self._lines(certificates)
        kept = {_path_in(lines[one.name]): lines[one.name] for one in certificates if one.name not in refused}
        kept |= {path: line for path, line in self._served().items() if _name_of(path) in refused}
        keep_written(self._list, "".join(f"{line}\n" for line in kept.values()))
        for path in self._served().keys() - kept.keys():
            self._runtime.ask(f"del ssl crt-list {self._list} {path}")
        for path in {*self._known()} - kept.keys():
            self._runtime.ask(f"del ssl cert {path}")
        for file in (*self._folder.glob("*.pem"), *self._folder.glob(drafts_of("*.pem"))):
            if str(file) not in kept:
                file.unlink()

    def _served(self) -> dict[str, str]:
        """The lines of what is served, by the files' paths."""
        shown = self._runtime.ask(f"show ssl crt-list {self._list}").splitlines()
        return {_path_in(line): line for line in shown if line.startswith("/")}

    def _known(self) -> list[str]:
        """Those that HAProxy has in memory, also one that a kill left half added or half removed."""
        shown = self._runtime.ask("show ssl cert").splitlines()
        return [line for line in shown if line.startswith(f"{self._folder}/")]

    def _load(self, line: str, pem: str) -> str:
        """Why HAProxy does not take it; nothing where it does."""
        path = _path_in(line)
        fill = (
            (f"set ssl cert {path}", "\n".join(text for text in pem.splitlines() if text)),
            (f"commit ssl cert {path}", None),
            (f"add ssl crt-list {self._list}", line),
        )
        is_known = path in self._known()
        for command, payload in fill if is_known else ((f"new ssl cert {path}", None), *fill):
            said = self._runtime.ask(command, payload=payload)
            if not _is_done(said):
                self._runtime.ask(f"abort ssl cert {path}")
                self._runtime.ask(f"del ssl cert {path}")
                return _reason(said) or f"HAProxy said nothing to {command!r}."
        return ""

    def _lines(self, certificates: Sequence[Certificate]) -> dict[str, str]:
        """The line of each for HAProxy's list, by its name: a file, and the hosts that it is served for."""
        hosts = served_hosts(certificates)
        found: dict[str, str] = {}
        for one in certificates:
            digest = hashlib.sha256(f"{one.pem}{hosts[one.name]}".encode()).hexdigest()
            found[one.name] = f"{self._folder / f'{one.name}-{digest[:16]}.pem'} {hosts[one.name]}"
        return found


def served_hosts(certificates: Sequence[Certificate]) -> dict[str, str]:
    """The hosts that each certificate is served for, as a line of HAProxy's list has them, by its name.

    They are its names. Another one's that stands for a host alone counts more than a `*` that stands for it
    too, whatever the kinds of their keys: HAProxy would take one with an elliptic curve before all others.
    """
    alone = {name for one in certificates for name in one.names if not name.startswith("*.")}
    found: dict[str, str] = {}
    for one in certificates:
        stars = [name for name in one.names if name.startswith("*.")]
        others = sorted(name for name in alone - {*one.names} if is_covered(name, stars))
        found[one.name] = " ".join((*one.names, *(f"!{name}" for name in others)))
    return found


def _path_in(line: str) -> str:
    return line.partition(" ")[0]


def _reason(said: str) -> str:
    """What HAProxy said, without its files' paths, which tell its owner nothing."""
    words = " ".join(said.replace("Failed!", "").split())
    return "HAProxy said: " + _FILE.sub("it", words).strip(" .!")[:300] if words else ""


def _name_of(path: str) -> str:
    """The certificate's name in its file's: what is behind the last hyphen is the content's."""
    return Path(path).name.rpartition("-")[0]


def _is_done(said: str) -> bool:
    """These commands tell what they do, a line for each part, and end with that they did it."""
    return any(word in said for word in ("New empty certificate store", "Transaction", "Success"))
