"""`homeport up`: makes the folders and the database ready, then becomes the supervisor of all processes."""

import os
import pwd
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from homeport.cli.account import is_user, remedy_for, way_to_docker
from homeport.cli.components import drop_privileges, render_supervisord, supervisor_socket
from homeport.cli.log_outlet import lead_output
from homeport.errors import HomeportError, NotPossibleNowError, ProgramFailedError
from homeport.host.files import write_atomic
from homeport.host.low_ports import with_ports
from homeport.host.programs import run_program
from homeport.host.sockets import listener_pid
from homeport.schedule import schedules_of
from homeport.settings import ENVIRONMENT_PREFIX, Settings

_SETUP_CEILING_S = 60


def run_all(settings: Settings, log_file: Path | None = None) -> None:
    """Prepares the box and becomes supervisord; never returns.

    Args:
        settings: of this box.
        log_file: where all processes' lines go, rotated; None: to standard output.

    Raises:
        NotPossibleNowError: a Homeport runs on these folders already.
        HomeportError: the box cannot be made ready; nothing was started.
    """
    schedules_of(settings)  # says what is wrong with them before anything is started
    _refuse_second(settings)
    settings = with_ports(settings) if settings.proxy == "haproxy" else settings
    environment = prepare(settings)
    configuration = settings.run_dir / "supervisord.conf"
    as_root = os.geteuid() == 0
    write_atomic(configuration, render_supervisord(settings, python=sys.executable, as_root=as_root))
    max_bytes, files = settings.log_max_bytes, settings.log_files
    lead_output(log_file, max_bytes=max_bytes, files=files, environment=environment)
    supervisord = ["-m", "supervisor.supervisord", "-c", str(configuration)]
    os.execve(sys.executable, [sys.executable, "-P", *supervisord], environment)  # noqa: S606 - no shell is wanted


def prepare(settings: Settings) -> dict[str, str]:
    """Makes the users, the folders, the database and the first token, where they are missing.

    Returns:
        The environment of the components.

    Raises:
        HomeportError: something of it cannot be made.
    """
    as_root = os.geteuid() == 0
    if as_root:
        _ensure_user(settings.api_user, setting="api_user")
        if settings.package_caches:
            _ensure_user(settings.cache_user, setting="cache_user")
        if settings.proxy == "haproxy":
            _ensure_user(settings.proxy_user, setting="proxy_user")
    _make_folders(settings, as_root=as_root)
    environment = component_environment(settings)
    user = settings.api_user if as_root else None
    _run_as(user, ["-c", "import api"], environment, remedy=_UNREADABLE)
    _run_as(user, ["-m", "homeport.state", "migrate"], environment)
    if not settings.token_file.exists():
        token = _run_as(user, ["-m", "homeport.state", "token", "owner"], environment)
        write_atomic(settings.token_file, token + "\n", mode=0o600)
    return environment


def _refuse_second(settings: Settings) -> None:
    pid = listener_pid(supervisor_socket(settings))
    if pid is not None:
        raise NotPossibleNowError(
            f"Homeport runs already (pid {pid}).",
            why=f"It has the same folder for its sockets: {settings.run_dir}.",
            remedy=f"Use that one; or stop it first (scripts/down, systemctl stop homeport or kill {pid}).",
            pid=pid,
        )


_UNREADABLE = (
    "The user of the API must be able to read Homeport's code: put it where every user may read, /opt say, "
    "and set it up again from there."
)


def component_environment(settings: Settings) -> dict[str, str]:
    """The environment of every component: ours, and the settings whose defaults depend on the user.

    Entry points read the same settings whichever user they run as: from here alone, since the file that was
    read may lie where the API's user cannot enter.
    """
    named: Mapping[str, object] = settings.model_dump(mode="json")
    exported = {ENVIRONMENT_PREFIX + name.upper(): str(value) for name, value in named.items()}
    return {**os.environ, **exported, "HOMEPORT_CONFIG": os.devnull, "PYTHONUNBUFFERED": "1"}


def _run_as(user: str | None, words: list[str], environment: Mapping[str, str], *, remedy: str = "") -> str:
    """Runs a piece of Python as the user; its last line."""
    result = run_program(
        [*drop_privileges(user), sys.executable, "-P", *words],
        environment=environment,
        ceiling_s=_SETUP_CEILING_S,
        cwd=Path("/"),
    )
    if result.exit_code != 0:
        raise ProgramFailedError(
            f"'python {' '.join(words)}' failed with status {result.exit_code}.",
            why="\n".join(result.tail[-5:]),
            remedy=remedy or "Mend what the last lines say, and start again.",
            exit_code=result.exit_code,
            last_lines=list(result.tail),
        )
    return result.tail[-1] if result.tail else ""


def _ensure_user(name: str, *, setting: str) -> None:
    """Makes the user that the setting names, and its group, where they are missing.

    Raises:
        HomeportError: it may reach Docker, or cannot be made.
    """
    if not is_user(name):
        words = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        result = run_program(
            [*words, "--shell", "/usr/sbin/nologin", name],
            environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            ceiling_s=_SETUP_CEILING_S,
        )
        if result.exit_code != 0:
            raise ProgramFailedError(
                f"The user {name!r} ({setting}) could not be made.",
                why="\n".join(result.tail),
                remedy=f"Make it by hand: useradd --system --user-group {name}",
            )
    if way := way_to_docker(name):
        what = f"The user {name!r} ({setting}) may reach Docker."
        raise HomeportError(what, why=f"{way[0].upper()}{way[1:]}.", remedy=remedy_for(name, setting))


def _make_folders(settings: Settings, *, as_root: bool) -> None:
    """The folders with their owners: what the API writes is its user's, what it reads its group's."""
    uid, gid = os.geteuid(), os.getegid()
    if as_root:
        account = pwd.getpwnam(settings.api_user)
        uid, gid = account.pw_uid, account.pw_gid
    own = os.geteuid()
    for folder, owner, mode in (
        (settings.state_dir, own, 0o755),
        (settings.state_dir / "db", uid, 0o700),
        (settings.projects_dir, own, 0o711),  # an app's user inside a container must be able to pass
        (settings.jobs_dir, own, 0o750),
        (settings.uploads_dir, uid, 0o700),
        (settings.catalogs_dir, own, 0o750),
        (settings.run_dir, own, 0o755),
        (settings.run_dir / "valkey", uid, 0o700),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        found = folder.stat()
        if (found.st_uid, found.st_gid) != (
            owner,
            gid,
        ):  # else a read-only disk would refuse what is so already
            os.chown(folder, owner, gid)
        if stat.S_IMODE(found.st_mode) != mode:
            folder.chmod(mode)
