"""`python -m build_cache.caches.nginx`: writes nginx's configuration, then becomes nginx under a watch.

Started by root it needs root only to ask the engine for the bridge and to make a process namespace: nginx
itself runs as the caches' user.
"""

import contextlib
import logging
import os
import pwd
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from build_cache.caches import bridge_guard
from build_cache.caches.nginx_conf import render_nginx
from build_cache.caches.nginx_plan import NginxPlan
from build_cache.caches.upstreams import name_servers, upstreams_of
from homeport.caches import Ecosystem
from homeport.errors import HomeportError
from homeport.host.engine import Engine
from homeport.host.files import write_atomic
from homeport.host.programs import find_server, run_program
from homeport.logs import set_up_logging
from homeport.settings import Settings, load_settings, program_environment

_log = logging.getLogger(__name__)

_RETRY_S = 2.0
_TRIAL_S = 10.0
_RESOLV_CONF = Path("/etc/resolv.conf")
_DEBIAN_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_IPV6_ROUTES = Path("/proc/net/ipv6_route")
_DEFAULT_ROUTE = "0" * 32 + " 00 "
_SUFFIX_DIGITS = 10  # of nginx's temporary names


def main() -> None:
    """Waits for the engine's bridge, then serves until SIGTERM; ends when the bridge's address changes."""
    settings = load_settings()
    set_up_logging(settings.log_format, process="nginx")
    user = settings.cache_user if os.geteuid() == 0 else None
    program = find_nginx()
    gateway = wait_for_gateway(Engine(settings.docker_host))
    plan = make_plan(settings, gateway, environment_ca=os.environ.get("SSL_CERT_FILE", ""))
    words = start_words(plan, prepare_files(plan, user), program=program, user=user)
    os.execvpe(words[0], words, program_environment(TZ="UTC"))  # noqa: S606 - no shell is wanted


def start_words(plan: NginxPlan, configuration: Path, *, program: str, user: str | None) -> list[str]:
    """The command that runs nginx as the user for as long as the gateway's address is there.

    It ties itself to its parent anew: who acts as another user meanwhile is tied no more (prctl(2)).
    """
    guard = [sys.executable, "-I", "-S", str(bridge_guard.__file__), plan.gateway]
    nginx = [program, "-c", str(configuration), "-p", str(plan.run_dir), "-e", "stderr"]
    return ["setpriv", "--pdeathsig", "KILL", "--", *guard, *contained_words(user), *nginx]


def wait_for_gateway(engine: Engine) -> str:
    """The host's address on the engine's bridge, as soon as the engine tells it."""
    told = False
    while True:
        try:
            gateway = engine.bridge().gateway
            why = "The engine's bridge has no IPv4 address."
        except HomeportError as error:
            gateway, why = "", str(error)
        if gateway and bridge_guard.is_here(gateway):
            return gateway
        if not told:
            _log.warning("the package caches wait for the engine's bridge: %s", why)
            told = True
        time.sleep(_RETRY_S)


def make_plan(settings: Settings, gateway: str, *, environment_ca: str = "") -> NginxPlan:
    """What the configuration is made of, on this box.

    Raises:
        InvalidInputError: a setting is wrong.
    """
    resolv_conf = _RESOLV_CONF.read_text(encoding="utf-8") if _RESOLV_CONF.exists() else ""
    return NginxPlan(
        gateway=gateway,
        first_port=settings.cache_port,
        upstreams=upstreams_of(settings),
        resolvers=name_servers(settings.resolver, resolv_conf),
        ca_file=find_authorities(settings, environment_ca),
        caches_dir=settings.caches_dir,
        run_dir=settings.caches_socket.parent,
        max_bytes=settings.cache_max_bytes,
        # they give way before the disk is full, but not to every install that takes what it may
        min_free_bytes=settings.spare_bytes // 2,
        ipv6=_IPV6_ROUTES.exists() and _has_default_route(_IPV6_ROUTES.read_text(encoding="ascii")),
    )


def find_authorities(settings: Settings, environment_ca: str) -> Path:
    """The file of the certificate authorities that upstreams are verified by."""
    chosen = settings.upstream_ca_file or environment_ca
    if chosen:
        return Path(chosen)
    if _DEBIAN_BUNDLE.exists():
        return _DEBIAN_BUNDLE
    return Path(ssl.get_default_verify_paths().cafile or _DEBIAN_BUNDLE)


def prepare_files(plan: NginxPlan, user: str | None) -> Path:
    """Makes the folders and the configuration, removes what a killed nginx left; the configuration's path.

    Below the two outer folders all of it is done as the user, who could lead root astray there by links.
    """
    account = pwd.getpwnam(user) if user else None
    uid, gid = (account.pw_uid, account.pw_gid) if account else (os.geteuid(), os.getegid())
    for folder in (plan.caches_dir, plan.run_dir):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, uid, gid, follow_symlinks=False)
    with _acting_as(uid, gid):
        for folder, mode in _folders(plan):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        for left in _left_behind(plan):
            left.unlink(missing_ok=True)
        configuration = plan.run_dir / "nginx.conf"
        write_atomic(configuration, render_nginx(plan))
    return configuration


def _folders(plan: NginxPlan) -> Iterator[tuple[Path, int]]:
    yield from ((folder, 0o755) for folder in (plan.caches_dir, plan.caches_dir / "log", plan.run_dir))
    yield plan.run_dir / "empty", 0o755
    yield plan.run_dir / "fetch", 0o700
    yield plan.caches_dir / "nginx", 0o700
    yield from ((plan.caches_dir / "nginx" / name, 0o700) for name in ("temp", *Ecosystem))


def _left_behind(plan: NginxPlan) -> Iterator[Path]:
    """Sockets, which nginx finds in its way, and half-written files, which it would keep for ever."""
    yield plan.run_dir / "nginx.sock"
    yield from (plan.run_dir / "fetch").glob("*.sock")
    for ecosystem in Ecosystem:
        store = plan.caches_dir / "nginx" / ecosystem
        yield from store.glob(f"*/*/*.{'[0-9]' * _SUFFIX_DIGITS}")


@contextlib.contextmanager
def _acting_as(uid: int, gid: int) -> Iterator[None]:
    own = os.geteuid(), os.getegid()
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(own[0])
        os.setegid(own[1])


def contained_words(user: str | None) -> list[str]:
    """The words before a program with children of its own that make all of them die with their parent.

    That takes a process namespace; where none may be made (in a container, say, which is one itself), the
    program's first process alone dies with its parent.
    """
    as_user: list[str] = []
    if user:  # its group may have another name
        group = str(pwd.getpwnam(user).pw_gid)
        as_user = ["--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs"]
    tied = ["setpriv", *as_user, "--pdeathsig", "KILL", "--"]
    namespace = ["unshare", "--fork", "--pid", "--kill-child=KILL"]
    if os.geteuid() != 0:
        namespace += ["--user", "--map-current-user"]
    if not _works([*namespace, "--", "true"]):
        _log.warning("no process namespace can be made: a killed nginx may leave processes behind")
        return tied
    return ["setpriv", "--pdeathsig", "KILL", "--", *namespace, "--", *tied]


def _works(words: Sequence[str]) -> bool:
    try:
        return run_program(words, environment=program_environment(), ceiling_s=_TRIAL_S).exit_code == 0
    except HomeportError:
        return False


def find_nginx() -> str:
    """nginx's path.

    Raises:
        ProgramMissingError: it is not installed.
    """
    return find_server(
        "nginx",
        title="nginx",
        why="The package caches need it.",
        remedy="apt-get install nginx (scripts/up does it), or set package_caches to false.",
    )


def _has_default_route(routes: str) -> bool:
    """Whether a table of IPv6 routes (proc(5)) has a default one that does not merely refuse."""
    return any(line.startswith(_DEFAULT_ROUTE) and not line.endswith(" lo") for line in routes.splitlines())


if __name__ == "__main__":
    main()
