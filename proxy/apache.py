"""Apache, where it is the front of the host: a file for each app, tested before a graceful reload.

What is new is tested in a folder of its own, beside all that Apache reads already, and moved only when it
passed: a file that Apache does not take is never there when it starts.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from homeport.errors import ComponentUnavailableError, HomeportError, InvalidInputError
from homeport.host.files import read_bounded, write_atomic
from homeport.host.programs import run_program
from homeport.models import Certificate
from homeport.names import api_names, split_address
from homeport.settings import Settings, program_environment
from proxy.apache_vhost import TEMPLATE, render_virtual_host
from proxy.driver import Applied
from proxy.routes import Route, RouteState

_log = logging.getLogger(__name__)

_CONTROL_S: Final = 30  # apachectl reads all of Apache's configuration
_AGAIN_S: Final = 300  # what Apache refused it may take once its owner has mended something else
_OPTIONS_BYTES: Final = 64 * 1024
_API: Final = "homeport-api.conf"
_APP: Final = "homeport-app-{}.conf"


@dataclass(frozen=True, kw_only=True)
class Apache:
    """An Apache that reads every file of `sites_dir`.

    `own_dir` is for what is tested and remembered; `options_dir` has what the owner adds, a file for each
    app; `projects_dir` the apps' folders, for their logs; `control` is apachectl; `api` the hosts of the API,
    and its port; `again_s` is after how long a refused file is tried again.
    """

    sites_dir: Path
    own_dir: Path
    options_dir: Path
    projects_dir: Path
    control: str
    api: tuple[Sequence[str], int]
    template: Path = TEMPLATE
    again_s: float = _AGAIN_S

    def apply(self, routes: Sequence[Route], certificates: Sequence[Certificate]) -> Applied:
        """See `ProxyDriver`. HTTPS is Apache's own matter: certificates stand in its configuration.

        Raises:
            ComponentUnavailableError: Apache is not there, or takes its configuration not even without us.
        """
        wanted = {_API: self._render(_api_route(*self.api))}
        owners = {_APP.format(route.identifier): route.identifier for route in routes}
        problems: dict[str, str] = {}
        for route in routes:
            if route.state is RouteState.SERVING:
                try:
                    wanted[_APP.format(route.identifier)] = self._render(route)
                except InvalidInputError as error:
                    problems[route.identifier] = f"{error.what} {error.why}"
        refused = self._bring_to(wanted)
        return Applied(
            routes=problems | {owners[name]: why for name, why in refused.items() if name in owners}
        )

    def withdraw(self) -> None:
        """Takes out of it what this box put there, where it did: another proxy leads to the apps.

        Raises:
            ComponentUnavailableError: Apache does not take its configuration without it.
        """
        if self._mark.exists():
            self._settle({})
            self._mark.unlink()

    def _bring_to(self, wanted: Mapping[str, str]) -> Mapping[str, str]:
        """Has Apache read these files and no others of ours; why each that it does not take is left out."""
        live, refused = _read_all(self.sites_dir), self._refused(wanted)
        new = {name: text for name, text in wanted.items() if live.get(name) != text and name not in refused}
        if new and self._complaint(new):
            dropped = self._drop_bad()
            refused |= {name: why for name, why in dropped.items() if name in wanted and name not in new}
            live = _read_all(self.sites_dir)
            for name, text in new.items():
                if why := self._complaint({name: text}):
                    refused[name] = why
        settled = {name: text for name, text in live.items() if name in wanted}
        settled |= {name: text for name, text in new.items() if name not in refused}
        if settled != live or not self._was_reloaded_with(settled):
            dropped = self._settle(settled)
            refused |= {name: why for name, why in dropped.items() if name in wanted}
        self._remember(wanted, refused)
        return refused

    def _complaint(self, candidates: Mapping[str, str]) -> str:
        """What Apache has against its configuration with these files besides; nothing where it takes it."""
        folder = self.own_dir / "candidates"
        folder.mkdir(parents=True, exist_ok=True)
        _bring_folder_to(folder, candidates)
        exit_code, said = self._run("-t", "-c", f"IncludeOptional {folder}/*.conf")
        return said if exit_code else ""

    def _drop_bad(self) -> dict[str, str]:
        """Takes out what is ours and keeps Apache from reading its configuration; why, by the file's name.

        What passed once may do so no more: something that it names has gone, or a hand wrote it.

        Raises:
            ComponentUnavailableError: what Apache complains of is none of ours.
        """
        dropped: dict[str, str] = {}
        while why := self._complaint({}):
            ours = _read_all(self.sites_dir)
            bad = next((name for name in ours if str(self.sites_dir / name) in why), None)
            if bad is None:
                raise _broken(why)
            _log.warning("Apache does not take %s: %s", bad, why)
            (self.sites_dir / bad).unlink()
            dropped[bad] = why
        return dropped

    def _settle(self, files: Mapping[str, str]) -> dict[str, str]:
        """Writes files that passed, and reloads; see `_drop_bad`."""
        _bring_folder_to(self.sites_dir, files)
        dropped = self._drop_bad()
        exit_code, said = self._run("graceful")
        if exit_code:
            raise _broken(said)
        self.own_dir.mkdir(parents=True, exist_ok=True)
        write_atomic(self._mark, _digest(_read_all(self.sites_dir)))
        return dropped

    def _was_reloaded_with(self, files: Mapping[str, str]) -> bool:
        return self._mark.exists() and self._mark.read_text(encoding="utf-8") == _digest(files)

    @property
    def _mark(self) -> Path:
        return self.own_dir / "reloaded"

    @property
    def _memory(self) -> Path:
        return self.own_dir / "refused.json"

    def _refused(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Why files were refused that are still the same; after a while they are tried again."""
        if self._is_memory_old():
            return {}
        kept = json.loads(self._memory.read_text(encoding="utf-8"))
        return {name: why for name, (digest, why) in kept.items() if digest == _digest_of(wanted, name)}

    def _remember(self, wanted: Mapping[str, str], refused: Mapping[str, str]) -> None:
        kept = json.dumps({name: (_digest_of(wanted, name), why) for name, why in refused.items()})
        if self._is_memory_old() or self._memory.read_text(encoding="utf-8") != kept:
            write_atomic(self._memory, kept)

    def _is_memory_old(self) -> bool:
        try:
            return time.time() - self._memory.stat().st_mtime > self.again_s
        except OSError:
            return True

    def _run(self, *words: str) -> tuple[int, str]:
        try:
            result = run_program(
                [self.control, *words], environment=program_environment(), ceiling_s=_CONTROL_S
            )
        except HomeportError as error:
            raise _broken(str(error)) from error
        return result.exit_code, " ".join(result.tail[-5:]) or f"{self.control} {words[0]} failed"

    def _render(self, route: Route) -> str:
        return render_virtual_host(
            self.template.read_text(encoding="utf-8"),
            route,
            log_dir=self.projects_dir / route.identifier if route.identifier else self.own_dir,
            options=self._options(route.identifier),
        )

    def _options(self, identifier: str) -> str:
        """What the owner adds to the app's virtual host.

        Raises:
            InvalidInputError: it cannot be read.
        """
        file = self.options_dir / f"{identifier}.conf"
        try:
            return read_bounded(file, _OPTIONS_BYTES).decode("utf-8") if identifier and file.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            what = f"What the owner adds cannot be read: {file}."
            raise InvalidInputError(what, why=str(error), remedy="Mend or remove it.") from error


def create_apache(settings: Settings) -> Apache:
    """The host's Apache, as the settings describe it."""
    return Apache(
        sites_dir=settings.apache_sites_dir,
        own_dir=settings.proxy_dir / "apache",
        options_dir=settings.apache_options_dir,
        projects_dir=settings.projects_dir,
        control=settings.apache_control,
        api=(
            api_names(settings.domain, settings.api_name),
            split_address(settings.listen)[1],
        ),
    )


def _api_route(names: Sequence[str], port: int) -> Route:
    return Route(identifier="", names=tuple(names), port=port, state=RouteState.SERVING)


def _read_all(folder: Path) -> dict[str, str]:
    """Our files in a folder, by name; an owner's are none of them."""
    files = [folder / _API, *sorted(folder.glob(_APP.format("*")))]
    return {file.name: file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists()}


def _bring_folder_to(folder: Path, files: Mapping[str, str]) -> None:
    current = _read_all(folder)
    for name in current.keys() - files.keys():
        (folder / name).unlink()
    for name, text in files.items():
        if current.get(name) != text:
            write_atomic(folder / name, text)


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _digest_of(files: Mapping[str, str], name: str) -> str:
    return _digest({name: files.get(name, "")})


def _broken(why: str) -> ComponentUnavailableError:
    return ComponentUnavailableError(
        "Apache could not be told.",
        why=why,
        remedy="Mend what it says; `apache2ctl configtest` says it again. It needs the modules proxy, "
        "proxy_http and headers (a2enmod), and has to read apache_sites_dir.",
        component="proxy",
    )
