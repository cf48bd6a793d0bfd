"""HAProxy: every change is a command to the one that runs, and a file for the one that is started next."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from homeport.models import Certificate
from proxy.certificate_files import CertificateFiles
from proxy.driver import Applied
from proxy.haproxy_conf import MAP
from proxy.maps import map_commands, map_entries, read_entries, render_map
from proxy.own_files import keep_written
from proxy.routes import Route
from proxy.runtime import RuntimeSocket

_log = logging.getLogger(__name__)


class HAProxy:
    """A HAProxy that `python -m proxy` prepared.

    Args:
        folder: of its files.
        socket: its runtime API's.
        api_names: the hosts that lead to the API.
    """

    def __init__(self, folder: Path, socket: Path, *, api_names: Sequence[str] = ()) -> None:
        self._folder = folder
        self._map = folder / MAP
        self._api_names = api_names
        self._runtime = RuntimeSocket(socket)
        self._certificates = CertificateFiles(folder, self._runtime)

    def apply(self, routes: Sequence[Route], certificates: Sequence[Certificate]) -> Applied:
        """See `ProxyDriver`. The running one comes first: a new host must not wait for the disk."""
        wanted = self._entries(routes, certificates)
        try:
            served = self._certificates.served(certificates)
            wanted = self._entries(routes, served)
            problems = dict(self._change(wanted, routes))
            refused = self._certificates.add(certificates)
            older = self._certificates.older(refused)
            covering = [one for one in certificates if one.name not in refused or one.name in older]
            if covering != served:
                wanted = self._entries(routes, covering)
                problems |= self._change(wanted, routes)
            self._certificates.remove_others(certificates, refused)
        finally:
            keep_written(self._map, render_map(wanted))
        told = {
            name: f"{why}. The one before it is served still."
            for name, why in refused.items()
            if name in older
        }
        return Applied(box=problems.pop("", ""), routes=problems, certificates={**refused, **told})

    def _entries(self, routes: Sequence[Route], certificates: Sequence[Certificate]) -> Mapping[str, str]:
        covered = [name for certificate in certificates for name in certificate.names]
        return map_entries(routes, api_names=self._api_names, covered=covered)

    def _change(self, wanted: Mapping[str, str], routes: Sequence[Route]) -> Mapping[str, str]:
        """Why a change was refused, by the app whose host it is about; "" is for a host of none."""
        owners = {name: route.identifier for route in routes for name in route.names}
        current = read_entries(self._runtime.ask(f"show map {self._map}"))
        problems: dict[str, str] = {}
        for name, command in map_commands(str(self._map), current, wanted):
            if said := self._runtime.ask(command).strip():
                why = f"HAProxy said: {' '.join(said.split())[:300]}"
                _log.warning("to %r %s", command[:200], why)
                problems[owners.get(name, "")] = why
        return problems
