"""A catalog that is a git repository: its HEAD is fetched, and nothing in it is run.

The repository is fetched bare and shallow, so there is no checkout: no hook, filter or submodule has a part.
Each definition's folder is taken out as an archive, and unpacked like one that anybody might have sent.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from homeport.catalog.archive import unpack_archive
from homeport.catalog.definition import APP_FILE
from homeport.catalog.sources import MAX_FILES, MAX_FOLDER_BYTES
from homeport.host.programs import ProgramResult, run_program
from homeport.plans import Control
from homeport.settings import Settings, program_environment
from workers.catalogs.gathering import APPS_FOLDER, Fetched, folder_bytes, gather, too_large, unavailable

_HEAD: Final = "FETCH_HEAD"
_LISTING_BYTES: Final = 4 * 1024 * 1024  # names of some ten thousand folders
_SLOW_BYTES_S: Final = 100  # a server that sends less for a minute has gone
_SLOW_S: Final = 60
_LARGEST_PIECE: Final = "128m"  # a pack of a kilobyte may say that it unpacks to terabytes
_STREAMED_FROM: Final = "16m"  # files above are never in memory as a whole
_TREE = re.compile(r"\d{6} tree [0-9a-f]{40,64}\t([^/\n]+)")


def fetch_git(
    source: str,
    target: Path,
    work: Path,
    *,
    settings: Settings,
    control: Control,
    log: Callable[[str], None],
) -> Fetched:
    """See `FetchCatalog`."""
    repository = _Repository(source, work, settings, control)
    repository.fetch()
    folders = {path.rpartition("/")[2]: path for path in reversed(repository.definitions())}
    puts = {name: partial(repository.unpack, path) for name, path in sorted(folders.items())}
    problems = gather(puts, target, source, settings=settings, control=control)
    return Fetched(revision=repository.revision(), problems=problems)


class _Repository:
    """A bare copy of what the source's HEAD holds."""

    def __init__(self, source: str, work: Path, settings: Settings, control: Control) -> None:
        self._source = source
        self._work = work
        self._settings = settings
        self._control = _Bounded(control, work, source, settings)
        self._folder = work / "repository"
        self._environment = _environment(source, work, settings)

    def fetch(self) -> None:
        """Fetches HEAD."""
        self._git("init", "--quiet", "--bare", "--template=", str(self._folder), cwd=self._work)
        self._git(
            *("fetch", "--progress", "--depth=1", "--no-tags", "--no-recurse-submodules", "source", "HEAD"),
        )

    def revision(self) -> str:
        """The commit that was fetched."""
        return self._asked("rev-parse", _HEAD).strip().splitlines()[-1]

    def definitions(self) -> list[str]:
        """The paths of folders with an app.yml: those at the top, then those in `apps`."""
        places = _TREE.findall(self._asked("ls-tree", _HEAD))
        if APPS_FOLDER in places:
            inside = _TREE.findall(self._asked("ls-tree", f"{_HEAD}:{APPS_FOLDER}"))
            places += [f"{APPS_FOLDER}/{name}" for name in inside]
        if not places:
            return []
        wanted = "".join(f"{_HEAD}:{place}/{APP_FILE}\n" for place in places)
        answers = self._asked("cat-file", "--batch-check=%(objecttype)", stdin=wanted).splitlines()
        pairs = zip(places, answers[-len(places) :], strict=True)
        return [place for place, kind in pairs if kind == "blob"]

    def unpack(self, path: str, target: Path) -> None:
        """Makes the folder that the path is in the repository."""
        archive = self._work / "definition.tar"
        self._git("archive", "--format=tar", f"--output={archive}", f"{_HEAD}:{path}")
        unpack_archive(
            archive,
            target,
            max_bytes=MAX_FOLDER_BYTES,
            max_files=MAX_FILES,
            spare_bytes=self._settings.spare_bytes,
        )

    def _asked(self, *words: str, stdin: str = "") -> str:
        gathered = bytearray()

        def take(piece: bytes) -> None:
            gathered.extend(piece)
            if len(gathered) > _LISTING_BYTES:
                raise unavailable(self._source, "It has too many folders.")

        self._git(*words, on_output=take, stdin=stdin.encode())
        return gathered.decode(errors="replace")

    def _git(
        self,
        *words: str,
        cwd: Path | None = None,
        on_output: Callable[[bytes], None] | None = None,
        stdin: bytes | None = None,
    ) -> None:
        result = run_program(
            ["git", *words],
            environment=self._environment,
            control=self._control,
            cwd=cwd or self._folder,
            stall_s=self._settings.stall_s,
            ceiling_s=self._settings.catalog_ceiling_s,
            on_output=on_output,
            stdin=stdin,
        )
        if result.exit_code != 0:
            raise unavailable(self._source, _last_words(words[0], result))


class _Bounded:
    """Asks the control, and whether what git writes has become too large."""

    def __init__(self, control: Control, work: Path, source: str, settings: Settings) -> None:
        self._control = control
        self._work = work
        self._source = source
        self._settings = settings

    def check(self) -> None:
        """See `Control.check`."""
        self._control.check()
        if folder_bytes(self._work) > self._settings.catalog_max_bytes:
            raise too_large(self._source, self._settings)


def _environment(source: str, work: Path, settings: Settings) -> Mapping[str, str]:
    """What git gets: no configuration but ours, nobody to ask, and the one protocol that the source has.

    The source stands in the configuration, where no list of processes shows it. A repository of the box may
    belong to another user: git reads it only where `safe.directory` names it (git-config(1)).
    """
    is_path = source.startswith("/")
    base = program_environment()
    lines = [
        _section("core", hooksPath="/dev/null", fsmonitor="false", bigFileThreshold=_STREAMED_FROM),
        _section("credential", helper=""),
        _section("fetch", recurseSubmodules="false", unpackLimit="1"),
        _section("gc", auto="0"),
        _section("pack", threads="1"),
        _section("http", lowSpeedLimit=str(_SLOW_BYTES_S), lowSpeedTime=str(_SLOW_S)),
        _section('remote "source"', url=source),
    ]
    if authorities := settings.upstream_ca_file or base.get("SSL_CERT_FILE"):
        lines.append(_section("http", sslCAInfo=authorities))
    if is_path:
        real = str(Path(source).resolve())
        lines += [_section("safe", directory=place) for place in _with_git_folder(source, real)]
    configuration = work / "gitconfig"
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    configuration.chmod(0o600)
    return {
        **base,
        "HOME": str(work),
        "LC_ALL": "C",
        "GIT_ALLOC_LIMIT": _LARGEST_PIECE,
        "GIT_ALLOW_PROTOCOL": "file" if is_path else "https",
        "GIT_CONFIG_GLOBAL": str(configuration),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _with_git_folder(*places: str) -> Sequence[str]:
    return sorted({place + end for place in places for end in ("", "/.git")})


def _section(name: str, **values: str) -> str:
    escaped = {key: value.replace("\\", "\\\\").replace('"', '\\"') for key, value in values.items()}
    return "\n".join([f"[{name}]", *(f'\t{key} = "{value}"' for key, value in escaped.items())])


def _last_words(command: str, result: ProgramResult) -> str:
    told = [line for line in result.tail if line.startswith(("fatal:", "error:"))]
    return f"git {command} ended with status {result.exit_code}: {' '.join(told[-3:])[:600] or 'no word'}"
