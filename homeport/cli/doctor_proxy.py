"""What `homeport doctor` says of the reverse proxy, and of names that lead to this machine."""

import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import psutil

from homeport.cli.verdict import Verdict
from homeport.errors import HomeportError
from homeport.host.binding import can_bind
from homeport.host.low_ports import EVERYWHERE, HTTP_PORTS, HTTPS_PORTS, is_apache, is_own_proxy
from homeport.host.ports import Listener, listener_on
from homeport.host.programs import run_program, server_environment, server_path
from homeport.names import LOOPBACK
from homeport.settings import Settings

_PROBE_S: Final = 10
_MODULES: Final = ("proxy_module", "proxy_http_module", "headers_module")
_HAPROXY: Final = "haproxy"
_INSTEAD: Final = dict((HTTP_PORTS, HTTPS_PORTS))


def check_proxy(settings: Settings) -> Verdict:
    """The verdict on the reverse proxy: whether it is there, and who has the web's ports."""
    match settings.proxy:
        case "none":
            mend = 'set proxy to "haproxy", and every app has a name'
            return Verdict(name="proxy", level="warn", found="switched off", mend=mend)
        case "apache":
            return _check_apache(settings)
        case "haproxy":
            program = shutil.which(_HAPROXY, path=server_path())
            return haproxy_verdict(
                settings,
                program,
                find_listener=listener_on,
                is_own=lambda listener: is_own_proxy(listener, settings),
                can_bind=lambda port: can_bind(EVERYWHERE, port, "tcp"),
            )


def haproxy_verdict(
    settings: Settings,
    program: str | None,
    *,
    find_listener: Callable[[int], Listener | None],
    is_own: Callable[[Listener], bool],
    can_bind: Callable[[int], bool],
) -> Verdict:
    """The verdict on HAProxy, of which this is the program, and on the ports that it is to have."""
    if program is None:
        return Verdict(
            name="proxy", level="bad", found="HAProxy is not installed", mend="sudo apt-get install haproxy"
        )
    wanted = [settings.http_port or HTTP_PORTS[0]]
    wanted += [settings.https_port or HTTPS_PORTS[0]] if settings.https else []
    shown = " and ".join(map(str, wanted))
    holders = [found for port in wanted if (found := find_listener(port)) and not is_own(found)]
    if any(holder.pid is None for holder in holders):
        mend = "run it with sudo, to see whose they are"
        return Verdict(name="proxy", level="ok", found=f"{program}; something has port {shown}", mend=mend)
    if holders:
        return _held_verdict(settings, holders)
    if elsewhere := [port for port in wanted if _is_elsewhere(port, find_listener, is_own)]:
        told = f"HAProxy listens on {_named(elsewhere)}, which something had when it was started"
        return Verdict(name="proxy", level="warn", found=told, mend="start Homeport again")
    if unbindable := [port for port in wanted if not (find_listener(port) or can_bind(port))]:
        mend = "start Homeport as root, or set http_port and https_port to ports above 1023"
        level: Literal["ok", "bad"] = "bad" if settings.http_port or settings.https_port else "ok"
        told = f"{program}; port {' and '.join(map(str, unbindable))} is root's"
        told += f", so {instead}" if (instead := _named(unbindable)) else ""
        return Verdict(name="proxy", level=level, found=told, mend=mend if level == "bad" else "")
    return Verdict(name="proxy", level="ok", found=f"{program}, port {shown}")


def _held_verdict(settings: Settings, holders: Sequence[Listener]) -> Verdict:
    told = "; ".join(f"port {holder.port} is held by {holder}" for holder in holders)
    if any(is_apache(holder.process) for holder in holders):
        mend = 'set proxy to "apache", and Apache leads to the apps; or stop it, and start Homeport again'
        return Verdict(name="proxy", level="warn", found=told, mend=mend)
    mend = "stop that and start Homeport again, or set http_port and https_port to others"
    if settings.http_port or settings.https_port:
        return Verdict(name="proxy", level="bad", found=told, mend=mend)
    instead = _named([holder.port for holder in holders])
    return Verdict(name="proxy", level="warn", found=f"{told}; {instead}", mend=mend)


def _named(ports: Sequence[int]) -> str:
    """What HAProxy listens on where it cannot have these."""
    return " and ".join(f"{_INSTEAD[port]} in place of {port}" for port in ports if port in _INSTEAD)


def _is_elsewhere(
    port: int, find_listener: Callable[[int], Listener | None], is_own: Callable[[Listener], bool]
) -> bool:
    """Whether the HAProxy that runs has another port, though nobody has this one any more."""
    other = find_listener(_INSTEAD[port]) if port in _INSTEAD and find_listener(port) is None else None
    return other is not None and is_own(other)


def _check_apache(settings: Settings) -> Verdict:
    name = "proxy"
    if not settings.apache_sites_dir.is_dir():
        found = f"Apache is to read {settings.apache_sites_dir}, which is not there"
        return Verdict(name=name, level="bad", found=found, mend="install Apache, or set apache_sites_dir")
    said = _control(settings, "configtest")
    if said.exit_code:
        mend = f"mend that; {settings.apache_control} configtest says it again"
        return Verdict(name=name, level="bad", found=f"Apache's configuration: {said.text}", mend=mend)
    loaded = _control(settings, "-M").text
    if missing := [module for module in _MODULES if module not in loaded]:
        words = " ".join(module.removesuffix("_module") for module in missing)
        found = f"Apache lacks {', '.join(missing)}"
        return Verdict(name=name, level="bad", found=found, mend=f"sudo a2enmod {words}")
    if shutil.which("rotatelogs", path=server_path()) is None:
        mend = "install Apache's rotatelogs (apache2-utils, httpd-tools)"
        return Verdict(
            name=name, level="bad", found="rotatelogs, which keeps apps' logs, is missing", mend=mend
        )
    return Verdict(name=name, level="ok", found=f"Apache, {settings.apache_sites_dir}")


@dataclass(frozen=True)
class _Said:
    exit_code: int
    text: str


def _control(settings: Settings, word: str) -> _Said:
    try:
        result = run_program(
            [settings.apache_control, word], environment=server_environment(), ceiling_s=_PROBE_S
        )
    except HomeportError as error:
        return _Said(1, str(error))
    return _Said(result.exit_code, " ".join(result.tail))


def check_names(settings: Settings) -> Verdict:
    """The verdict on names: whether one of the domain leads to this machine, as this machine finds it."""
    own = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    return names_verdict(
        settings, _resolve(f"{settings.api_name}.{settings.domain}"), own | {LOOPBACK, "::1"}
    )


def names_verdict(settings: Settings, found: Sequence[str], own: set[str]) -> Verdict:
    """The verdict on a name that was found at these addresses by a machine that has its own."""
    name = f"{settings.api_name}.{settings.domain}"
    if settings.proxy == "none":
        return Verdict(name="names", level="ok", found="not needed: proxy is none")
    if settings.domain == "localhost":
        told = f"{name} is this machine in every browser on it (RFC 6761)"
        return Verdict(name="names", level="ok", found=told)
    mend = f"have your network's name server lead *.{settings.domain} here: docs/names.md"
    if not found:
        return Verdict(name="names", level="warn", found=f"{name} is not known", mend=mend)
    told = f"{name} is {', '.join(found)}"
    if set(found) <= own:
        return Verdict(name="names", level="ok", found=told)
    return Verdict(name="names", level="warn", found=f"{told}, which is not this machine", mend=mend)


def _resolve(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
