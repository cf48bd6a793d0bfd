"""`python -m proxy` where HAProxy is the proxy: writes its files, then becomes HAProxy under a watch.

Started by root it needs root only to prepare the folder: HAProxy runs as a user of its own, which may bind
low ports and nothing else. It runs in one process, whose death its parent's brings.
"""

import os
import pwd
import resource
from pathlib import Path
from typing import Final

from homeport.errors import InvalidInputError, ProgramMissingError
from homeport.host.files import write_atomic
from homeport.host.low_ports import is_own_proxy
from homeport.host.ports import listener_on
from homeport.host.programs import find_server
from homeport.names import LOOPBACK, api_names, split_address
from homeport.settings import Settings, program_environment
from proxy.certificate_files import FOLDER
from proxy.haproxy_conf import CERTIFICATES, MAP, HAProxyPlan, render_haproxy
from proxy.own_files import is_plain
from proxy.pages import PAGES, UNREACHABLE

_FILES_EACH: Final = 2  # of a connection: the client's end and the app's
_FILES_BESIDES: Final = 100
_MOST_CONNECTIONS: Final = 10_000  # about 350 MB if all of them were in the middle of something
_IPV6: Final = Path("/proc/net/if_inet6")


def run_haproxy(settings: Settings) -> None:
    """Prepares the folder and becomes HAProxy; never returns.

    Raises:
        ProgramMissingError: it is not installed.
    """
    program = find_haproxy()
    user = settings.proxy_user if os.geteuid() == 0 else None
    plan = make_plan(settings)
    words = start_words(prepare_files(plan, user), program=program, user=user)
    os.execvpe(words[0], words, program_environment())  # noqa: S606 - no shell is wanted


def why_down(settings: Settings) -> str:
    """What keeps HAProxy from running, as far as that can be seen; "" where nothing can."""
    try:
        find_haproxy()
        make_plan(settings)
    except (ProgramMissingError, InvalidInputError) as error:
        return " ".join(filter(None, (error.what, error.why, error.remedy)))
    for port in filter(None, (settings.http_port, settings.https_port)):
        holder = listener_on(port)
        if holder is not None and not is_own_proxy(holder, settings):
            return f"Port {port} is held by {holder}."
    return ""


def make_plan(settings: Settings) -> HAProxyPlan:
    """What the configuration is made of, on this box.

    Raises:
        InvalidInputError: a folder's name cannot stand in it.
    """
    for path in (settings.proxy_dir, settings.proxy_socket):
        if not is_plain(path):
            raise _unfit(path)
    address, port = split_address(settings.listen)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = (hard - _FILES_BESIDES) // _FILES_EACH if hard != resource.RLIM_INFINITY else _MOST_CONNECTIONS
    return HAProxyPlan(
        folder=settings.proxy_dir,
        socket=settings.proxy_socket,
        addresses=_addresses(),
        http_port=settings.http_port,
        https_port=settings.https_port if settings.https and settings.https_port else None,
        redirects=settings.https_redirect,
        api=(reachable(address), port),
        api_names=api_names(settings.domain, settings.api_name),
        connections=max(1, min(_MOST_CONNECTIONS, possible)),
        idle_s=int(settings.proxy_idle_s),
    )


def prepare_files(plan: HAProxyPlan, user: str | None) -> Path:
    """Makes folders, pages and the configuration; the configuration's path.

    Map and list of certificates are there already unless this is the first start: those who publish apps keep
    them.
    """
    account = pwd.getpwnam(user) if user else None
    own, gid = os.geteuid(), account.pw_gid if account else os.getegid()
    for folder, owner, mode in (
        (plan.folder, own, 0o755),
        (plan.folder / FOLDER, own, 0o750),
        (plan.socket.parent, account.pw_uid if account else own, 0o700),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, owner, gid)
        folder.chmod(mode)
    if not (plan.folder / MAP).exists():
        write_atomic(plan.folder / MAP, "")
    plan.socket.unlink(missing_ok=True)  # another user's, whom it had before, HAProxy could not replace
    for key in (plan.folder / FOLDER).glob("*.pem"):
        os.chown(key, own, gid, follow_symlinks=False)
    _forget_lost_certificates(plan.folder / CERTIFICATES)
    for page in PAGES.values():
        write_atomic(plan.folder / page.file, page.html())
    write_atomic(plan.folder / UNREACHABLE.file, UNREACHABLE.raw())
    configuration = plan.folder / "haproxy.cfg"
    write_atomic(configuration, render_haproxy(plan))
    return configuration


def _forget_lost_certificates(listed: Path) -> None:
    """HAProxy starts with none of a list of which one is lost; the steward brings it back by and by."""
    found = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else None
    there = [line for line in found or () if Path(line.partition(" ")[0]).is_file()]
    if found != there:
        write_atomic(listed, "".join(f"{line}\n" for line in there))


def start_words(configuration: Path, *, program: str, user: str | None) -> list[str]:
    """The command that runs HAProxy as the user, with no right but to bind low ports."""
    as_user: list[str] = []
    if user:  # its group may have another name
        group = str(pwd.getpwnam(user).pw_gid)
        low_ports = "+net_bind_service"
        as_user = ["--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs"]
        as_user += ["--inh-caps", f"-all,{low_ports}", "--ambient-caps", f"-all,{low_ports}"]
        as_user += ["--bounding-set", f"-all,{low_ports}"]
    return ["setpriv", *as_user, "--pdeathsig", "KILL", "--", program, "-db", "-f", str(configuration)]


def find_haproxy() -> str:
    """HAProxy's path.

    Raises:
        ProgramMissingError: it is not installed.
    """
    return find_server(
        "haproxy",
        title="HAProxy",
        why="It is the reverse proxy in front of apps.",
        remedy="apt-get install haproxy (scripts/up does it), or set proxy to none.",
    )


def _unfit(path: Path) -> InvalidInputError:
    return InvalidInputError(
        f"HAProxy's configuration cannot name {path}.",
        why="It takes letters of ASCII, digits and ._/@+~- in a path.",
        remedy="Set state_dir and run_dir to folders of such a name, or proxy to none.",
    )


def reachable(address: str) -> str:
    """Where something on this box that listens on the address is reached."""
    if address in ("", "0.0.0.0", "::"):  # noqa: S104 - compared
        return LOOPBACK
    return f"[{address}]" if ":" in address else address


def _addresses() -> tuple[str, ...]:
    """Of both families, where the kernel knows the second."""
    return ("*", "[::]") if _IPV6.exists() else ("*",)
