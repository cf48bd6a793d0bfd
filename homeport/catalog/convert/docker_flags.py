"""The flags of docker, `docker run` and `docker create`, as tables: what each becomes in a compose file.

They are those of Docker's reference of the command line ("docker container run"), and older spellings.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Final

SHORT: Final[Mapping[str, str]] = {
    "a": "attach", "c": "cpu-shares", "d": "detach", "e": "env", "h": "hostname", "i": "interactive",
    "l": "label", "m": "memory", "P": "publish-all", "p": "publish", "q": "quiet", "t": "tty", "u": "user",
    "v": "volume", "w": "workdir",
}  # fmt: skip
"""From a flag's letter to its name."""

SPELLINGS: Final[Mapping[str, str]] = {
    "net": "network",
    "net-alias": "network-alias",
    "dns-opt": "dns-option",
}
"""Older names that Docker still takes."""

LISTS: Final[Mapping[str, str]] = {
    "add-host": "extra_hosts",
    "cap-add": "cap_add",
    "cap-drop": "cap_drop",
    "device": "devices",
    "device-cgroup-rule": "device_cgroup_rules",
    "dns": "dns",
    "dns-option": "dns_opt",
    "dns-search": "dns_search",
    "expose": "expose",
    "group-add": "group_add",
    "publish": "ports",
    "tmpfs": "tmpfs",
}
"""Flags that may be given more than once: each value is an item under the key."""

TEXTS: Final[Mapping[str, str]] = {
    "cgroup-parent": "cgroup_parent",
    "cgroupns": "cgroup",
    "domainname": "domainname",
    "hostname": "hostname",
    "ipc": "ipc",
    "isolation": "isolation",
    "mac-address": "mac_address",
    "pid": "pid",
    "restart": "restart",
    "shm-size": "shm_size",
    "stop-signal": "stop_signal",
    "user": "user",
    "userns": "userns_mode",
    "uts": "uts",
    "workdir": "working_dir",
}
"""Flags whose value stands under the key as it is; the last one counts."""

SWITCHES: Final[Mapping[str, str]] = {
    "init": "init",
    "interactive": "stdin_open",
    "oom-kill-disable": "oom_kill_disable",
    "privileged": "privileged",
    "read-only": "read_only",
    "tty": "tty",
    "use-api-socket": "use_api_socket",
}
"""Flags without a value that are keys."""

MAPPINGS: Final[Mapping[str, str]] = {"annotation": "annotations", "label": "labels", "sysctl": "sysctls"}
"""Flags with NAME=VALUE."""

_LIMITS: Final = "Homeport limits apps by cores, memory and processes; they stand in app.yml under `limits`."
_DISK: Final = "Homeport gives no disk weights and rates."
_RUNNING: Final = "It says how the command itself behaves, and Homeport starts the app."
_ADDRESS: Final = "The box gives addresses; services reach each other by name."
_WINDOWS: Final = "It is for containers of Windows."

LEFT_OUT: Final[Mapping[str, str]] = {
    "attach": _RUNNING,
    "blkio-weight": _DISK,
    "blkio-weight-device": _DISK,
    "cidfile": _RUNNING,
    "cpu-count": _WINDOWS,
    "cpu-percent": _WINDOWS,
    "cpu-period": _LIMITS,
    "cpu-quota": _LIMITS,
    "cpu-rt-period": _LIMITS,
    "cpu-rt-runtime": _LIMITS,
    "cpu-shares": _LIMITS,
    "cpuset-cpus": _LIMITS,
    "cpuset-mems": _LIMITS,
    "detach-keys": _RUNNING,
    "device-read-bps": _DISK,
    "device-read-iops": _DISK,
    "device-write-bps": _DISK,
    "device-write-iops": _DISK,
    "disable-content-trust": "Homeport fetches the images, by the box's own rules.",
    "io-maxbandwidth": _WINDOWS,
    "io-maxiops": _WINDOWS,
    "ip": _ADDRESS,
    "ip6": _ADDRESS,
    "kernel-memory": _LIMITS,
    "label-file": "Labels from files are not read; write them under `labels`.",
    "link-local-ip": _ADDRESS,
    "memory-reservation": _LIMITS,
    "memory-swap": _LIMITS,
    "memory-swappiness": _LIMITS,
    "oom-score-adj": "Other apps would be ended in its place when memory runs out.",
    "platform": "Images are fetched for the box's own kind of processor.",
    "pull": "Homeport fetches the images before the start.",
    "quiet": _RUNNING,
    "rm": "Homeport removes the containers when the app is uninstalled.",
    "sig-proxy": _RUNNING,
    "storage-opt": _LIMITS,
    "volume-driver": "A volume is a folder that Docker keeps on the box.",
}
"""Flags that no definition has, with the reason."""

NEEDS_NOTHING: Final = frozenset({"detach", "help"})
"""Flags that ask for what is the case anyway."""

SPECIAL: Final = frozenset(
    {
        "cpus", "entrypoint", "env", "env-file", "gpus", "health-cmd", "health-interval", "health-retries",
        "health-start-interval", "health-start-period", "health-timeout", "link", "log-driver", "log-opt",
        "memory", "mount", "name", "network", "network-alias", "no-healthcheck", "pids-limit", "publish-all",
        "runtime", "security-opt", "stop-timeout", "ulimit", "volume", "volumes-from",
    }
)  # fmt: skip
"""Flags whose value is taken apart (docker_run.py)."""

WITHOUT_VALUE: Final = frozenset(SWITCHES) | {
    "detach", "disable-content-trust", "help", "no-healthcheck", "publish-all", "quiet", "rm", "sig-proxy",
}  # fmt: skip

KNOWN: Final = frozenset({*LISTS, *TEXTS, *SWITCHES, *MAPPINGS, *LEFT_OUT, *NEEDS_NOTHING, *SPECIAL})
"""Every flag, by its long name."""

ENGINE_WITH_VALUE: Final = frozenset(
    {
        "-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "--tlscacert", "--tlscert",
        "--tlskey",
        "--connection", "--identity", "--root", "--runroot", "--runtime", "--storage-driver", "--url",
        "-a", "--address", "-n", "--namespace", "--data-root", "--snapshotter",
    }
)  # fmt: skip
"""Flags of docker itself, of podman and of nerdctl, which stand before the command and take a value."""
OTHER_ENGINE: Final = frozenset({"-H", "--host", "-c", "--context", "--connection", "--url"})
"""Those of them that name an engine on another box."""

OF_PODMAN: Final[Mapping[str, bool]] = {
    "authfile": True, "conmon-pidfile": True, "network-mode": True, "pod": True, "preserve-fds": True,
    "replace": False, "rmi": False, "secret": True, "systemd": True, "tls-verify": False, "tz": True,
}  # fmt: skip
"""Flags that podman alone has, and whether they take a value: left out."""


def past_flags(words: Sequence[str], at: int, with_value: Container[str]) -> int:
    """The place of the first word from there that is neither a flag nor the value of one."""
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in with_value else 1
    return at
