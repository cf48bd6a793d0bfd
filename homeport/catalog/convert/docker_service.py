"""Makes a compose service of the flags of one run line."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from homeport.catalog.convert.docker_flags import LISTS, MAPPINGS, SWITCHES, TEXTS
from homeport.catalog.convert.docker_mounts import read_mount_flag, read_publish_flag, read_volume_flag
from homeport.catalog.convert.draft import Note, assumed, changed, dropped
from homeport.catalog.convert.shell_line import ShellCommand

_HEALTH: Final = {
    "health-interval": "interval",
    "health-timeout": "timeout",
    "health-start-period": "start_period",
    "health-start-interval": "start_interval",
}
_NETWORK_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ULIMIT: Final = re.compile(r"([a-z]+)=(-?[0-9]+)(?::(-?[0-9]+))?")
_OPEN_USERS: Final = frozenset({"uid:gid", "user:group", "puid:pgid", "uid", "user"})
_OF_PATHS: Final = frozenset({"env-file", "mount", "volume"})
"""Flags that name a path of the box."""
_NAMESPACE_OF: Final = ("container:", "service:")


class ServiceReader:
    """Reads the flags of one line.

    Afterwards `notes` has what became of them, `networks` those that the service is in. `hints` gets what
    stood in place of variables' values.
    """

    def __init__(
        self, command: ShellCommand, name: str, services: tuple[str, ...], hints: dict[str, str]
    ) -> None:
        self.notes: list[Note] = []
        self.networks: list[str] = []
        self._command, self._name, self._services, self._hints = command, name, services, hints
        self._service: dict[str, Any] = {}
        self._aliases: list[str] = []
        self._health: dict[str, Any] = {}
        self._log: dict[str, Any] = {}
        self._publishes_all = False
        self._special: dict[str, Callable[[str, str], None]] = {
            "cpus": lambda flag, value: self._limit("cpus", flag, value),
            "entrypoint": self._entrypoint,
            "env": self._variable,
            "env-file": self._variable_file,
            "gpus": self._graphics,
            "health-cmd": lambda _flag, value: self._health.update(test=["CMD-SHELL", self._shown(value)]),
            "health-retries": self._retries,
            "link": self._link,
            "log-driver": lambda _flag, value: self._log.update(driver=value),
            "log-opt": self._log_option,
            "memory": lambda flag, value: self._limit("mem_limit", flag, value),
            "mount": self._mount,
            "name": lambda _flag, _value: None,
            "network": self._network,
            "network-alias": lambda _flag, value: self._aliases.append(value),
            "no-healthcheck": lambda _flag, value: self._disable_health(value),
            "pids-limit": lambda flag, value: self._limit("pids_limit", flag, value),
            "publish-all": lambda _flag, value: setattr(self, "_publishes_all", value == "true"),
            "runtime": self._runtime,
            "security-opt": self._security,
            "stop-timeout": self._stop_timeout,
            "ulimit": self._ulimit,
            "volume": self._volume,
            "volumes-from": self._volumes_from,
        }

    def read(
        self, flags: Iterable[tuple[str, str]], image: str, arguments: tuple[str, ...]
    ) -> dict[str, Any]:
        """The service."""
        self._service["image"] = image
        for flag, value in flags:
            self._take(flag, value)
        if arguments:
            self._service["command"] = [self._shown(word) for word in arguments]
            for word in arguments:
                self._tell_open(word, word)
        if self._health:
            self._service["healthcheck"] = self._health
        if self._log:
            self._service["logging"] = self._log
        self._join_networks()
        if self._publishes_all:
            self._publish_all()
        return self._service

    def _take(self, flag: str, value: str) -> None:
        if flag in _OF_PATHS:
            value = self._command.placed(value)
        if flag in SWITCHES:
            self._service[SWITCHES[flag]] = value == "true"
            if value == "false":
                del self._service[SWITCHES[flag]]
        elif flag in MAPPINGS:
            name, _, text = self._shown(value).partition("=")
            self._service.setdefault(MAPPINGS[flag], {})[name] = text
            self._tell_open(value, f"--{flag} {value}")
        elif flag in ("env", "volume", "mount", "publish", "name", "health-cmd"):
            self._take_open(flag, value)
        elif self._command.is_open(value):
            self._drop(flag, value, "What it is was left open.")
        elif flag in LISTS:
            self._append(LISTS[flag], value)
        elif flag in TEXTS:
            self._text(flag, value)
        elif flag in _HEALTH:
            self._health[_HEALTH[flag]] = value
        else:
            self._special[flag](flag, value)

    def _take_open(self, flag: str, value: str) -> None:
        """Flags of which a part may have been left open."""
        if flag != "publish":
            self._special[flag](flag, value)
            return
        value, odd = read_publish_flag(value)
        for option in odd:
            self._drop(flag, option, "Docker has no such option of ports.")
        outer, sign, inner = value.rpartition(":")
        if self._command.is_open(inner):
            self._drop(flag, value, "Which port is meant was left open.")
            return
        if self._command.is_open(outer):
            self._note(changed, flag, value, "Its port on the box was left open.")
            outer, sign = "", ""
        self._append("ports", f"{outer}{sign}{inner}")

    def _append(self, key: str, item: Any) -> None:
        listed = self._service.setdefault(key, [])
        if item not in listed:
            listed.append(item)

    def _drop(self, flag: str, value: str, why: str) -> None:
        self._note(dropped, flag, value, why)

    def _note(self, kind: Callable[[str, str], Note], flag: str, value: str, why: str) -> None:
        self.notes.append(kind(f"--{flag} {self._shown(value)}", why))

    def _shown(self, value: str) -> str:
        return self._command.shown(value)

    def _tell_open(self, value: str, what: str) -> None:
        """Says that what was left open in a text stands in the definition as it was written."""
        if self._command.is_open(value):
            why = "Something in it was left open; it stands there as it was written."
            self.notes.append(assumed(self._shown(what), why))

    def _text(self, flag: str, value: str) -> None:
        if not value:
            return
        word, sign, other = value.partition(":")
        if f"{word}:" in _NAMESPACE_OF and sign:
            if other not in self._services or flag not in ("ipc", "pid"):
                self._drop(flag, value, "That container is none of the definition's.")
                return
            value = f"service:{other}"
        if flag == "user" and value == "1000:1000":
            self.notes.append(assumed("--user 1000:1000", "It is the first user of most boxes."))
        if flag == "user" and value.lower() in _OPEN_USERS:
            self._drop(flag, value, "Which user is meant was left open; without it the image's own counts.")
            return
        self._service[TEXTS[flag]] = value

    def _variable(self, flag: str, value: str) -> None:
        name, sign, text = value.partition("=")
        environment = self._service.setdefault("environment", {})
        name = self._shown(name)
        if not name or name.startswith("<"):
            self._drop(flag, value, "Which variable is meant was left open.")
        elif self._command.is_open(text):
            environment[name] = None
            self._hints[name] = self._shown(text)
        elif text in ("...", "…"):
            environment[name] = None
        else:
            environment[name] = text if sign else None

    def _variable_file(self, _flag: str, value: str) -> None:
        self._append("env_file", value)

    def _limit(self, key: str, flag: str, value: str) -> None:
        if value in ("0", "-1", ""):
            self._drop(flag, value, "No limit is what is the case without it.")
        else:
            self._service[key] = value

    def _entrypoint(self, _flag: str, value: str) -> None:
        self._service["entrypoint"] = [value] if value else []

    def _graphics(self, _flag: str, value: str) -> None:
        devices = re.search(r"device=([^\"']+)", value)
        if devices:
            self._service["gpus"] = [{"device_ids": devices[1].split(",")}]
        elif count := re.fullmatch(r"(?:count=)?([0-9]{1,3})", value):
            self._service["gpus"] = [{"count": int(count[1])}]
        else:
            self._service["gpus"] = "all"

    def _retries(self, flag: str, value: str) -> None:
        if value.isascii() and value.isdigit() and len(value) < 6:
            self._health["retries"] = int(value)
        else:
            self._drop(flag, value, "It is no number.")

    def _disable_health(self, value: str) -> None:
        if value == "true":
            self._health = {"disable": True}

    def _link(self, flag: str, value: str) -> None:
        other, _, alias = value.partition(":")
        other = other.lstrip("/")
        if other not in self._services or other == self._name:
            self._drop(flag, value, f"The container {other} is none of the definition's.")
        else:
            self._append("links", f"{other}:{alias}" if alias and alias != other else other)

    def _log_option(self, flag: str, value: str) -> None:
        name, sign, text = value.partition("=")
        if sign:
            self._log.setdefault("options", {})[name] = text
        else:
            self._drop(flag, value, "It has no value.")

    def _mount(self, flag: str, value: str) -> None:
        mount, odd = read_mount_flag(value, self._command)
        if mount is None:
            self._drop(flag, value, "It does not say what is mounted where.")
            return
        for option in odd:
            self._drop(flag, option, "Homeport has no such option of mounts.")
        self._append("volumes", mount)

    def _volume(self, flag: str, value: str) -> None:
        mount = read_volume_flag(value, self._command)
        if mount is None:
            self._drop(flag, value, "It does not say where in the container.")
        else:
            self._append("volumes", mount)

    def _network(self, flag: str, value: str) -> None:
        fields = dict(part.partition("=")[::2] for part in value.split(",")) if "name=" in value else {}
        name = fields.get("name", value)
        word, _, other = name.partition(":")
        if name in ("host", "none"):
            self._service["network_mode"] = name
        elif word == "container" and other in self._services and other != self._name:
            self._service["network_mode"] = f"service:{other}"
        elif word == "container":
            self._drop(flag, value, f"The container {other} is none of the definition's.")
        elif name in ("bridge", "default", "podman"):
            return
        elif _NETWORK_NAME.fullmatch(name):
            self.networks.append(name)
            self._aliases += [fields["alias"]] if fields.get("alias") else []
        else:
            self._drop(flag, value, "It is no network that an app can have.")

    def _join_networks(self) -> None:
        if "network_mode" in self._service:
            self.networks.clear()
        elif self._aliases:
            aliases = {"aliases": list(dict.fromkeys(self._aliases))}
            self._service["networks"] = {name: dict(aliases) for name in self.networks or ["default"]}
        elif self.networks:
            self._service["networks"] = list(dict.fromkeys(self.networks))

    def _publish_all(self) -> None:
        for port in self._service.get("expose", ()):
            self._append("ports", port)
        if not self._service.get("ports"):
            why = "Which ports the image exposes is not known here; name the page's under `web` in app.yml."
            self.notes.append(dropped("--publish-all", why))

    def _runtime(self, flag: str, value: str) -> None:
        if value != "nvidia":
            self._service["runtime"] = value
        else:
            self._note(changed, flag, value, "Graphics cards are asked for by `gpus`.")
            self._service.setdefault("gpus", "all")

    def _security(self, _flag: str, value: str) -> None:
        name, sign, setting = re.sub(r"^([a-z-]+):", r"\1=", value).partition("=")
        if name == "no-new-privileges" and setting in ("", "true"):
            return  # it is always on
        self._append("security_opt", f"{name}{sign}{setting}")

    def _stop_timeout(self, flag: str, value: str) -> None:
        if value.isascii() and value.isdigit():
            self._service["stop_grace_period"] = f"{value}s"
        else:
            self._drop(flag, value, "It is no number of seconds.")

    def _ulimit(self, flag: str, value: str) -> None:
        match = _ULIMIT.fullmatch(value)
        if match is None:
            self._drop(flag, value, "It is no NAME=SOFT:HARD.")
            return
        soft, hard = int(match[2]), int(match[3] or match[2])
        self._service.setdefault("ulimits", {})[match[1]] = (
            soft if soft == hard else {"soft": soft, "hard": hard}
        )

    def _volumes_from(self, flag: str, value: str) -> None:
        other, _, mode = value.partition(":")
        if other in self._services and other != self._name:
            self._append("volumes_from", f"{other}:{mode}" if mode else other)
        else:
            self._drop(flag, value, f"The container {other} is none of the definition's.")
