"""Which processes `homeport up` runs, and supervisor's configuration for them."""

import pwd
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from homeport.settings import Settings

# A component that lives longer than this has started; one that dies sooner is tried again with back-off.
_STARTED_S = 2
_STOP_S = 20
_TRIES = 1000000  # supervisor gives up after three by default, and a home server has nobody to wake it


class Account(StrEnum):
    """Which user a component runs as when all is started by root."""

    OWN = "own"
    """Root: it must reach Docker."""
    API = "api"
    """The setting `api_user`."""
    CACHE = "cache"
    """The setting `cache_user`."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """A process under the supervisor.

    `module` is the entry point run with `python -m`; a smaller `priority` starts earlier and stops later.
    """

    name: str
    module: str
    account: Account
    priority: int


VALKEY = Component(name="valkey", module="homeport.host.valkey", account=Account.API, priority=10)
STEWARD = Component(name="steward", module="workers.steward", account=Account.OWN, priority=20)
WORKER = Component(name="worker", module="workers", account=Account.OWN, priority=30)
API = Component(name="api", module="api", account=Account.API, priority=40)
# Nothing waits for the caches. nginx asks the engine for its bridge, and gives up root after that.
NGINX = Component(name="nginx", module="build_cache.caches.nginx", account=Account.OWN, priority=50)
# Nothing waits for the proxy. It prepares its folders as root, and becomes HAProxy as the setting proxy_user.
PROXY = Component(name="proxy", module="proxy", account=Account.OWN, priority=60)
DEVPI = Component(name="devpi", module="build_cache.caches.devpi", account=Account.CACHE, priority=50)


def components_of(settings: Settings) -> Sequence[Component]:
    """What this box runs: a private Valkey where no Redis URL is set, caches and HAProxy where wanted."""
    return (
        *(() if settings.redis_url else (VALKEY,)),
        *(STEWARD, WORKER, API),
        *((NGINX, DEVPI) if settings.package_caches else ()),
        *((PROXY,) if settings.proxy == "haproxy" else ()),
    )


def user_of(account: Account, settings: Settings) -> str | None:
    """The account's user when all is started by root; None where that is root itself."""
    match account:
        case Account.OWN:
            return None
        case Account.API:
            return settings.api_user
        case Account.CACHE:
            return settings.cache_user
        case _:
            assert_never(account)


def supervisor_socket(settings: Settings) -> Path:
    """Where the supervisor answers while it runs."""
    return settings.run_dir / "supervisor.sock"


def drop_privileges(user: str | None) -> list[str]:
    """The words before a command that make it run as the user, in no other group, and die with its parent.

    Without a user it keeps the one it has.
    """
    as_user = (
        ["--reuid", user, "--regid", _group_of(user), "--clear-groups", "--no-new-privs"] if user else []
    )
    return ["setpriv", *as_user, "--pdeathsig", "KILL", "--"]


def _group_of(user: str) -> str:
    """The account's own group, which may have another name; where there is no account, setpriv names it."""
    try:
        return str(pwd.getpwnam(user).pw_gid)
    except KeyError:
        return user


def render_supervisord(settings: Settings, *, python: str, as_root: bool) -> str:
    """supervisor's configuration file (its manual's section "Configuration File").

    Args:
        settings: of this box.
        python: the interpreter that runs the entry points.
        as_root: whether components with a user of their own have to give up root.
    """
    head: dict[str, Mapping[str, object]] = {
        "supervisord": {
            "nodaemon": "true",
            "silent": "true",
            "logfile": "/dev/null",
            "logfile_maxbytes": 0,
            "pidfile": settings.run_dir / "supervisord.pid",
            **({"user": "root"} if as_root else {}),
        },
        "unix_http_server": {"file": supervisor_socket(settings), "chmod": "0700"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    programs = {
        f"program:{component.name}": _program(component, settings, python=python, as_root=as_root)
        for component in components_of(settings)
    }
    return "\n".join(_section(name, values) for name, values in (head | programs).items())


def _program(component: Component, settings: Settings, *, python: str, as_root: bool) -> Mapping[str, object]:
    user = user_of(component.account, settings) if as_root else None
    command = [*drop_privileges(user), python, "-P", "-m", component.module]
    return {
        "command": shlex.join(command),
        "priority": component.priority,
        "autorestart": "true",
        "startsecs": _STARTED_S,
        "startretries": _TRIES,
        "stopwaitsecs": _STOP_S,
        "stopasgroup": "false",  # each ends its own children, after their jobs were handed back
        "killasgroup": "true",
        "stdout_logfile": "/dev/fd/1",
        "stdout_logfile_maxbytes": 0,
        "redirect_stderr": "true",
    }


def _section(name: str, values: Mapping[str, object]) -> str:
    return "\n".join([f"[{name}]", *(f"{key}={_escape(value)}" for key, value in values.items()), ""])


def _escape(value: object) -> str:
    """supervisor expands `%(name)s` in every value."""
    return str(value).replace("%", "%%")
