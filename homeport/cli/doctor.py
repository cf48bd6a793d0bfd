"""What `homeport doctor` looks at: one small check per thing that Homeport needs on a machine."""

import os
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from homeport.caches import ABSENT_PATHS, HEALTH_PATH, PORT_OFFSETS, Ecosystem
from homeport.cli.account import is_user, remedy_for, way_to_docker
from homeport.cli.client import ApiClient, ApiProblemError, ApiUnreachableError
from homeport.cli.doctor_proxy import check_names, check_proxy
from homeport.cli.verdict import Verdict
from homeport.errors import EngineUnavailableError, HomeportError
from homeport.host.disk import free_bytes
from homeport.host.engine import Engine
from homeport.host.ports import listener_on
from homeport.host.programs import run_program
from homeport.host.sockets import http_status
from homeport.settings import GIB, Settings, default_config_file, program_environment

_PROBE_S = 10
_UPSTREAM_S = 40  # longer than a cache waits for its upstream
_REACHED = {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
_OLDEST_API = (1, 44)  # what Engine 29 still answers to is the oldest that we ask for


Check = Callable[[Settings], Verdict]


def examine(settings: Settings) -> list[Verdict]:
    """The verdicts of all checks, in the order in which things build on each other."""
    return [check(settings) for check in CHECKS]


def _places(settings: Settings) -> Verdict:
    config = default_config_file(os.geteuid(), os.environ)
    folders = f"state {settings.state_dir}, sockets {settings.run_dir}, catalog {settings.catalog_dir}"
    found = f"{folders}, token {settings.token_file}, settings {config}"
    return Verdict(name="places", level="ok", found=found)


def _python(_settings: Settings) -> Verdict:
    return Verdict(name="python", level="ok", found=f"{sys.version.split()[0]} at {sys.executable}")


def _programs(_settings: Settings) -> Verdict:
    missing = [name for name in ("setpriv", "docker", "git") if shutil.which(name) is None]
    if not missing:
        return Verdict(name="programs", level="ok", found="setpriv, docker and git are there")
    packages = {"setpriv": "util-linux", "docker": "docker-cli", "git": "git"}
    mend = "sudo apt-get install " + " ".join(packages[name] for name in missing)
    return Verdict(name="programs", level="bad", found=f"missing: {', '.join(missing)}", mend=mend)


def _engine(settings: Settings) -> Verdict:
    try:
        version = Engine(settings.docker_host, timeout_s=_PROBE_S).version()
    except EngineUnavailableError as error:
        return no_engine(settings.docker_host, error)
    except HomeportError as error:
        return Verdict(
            name="docker engine", level="bad", found=str(error), mend="look at the engine's own log"
        )
    if tuple(int(part) for part in version.api_version.split(".")[:2]) < _OLDEST_API:
        found = f"{version.version}, API {version.api_version}"
        return Verdict(
            name="docker engine", level="bad", found=found, mend="install Docker Engine 25 or newer"
        )
    return Verdict(name="docker engine", level="ok", found=f"{version.version} at {settings.docker_host}")


def no_engine(docker_host: str, error: EngineUnavailableError) -> Verdict:
    """The verdict on an engine that does not answer, or not to this user."""
    if "PermissionError" in error.why:
        found = f"the one at {docker_host} is not open to you"
        mend = (
            "run it with sudo; without root you must be in the group docker (sudo usermod -aG docker $USER)"
        )
    else:
        found = f"none at {docker_host}"
        mend = "scripts/up installs and starts one; where it is installed: systemctl start docker (with sudo)"
    return Verdict(name="docker engine", level="bad", found=found, mend=mend)


def _buildx(_settings: Settings) -> Verdict:
    mend = "sudo apt-get install docker-buildx (scripts/up does it)"
    try:
        result = run_program(
            ["docker", "buildx", "version"],
            environment=program_environment(HOME="/nonexistent"),
            ceiling_s=_PROBE_S,
        )
    except HomeportError as error:
        return Verdict(name="buildx", level="bad", found=str(error), mend=mend)
    if result.exit_code:
        return Verdict(name="buildx", level="bad", found="'docker buildx' does not run", mend=mend)
    return Verdict(name="buildx", level="ok", found=" ".join(result.tail[-1:]))


def _base_image(settings: Settings) -> Verdict:
    try:
        image = Engine(settings.docker_host, timeout_s=_PROBE_S).image(settings.base_image)
    except HomeportError:
        return Verdict(name="base image", level="warn", found="not known: the engine does not answer")
    if image is None:
        mend = "scripts/base-image bookworm makes it, where it cannot be pulled"
        return Verdict(
            name="base image", level="warn", found=f"{settings.base_image} is not there", mend=mend
        )
    return Verdict(name="base image", level="ok", found=settings.base_image)


def _disk(settings: Settings) -> Verdict:
    folder = settings.state_dir
    while not folder.exists():
        folder = folder.parent
    free = free_bytes(folder)
    found = f"{free / GIB:.1f} GiB free at {folder}"
    if free < settings.spare_bytes:
        return Verdict(name="disk", level="bad", found=found, mend="free some space, or lower spare_bytes")
    return Verdict(name="disk", level="ok", found=found)


def _api_user(settings: Settings) -> Verdict:
    name = "api user"
    if os.geteuid() != 0:
        found = "the API runs as you, and reaches Docker if you do"
        return Verdict(
            name=name, level="warn", found=found, mend="start Homeport as root to have it separated"
        )
    user = settings.api_user
    if way := way_to_docker(user):
        return Verdict(name=name, level="bad", found=f"{user} may reach Docker: {way}", mend=remedy_for(user))
    found = f"{user}, outside the group docker" if is_user(user) else f"{user}, made at the first start"
    return Verdict(name=name, level="ok", found=found)


def _reserved_ports(_settings: Settings) -> Verdict:
    path = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")
    if os.access(path, os.W_OK):
        return Verdict(
            name="reserved ports", level="ok", found="host ports can be kept out of the ephemeral range"
        )
    found = f"{path} cannot be written"
    mend = "start Homeport as root; else a connection of the box may hold an app's port for a while"
    return Verdict(name="reserved ports", level="warn", found=found, mend=mend)


def _nginx(settings: Settings) -> Verdict:
    name = "nginx"
    if not settings.package_caches:
        return Verdict(name=name, level="ok", found="not needed: package_caches is false")
    path = shutil.which("nginx", path=program_environment()["PATH"])
    if path is None:
        return Verdict(name=name, level="bad", found="not installed", mend="sudo apt-get install nginx")
    return Verdict(name=name, level="ok", found=path)


def _package_caches(settings: Settings) -> Verdict:
    """What answers on the engine's bridge; a cache that is down costs time, nothing else."""
    name = "package caches"
    if not settings.package_caches:
        mend = "set package_caches to true, and builds fetch every package once"
        return Verdict(name=name, level="warn", found="switched off", mend=mend)
    try:
        gateway = Engine(settings.docker_host, timeout_s=_PROBE_S).bridge().gateway
    except HomeportError:
        return Verdict(name=name, level="warn", found="not known: the engine does not tell its bridge")
    ports = {ecosystem: settings.cache_port + offset for ecosystem, offset in PORT_OFFSETS.items()}
    up = {
        ecosystem
        for ecosystem, port in ports.items()
        if http_status(gateway, port, HEALTH_PATH, timeout_s=_PROBE_S) == HTTPStatus.OK
    }
    cut_off = [
        ecosystem
        for ecosystem, path in ABSENT_PATHS.items()
        if ecosystem in up
        and http_status(gateway, ports[ecosystem], path, timeout_s=_UPSTREAM_S) not in _REACHED
    ]
    return cache_verdict(gateway, ports, up=up, cut_off=cut_off)


def cache_verdict(
    gateway: str,
    ports: Mapping[Ecosystem, int],
    *,
    up: Collection[Ecosystem],
    cut_off: Sequence[Ecosystem] = (),
) -> Verdict:
    """The verdict on caches of which some answer, some of those without reaching what they fetch from."""
    name = "package caches"
    found = ", ".join(
        f"{ecosystem} {'at' if ecosystem in up else 'does not answer at'} {gateway}:{port}"
        for ecosystem, port in ports.items()
    )
    if len(up) < len(ports):
        mend = "start Homeport; where it runs, wait ten seconds, then look at its log for nginx and devpi"
        return Verdict(name=name, level="warn", found=found, mend=mend)
    if cut_off:
        found += f"; not reached: the registry of {', '.join(cut_off)}"
        named = ", ".join(f"{ecosystem}_upstream" for ecosystem in cut_off)
        mend = f"look at the line to the internet, or set {named}; what was fetched before can be built again"
        return Verdict(name=name, level="warn", found=found, mend=mend)
    return Verdict(name=name, level="ok", found=found)


def _api(settings: Settings) -> Verdict:
    try:
        ApiClient(f"http://{settings.listen}", "").call("GET", "/readyz")
    except ApiProblemError as error:
        return Verdict(name="homeport", level="warn", found=str(error), mend="wait, or look at its log")
    except ApiUnreachableError:
        return _not_running(settings)
    return Verdict(name="homeport", level="ok", found=f"ready at http://{settings.listen}")


def _not_running(settings: Settings) -> Verdict:
    listener = listener_on(int(settings.listen.rpartition(":")[2]))
    if listener is not None:
        found = f"{settings.listen} is held by {listener.process} (pid {listener.pid})"
        return Verdict(
            name="homeport", level="bad", found=found, mend="stop it, or set listen to another port"
        )
    return Verdict(name="homeport", level="warn", found="does not run", mend="homeport up, or scripts/up")


CHECKS: tuple[Check, ...] = (
    _places,
    _python,
    _programs,
    _engine,
    _buildx,
    _base_image,
    _disk,
    _api_user,
    _reserved_ports,
    _nginx,
    _api,
    _package_caches,
    check_proxy,
    check_names,
)
