"""What becomes of a script's commands in a definition: words for each that is known. Pure."""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Final

from homeport.catalog.convert.docker_flags import ENGINE_WITH_VALUE, past_flags
from homeport.catalog.convert.draft import Note, changed, dropped
from homeport.catalog.convert.script import Command

_IN_IMAGE: Final = (
    "Nothing is installed on the box: what the app needs is in its image (a Dockerfile beside app.yml)."
)
_FETCHED: Final = "Nothing is fetched on the box: fetch it in a Dockerfile."
_FOLDERS: Final = "Homeport makes the folders that are mounted and those under `data`."
_OWNERS: Final = (
    "Homeport gives folders the owner that their image wants; where it has PUID and PGID, these count."
)
_WAITS: Final = "Homeport waits until the app is healthy."
_FIREWALL: Final = (
    "A definition changes no firewall: ports that are published are open, and shown to the owner."
)
_SERVICES: Final = (
    "A definition has nothing of the box's own services; what the app needs is one of its containers."
)
_SHELL: Final = "It is the script's own business."
_KEEPS_DATA: Final = "Uninstall keeps what stands under `data`; a purge removes it."
_ANOTHER_SHELL: Final = (
    "What another script or shell does is not read: give its text, or put it into the image."
)
_FIRST_FILES: Final = "Files that the app begins with belong into its image."
_AS_WRITTEN: Final = "It changes a file after it was written; the file is taken as it was written."
_NEITHER: Final = "It is no part of a definition; if the app needs it, put it into the image."

_SHELLS_OWN: Final = (
    "set", "exit", "return", "true", "false", ":", "[", "[[", "test", "trap", "read", "shift", "local",
    "unset", "shopt", "umask", "date", "whoami", "id", "ls", "grep", "break", "continue", "popd", "pushd",
    "alias",
)  # fmt: skip
_PACKAGERS: Final = ("apt", "apt-get", "yum", "dnf", "apk", "pip", "pip3", "npm", "gem", "dpkg", "rpm")
_ACCOUNTS: Final = ("chown", "chmod", "chgrp", "setfacl", "useradd", "usermod", "adduser", "groupadd")
_BESIDE: Final = ("systemctl", "service", "crontab", "mysql", "psql", "a2ensite", "hda-ctl")
_SHELLS: Final = ("bash", "sh", "eval", "source", ".", "python", "python3", "ruby", "php")

_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("mkdir", "install", "touch"), _FOLDERS),
    **dict.fromkeys(_ACCOUNTS, _OWNERS),
    **dict.fromkeys(("sleep", "wait", "nc", "timeout"), _WAITS),
    **dict.fromkeys(("iptables", "ip6tables", "ufw", "firewall-cmd", "nft"), _FIREWALL),
    **dict.fromkeys(_PACKAGERS, _IN_IMAGE),
    **dict.fromkeys(("curl", "wget", "git", "scp", "rsync"), _FETCHED),
    **dict.fromkeys(("tar", "unzip", "cp", "mv", "ln"), _FIRST_FILES),
    **dict.fromkeys(("sed", "awk", "perl", "patch"), _AS_WRITTEN),
    **dict.fromkeys(_BESIDE, _SERVICES),
    **dict.fromkeys(_SHELLS, _ANOTHER_SHELL),
    **dict.fromkeys(_SHELLS_OWN, _SHELL),
    "rm": _KEEPS_DATA,
    "rmdir": _KEEPS_DATA,
    "sysctl": "A kernel setting of the app's own containers stands under `sysctls`, as a permission.",
    "modprobe": "A definition loads nothing into the kernel.",
    "mount": "A definition mounts nothing on the box; its folders stand under `volumes`, as permissions.",
}

_ITSELF: Final[Mapping[str, str]] = {
    **dict.fromkeys(("up", "start"), "Homeport starts the app itself."),
    **dict.fromkeys(("down", "stop", "rm", "kill"), "Homeport stops the containers and removes them itself."),
    **dict.fromkeys(("pull", "login"), "Homeport fetches the images itself."),
    **dict.fromkeys(("rmi", "image", "system"), "Homeport's cleanup removes images that no app needs."),
    **dict.fromkeys(("network", "volume"), "Homeport makes networks and volumes that the compose file has."),
    **dict.fromkeys(
        ("ps", "logs", "inspect", "wait", "config", "images", "port"), "Homeport shows and checks this."
    ),
    **dict.fromkeys(("restart", "create", "build", "tag"), "Homeport does this itself."),
    **dict.fromkeys(("update", "rename"), "Homeport names and limits the containers itself."),
}
"""Commands of docker and docker-compose that Homeport has an equal of."""
_INSIDE: Final = "Nothing is done within a container after its start: put it into the image's entrypoint."
_ONCE: Final = "A container that runs once is none of the app's: do it in the entrypoint of the app's image."

_COMPOSE_VALUES: Final = frozenset(
    {
        "-f",
        "--file",
        "-p",
        "--project-name",
        "--env-file",
        "--profile",
        "--project-directory",
        "--ansi",
        "--parallel",
    }
)


def note_of(command: Command, *, script: str) -> Note:
    """What became of a command that is not part of the definition; `script` names where it stands."""
    what = f"{script} line {command.line}: {command.text}"
    called = docker_subcommand(command)
    if called is None:
        return dropped(what, _WORDS.get(posixpath.basename(command.words[0]), _NEITHER))
    if called in ("exec", "cp", "attach"):
        return dropped(what, _INSIDE)
    if called == "run" or (called == "create" and not is_compose(command)):
        return dropped(what, _ONCE)
    if called in _ITSELF:
        return changed(what, _ITSELF[called])
    return dropped(what, _NEITHER)


def docker_subcommand(command: Command) -> str | None:
    """What docker or docker-compose is asked to do; None where it is another program."""
    words = command.words
    at = _command_at(words)
    if at is None:
        return None
    if is_compose(command):
        at = past_flags(words, at if _program(words) == "docker-compose" else at + 1, _COMPOSE_VALUES)
    elif words[at : at + 1] == ("container",):
        at += 1
    return words[at] if at < len(words) else ""


def is_compose(command: Command) -> bool:
    """Whether it is Docker Compose, old or new."""
    at = _command_at(command.words)
    return _program(command.words) == "docker-compose" or (
        at is not None and command.words[at : at + 1] == ("compose",)
    )


def compose_files(command: Command) -> list[str]:
    """The files that a command of Docker Compose names."""
    words = command.words
    named = [words[at + 1] for at, word in enumerate(words[:-1]) if word in ("-f", "--file")]
    return named + [word.partition("=")[2] for word in words if word.startswith("--file=")]


def _program(words: Sequence[str]) -> str:
    return posixpath.basename(words[0])


def _command_at(words: Sequence[str]) -> int | None:
    """Where the command of docker or docker-compose stands; None where it is another program."""
    match _program(words):
        case "docker-compose":
            return 1
        case "docker" | "podman" | "nerdctl":
            return past_flags(words, 1, ENGINE_WITH_VALUE)
        case _:
            return None
