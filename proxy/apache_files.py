"""Homeport's files for Apache: in a folder that it shares with the owner, and what is remembered of them."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from homeport.host.files import write_atomic

API_FILE: Final = "homeport-api.conf"
_APP_FILE: Final = "homeport-app-{}.conf"


class Refusal(NamedTuple):
    """Why a file is left out. What is final is not tried again before it is another file."""

    why: str
    is_final: bool = False


def app_file(identifier: str) -> str:
    """The name of an app's file."""
    return _APP_FILE.format(identifier)


def read_files(folder: Path) -> dict[str, str]:
    """Our files in a folder, by name; an owner's are none of them."""
    files = [folder / API_FILE, *sorted(folder.glob(app_file("*")))]
    return {file.name: file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists()}


def bring_folder_to(folder: Path, files: Mapping[str, str]) -> None:
    """Makes these be our files in a folder, and no others."""
    current = read_files(folder)
    for name in current.keys() - files.keys():
        (folder / name).unlink()
    for name, text in files.items():
        if current.get(name) != text:
            write_atomic(folder / name, text)


class Reloaded:
    """With which files Apache was reloaded last, over the deaths of this process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "reloaded"
        self._begun = folder / "reloading"

    def begin(self) -> None:
        """It is being reloaded: nobody knows yet whether it lives through that."""
        self._begun.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._begun, "")

    def end(self) -> None:
        """It lived through it, or was started again."""
        self._begun.unlink(missing_ok=True)

    def was_broken_off(self) -> bool:
        """Whether who reloaded it did not see the end of that."""
        return self._begun.exists()

    def is_with(self, files: Mapping[str, str]) -> bool:
        """Whether it was with these."""
        return self.was_ever() and self._file.read_bytes() == _digest(files).encode()

    def was_ever(self) -> bool:
        """Whether Apache has any."""
        return self._file.exists()

    def note(self, files: Mapping[str, str]) -> None:
        """It was with these."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._file, _digest(files))

    def forget(self) -> None:
        """It has none any more."""
        self._file.unlink()


class Refusals:
    """Which files Apache did not take, so that it is not asked at every look.

    Args:
        folder: where that is kept.
        again_s: after how long it is asked again, unless a refusal is final.
    """

    def __init__(self, folder: Path, again_s: float) -> None:
        self._file = folder / "refused.json"
        self._again_s = again_s

    def of(self, wanted: Mapping[str, str]) -> dict[str, Refusal]:
        """Those of files that are still the same."""
        try:
            found = {
                name: Refusal(*refusal)
                for name, (digest, *refusal) in json.loads(self._file.read_bytes()).items()
                if digest == _digest_of(wanted, name)
            }
        except (FileNotFoundError, ValueError, TypeError, AttributeError):  # spoiled: as if there were none
            return {}
        is_old = self._is_old()
        return {name: refusal for name, refusal in found.items() if refusal.is_final or not is_old}

    def keep(self, wanted: Mapping[str, str], refused: Mapping[str, Refusal]) -> None:
        """Writes down which of the files are refused."""
        kept = json.dumps({name: (_digest_of(wanted, name), *refusal) for name, refusal in refused.items()})
        if self._is_old() or self._file.read_bytes() != kept.encode():
            write_atomic(self._file, kept)

    def _is_old(self) -> bool:
        try:
            return time.time() - self._file.stat().st_mtime > self._again_s
        except OSError:
            return True


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _digest_of(files: Mapping[str, str], name: str) -> str:
    return _digest({name: files.get(name, "")})
