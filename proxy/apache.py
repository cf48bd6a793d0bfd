"""Apache, where it is the front of the host: a file for each app, tested before a graceful reload.

What is new is tested in a folder of its own, beside all that Apache reads already, and moved only when it
passed: a file that Apache does not take is never there when it starts. What the test does not see, a log that
cannot be opened say, ends an Apache that reloads: it is started again with what it had, and the file that
did it is left out until it is another.
"""

import logging
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from homeport.errors import InvalidInputError
from homeport.host.files import read_bounded
from homeport.host.programs import server_path
from homeport.models import Certificate
from homeport.names import api_names, split_address
from homeport.settings import Settings
from proxy.apache_files import API_FILE, Refusal, Refusals, Reloaded, app_file, bring_folder_to, read_files
from proxy.apache_server import ApacheServer, broken
from proxy.apache_vhost import TEMPLATE, render_virtual_host
from proxy.driver import Applied
from proxy.routes import Route, RouteState

_log = logging.getLogger(__name__)

_AGAIN_S: Final = 300  # what Apache refused it may take once its owner has mended something else
_OPTIONS_BYTES: Final = 64 * 1024
_PORT: Final = 80  # the template's


@dataclass(frozen=True, kw_only=True)
class Apache:
    """An Apache that reads every file of `sites_dir`.

    `own_dir` is for what is tested and remembered; `options_dir` has what the owner adds, a file for each
    app; `projects_dir` the apps' folders, for their logs; `server` is the program; `api` the hosts of the
    API, and its port; `rotatelogs` that program's path, "" where it is not there; `again_s` is after how long
    a refused file is tried again.
    """

    sites_dir: Path
    own_dir: Path
    options_dir: Path
    projects_dir: Path
    server: ApacheServer
    api: tuple[Sequence[str], int]
    rotatelogs: str
    template: Path = TEMPLATE
    again_s: float = _AGAIN_S

    def apply(self, routes: Sequence[Route], certificates: Sequence[Certificate]) -> Applied:
        """See `ProxyDriver`. HTTPS is Apache's own matter: certificates stand in its configuration.

        Raises:
            ComponentUnavailableError: Apache is not there, takes its configuration not even without us, or
                has no virtual host of its own before ours.
            InvalidInputError: not even the API's can be written.
        """
        wanted = {API_FILE: self._render(_api_route(*self.api))}
        owners = {app_file(route.identifier): route.identifier for route in routes}
        problems: dict[str, str] = {}
        for route in routes:
            if route.state is RouteState.SERVING:
                try:
                    wanted[app_file(route.identifier)] = self._render(route)
                except InvalidInputError as error:
                    problems[route.identifier] = f"{error.what} {error.why}"
        refused = self._bring_to(wanted, {app_file(identifier) for identifier in problems})
        problems |= {owners[name]: refusal.why for name, refusal in refused.items() if name in owners}
        return Applied(box=refused[API_FILE].why if API_FILE in refused else "", routes=problems)

    def withdraw(self) -> None:
        """Takes out of it what this box put there, where it did: another proxy leads to the apps.

        An Apache that does not run, or is no longer installed, reads none of it when it starts.

        Raises:
            ComponentUnavailableError: Apache does not take its configuration without it.
        """
        if self._reloaded.was_ever():
            bring_folder_to(self.sites_dir, {})
            self.server.reload()
            self._reloaded.forget()

    def _bring_to(self, wanted: Mapping[str, str], kept: Collection[str]) -> Mapping[str, Refusal]:
        """Has Apache read these files, those of `kept` as they are, and no others of ours.

        Returns:
            Why each that Apache does not take is left out.
        """
        self._see_to_its_end()
        live, refused = read_files(self.sites_dir), self._refusals.of(wanted)
        new = {name: text for name, text in wanted.items() if live.get(name) != text and name not in refused}
        if new and self._complaint(new):
            dropped = self._drop_bad()
            refused |= {name: why for name, why in dropped.items() if name in wanted and name not in new}
            live = read_files(self.sites_dir)
            for name, text in new.items():
                if why := self._complaint({name: text}):
                    refused[name] = Refusal(why)
        settled = {name: text for name, text in live.items() if name in wanted or name in kept}
        settled |= {name: text for name, text in new.items() if name not in refused}
        if settled != live or not self._reloaded.is_with(settled):
            dropped = self._settle(settled)
            refused |= {name: refusal for name, refusal in dropped.items() if name in wanted}
        self._refusals.keep(wanted, refused)
        return refused

    def _see_to_its_end(self) -> None:
        """An Apache that ended in a reload whose process was killed is started, without anything of ours."""
        if self._reloaded.was_broken_off():
            if not self.server.runs():
                bring_folder_to(self.sites_dir, {})
                self.server.start_again()
            self._reloaded.end()

    def _complaint(self, candidates: Mapping[str, str]) -> str:
        """What Apache has against its configuration with these files besides; nothing where it takes it."""
        folder = self.own_dir / "candidates"
        folder.mkdir(parents=True, exist_ok=True)
        bring_folder_to(folder, candidates)
        return self.server.complaint(folder)

    def _drop_bad(self) -> dict[str, Refusal]:
        """Takes out what is ours and keeps Apache from reading its configuration; why, by the file's name.

        What passed once may do so no more: something that it names has gone, or a hand wrote it.

        Raises:
            ComponentUnavailableError: what Apache complains of is none of ours.
        """
        dropped: dict[str, Refusal] = {}
        while why := self._complaint({}):
            ours = read_files(self.sites_dir)
            bad = next((name for name in ours if str(self.sites_dir / name) in why), None)
            if bad is None:
                raise broken(why)
            _log.warning("Apache does not take %s: %s", bad, why)
            (self.sites_dir / bad).unlink()
            dropped[bad] = Refusal(why)
        return dropped

    def _settle(self, files: Mapping[str, str]) -> dict[str, Refusal]:
        """Has Apache read these files, which passed, and no others of ours.

        Returns:
            Why some are left out after all.
        """
        before = read_files(self.sites_dir)
        bring_folder_to(self.sites_dir, files)
        dropped: dict[str, Refusal] = {}
        first = self.server.first_hosts()
        if first is None:
            dropped = self._drop_bad()
            first = self.server.first_hosts()
        self._require_owner_s_first(first or (), before)
        self._reloaded.begin()
        if not self.server.reload():
            dropped |= self._find_deadly(before, files)
        self._reloaded.end()
        self._reloaded.note(read_files(self.sites_dir))
        return dropped

    def _require_owner_s_first(self, first: Iterable[Path], before: Mapping[str, str]) -> None:
        """The first virtual host of a port gets every name that no other one takes: the platform's own.

        Raises:
            ComponentUnavailableError: it is one of ours, of which none is left there then.
        """
        ours = read_files(self.sites_dir)
        for name in (path.name for path in first if path.name in ours):
            bring_folder_to(self.sites_dir, {} if name in before else before)
            raise broken(
                f"{name} would be the first virtual host of port {self.server.port}, which gets every "
                f"name that is no app's. Give what Apache serves now a <VirtualHost *:{self.server.port}> "
                "of its own, in a file that it reads before that one."
            )

    def _find_deadly(self, before: Mapping[str, str], files: Mapping[str, str]) -> dict[str, Refusal]:
        """Starts an Apache again that did not live through these files, then gives it the new ones in turn.

        Returns:
            Why each that it does not live through is left out.

        Raises:
            ComponentUnavailableError: it ends without them, too.
        """
        settled = {name: text for name, text in before.items() if name in files}
        new = sorted(name for name, text in files.items() if before.get(name) != text)
        dropped: dict[str, Refusal] = {}
        bring_folder_to(self.sites_dir, settled)
        self.server.start_again()
        if not new:
            raise broken("It ended when it reloaded, and was started again. Its error log says why.")
        for name in new:
            bring_folder_to(self.sites_dir, {**settled, name: files[name]})
            if len(new) > 1 and self.server.reload():
                settled[name] = files[name]
                continue
            bring_folder_to(self.sites_dir, settled)
            if len(new) > 1:
                self.server.start_again()
            why = "Apache ended when it read this; its error log says why, a missing program for logs say."
            dropped[name] = Refusal(f"{why} It is tried again when it is changed.", is_final=True)
        return dropped

    @property
    def _reloaded(self) -> Reloaded:
        return Reloaded(self.own_dir)

    @property
    def _refusals(self) -> Refusals:
        return Refusals(self.own_dir, self.again_s)

    def _render(self, route: Route) -> str:
        return render_virtual_host(
            self.template.read_text(encoding="utf-8"),
            route,
            log_dir=self.projects_dir / route.identifier if route.identifier else self.own_dir,
            rotatelogs=self._required_rotatelogs(),
            options=self._options(route.identifier),
        )

    def _required_rotatelogs(self) -> str:
        """Its path. Without it, Apache would end when it reloads.

        Raises:
            InvalidInputError: it is not there.
        """
        if self.rotatelogs:
            return self.rotatelogs
        what = "Apache's rotatelogs, which keeps apps' logs, is not installed."
        raise InvalidInputError(what, why="", remedy="Install apache2-utils or httpd-tools.")

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
        server=ApacheServer(settings.apache_control, _PORT),
        rotatelogs=shutil.which("rotatelogs", path=server_path()) or "",
        api=(
            api_names(settings.domain, settings.api_name),
            split_address(settings.listen)[1],
        ),
    )


def _api_route(names: Sequence[str], port: int) -> Route:
    return Route(identifier="", names=tuple(names), port=port, state=RouteState.SERVING)
