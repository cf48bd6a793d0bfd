"""Makes a draft of an Amahi app: its install script and its uninstall script, which are read and never run.

Amahi replaces the placeholders and runs the install script in the app's folder. The script writes a compose
file, or has lines of `docker run`; both are found. What else it does is listed.
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from homeport.catalog.convert.compose_file import Surroundings, read_compose
from homeport.catalog.convert.docker_run import read_run_commands
from homeport.catalog.convert.draft import Draft, Note, assumed, dropped
from homeport.catalog.convert.naming import name_services, part_names, rename_word
from homeport.catalog.convert.places import is_in_app, resolve, seen_from
from homeport.catalog.convert.script import Command, Script, WrittenFile, read_script
from homeport.catalog.convert.script_builds import context_of, read_build
from homeport.catalog.convert.script_hints import compose_files, docker_subcommand, is_compose, note_of
from homeport.catalog.convert.shell_line import ShellCommand
from homeport.catalog.convert.words import blanked, has_unknown, split_marks, with_variables
from homeport.catalog.policy_rules import RESERVED_NAMES
from homeport.errors import NotConvertibleError

_COMPOSE_NAMES: Final = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_INSTALL: Final = "install script"
_UNINSTALL: Final = "uninstall script"
_FIRST_MARK: Final = 0xE100  # of Unicode's private use, as shell_line.py has them
_MOST_MARKS: Final = 1000


def read_amahi(install: str, uninstall: str = "", *, name: str | None = None) -> Draft:
    """The app that the scripts install and remove.

    Raises:
        NotConvertibleError: a script cannot be read, or the install script neither writes a compose file nor
            runs a container.
    """
    script = read_script(install, what="The install script")
    removal = read_script(uninstall, what="The uninstall script")
    draft = _Conversion(script).draft(name)
    notes = (*draft.notes, *(note_of(command, script=_UNINSTALL) for command in removal.commands))
    notes += tuple(_not_written(removal, _UNINSTALL, set()))
    return replace(draft, notes=notes)


class _Conversion:
    """An install script on its way to a draft."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._notes: list[Note] = []
        self._used: set[str] = set()
        """Files that have become part of the draft."""
        self._used_commands: set[int] = set()
        self._base = "."
        """The folder that becomes the definition's: the compose file's, if the script writes one."""

    def draft(self, name: str | None) -> Draft:
        """All that the script starts, as one app."""
        drafts = [*self._from_compose(name), *self._from_docker(name)]
        if not drafts:
            self._refuse()
        draft = name_services(_together(drafts))
        services = self._with_builds({key: dict(service) for key, service in draft.services.items()})
        files = dict(self._files(services))
        for number, command in enumerate(self._script.commands):
            if number not in self._used_commands:
                self._notes.append(note_of(command, script=_INSTALL))
        self._notes += _not_written(self._script, _INSTALL, self._used)
        notes = (*draft.notes, *self._notes)
        return replace(draft, services=services, files=files, notes=notes)

    def _from_compose(self, name: str | None) -> Iterator[Draft]:
        """The compose file that the script writes, if it does."""
        for path, file in self._compose_texts():
            if file.text is None:
                why = f"What stands in {path} is known only when the command before is run."
                remedy = "Give the compose file itself."
                raise NotConvertibleError(
                    f"Line {file.line} of the {_INSTALL} writes {path}.",
                    why=why,
                    remedy=remedy,
                    line=file.line,
                )
            if file.is_conditional:
                why = "It is written under a condition, and taken as if it held."
                self._notes.append(assumed(f"{_INSTALL} line {file.line}: {path}", why))
            self._base = posixpath.dirname(path) or "."
            self._used |= {path, self._beside(path, ".env")}
            yield read_compose(with_variables(file.text), name=name, around=self._surroundings(path, file))
            return

    def _compose_texts(self) -> Iterator[tuple[str, WrittenFile]]:
        """Compose files that are there, the one that is asked for first."""
        for command in self._script.commands:
            if not is_compose(command):
                continue
            named = compose_files(command)
            for other in named[1:]:
                what = f"{_INSTALL} line {command.line}: {other}"
                self._notes.append(dropped(what, f"Only {named[0]} is read: write what it adds into that."))
            if named[:1] == ["-"] and command.stdin is not None:
                yield (
                    resolve(_COMPOSE_NAMES[2], command.folder),
                    WrittenFile(text=command.stdin, line=command.line + 1, is_conditional=False),
                )
            for wanted in named[:1] or _COMPOSE_NAMES:
                path = resolve(wanted, command.folder)
                if file := self._script.files.get(path):
                    yield path, file
        for path, file in self._script.files.items():
            if posixpath.basename(path) in _COMPOSE_NAMES:
                yield path, file

    def _surroundings(self, path: str, file: WrittenFile) -> Surroundings:
        return Surroundings(
            file=path,
            folder=self._base,
            first_line=file.line,
            files={
                name: with_variables(written.text)
                for name, _, written in self._written()
                if written.text is not None
            },
            variables={
                name: value
                for name, value in self._script.variables.items()
                if name in self._script.exported and name != "PWD" and not has_unknown(value)
            },
            unknown=self._shown_unknown(),
        )

    def _shown_unknown(self) -> dict[str, str]:
        return {name: f"{shown} in line {line}" for name, (line, shown) in self._script.unknown.items()}

    def _from_docker(self, name: str | None) -> Iterator[Draft]:
        """The containers that the script starts by docker itself."""
        runs: list[ShellCommand] = []
        folders: list[str] = []
        for number, command in enumerate(self._script.commands):
            is_run = docker_subcommand(command) in ("run", "create") and not is_compose(command)
            if is_run and _is_app(command):
                self._used_commands.add(number)
                runs.append(_shell_command(command, self._shown_unknown()))
                folders.append(command.folder)
        if runs:
            apart = {old: new for run in runs for old, new in part_names(run.words)}
            runs = [replace(run, words=tuple(rename_word(word, apart) for word in run.words)) for run in runs]
            draft = read_run_commands(runs, name=name)
            own = {new: {"container_name": old} for old, new in apart.items()}
            services = {
                key: {**self._moved(service, folder), **own.get(key, {})}
                for (key, service), folder in zip(draft.services.items(), folders, strict=True)
            }
            yield replace(draft, services=services)

    def _moved(self, service: Mapping[str, Any], folder: str) -> dict[str, Any]:
        """The service of a command that ran in the folder, its paths as seen from the definition's."""

        def move(item: Any) -> Any:
            if isinstance(item, dict):
                return item | {"source": move(item["source"])} if "source" in item else item
            path, colon, rest = item.partition(":")
            if is_in_app(path) or path.split("/")[0] in (".", ".."):
                path = seen_from(resolve(path, folder), self._base)
            return f"{path}{colon}{rest}"

        moved = dict(service)
        if "volumes" in service:
            moved["volumes"] = [move(mount) for mount in service["volumes"]]
        if "env_file" in service:
            moved["env_file"] = [seen_from(resolve(name, folder), self._base) for name in service["env_file"]]
        return moved

    def _with_builds(self, services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The services with what `docker build` makes of their images."""
        for number, command in enumerate(self._script.commands):
            if docker_subcommand(command) != "build" or is_compose(command):
                continue
            build, tags = read_build(command, self._base)
            for service in services.values():
                if service.get("image") in tags and "build" not in service:
                    del service["image"]  # Homeport names what it builds
                    service["build"] = build
                    self._used_commands.add(number)
        return services

    def _files(self, services: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
        """The files that images are built from, and those that containers get, below the definition."""
        folders = {context_of(service["build"]) for service in services.values() if "build" in service}
        taken = {
            posixpath.normpath(_source(item))
            for service in services.values()
            for key in ("volumes", "env_file")
            for item in service.get(key) or ()
        }
        for name, path, file in self._written():
            if path in self._used or name.startswith(("/", "..", "~")) or file.text is None:
                continue
            if name in RESERVED_NAMES:  # the definition has its own
                continue
            if name in taken or any(folder == "." or name.startswith(folder + "/") for folder in folders):
                self._used.add(path)
                yield name, self._plain(path, file)

    def _written(self) -> Iterator[tuple[str, str, WrittenFile]]:
        """The files that the script writes: as seen from the definition's folder, and from the app's."""
        for path, file in self._script.files.items():
            if path.startswith("/") == self._base.startswith("/"):
                yield posixpath.normpath(seen_from(path, self._base)), path, file

    def _plain(self, path: str, file: WrittenFile) -> str:
        """The file's text; nothing stands where something is not known."""
        text = file.text or ""
        if has_unknown(text):
            names = dict.fromkeys(split_marks(text)[1::2])
            shown = ", ".join(self._shown_unknown().get(name, f"${name}") for name in names)
            what = f"{_INSTALL} line {file.line}: {path}"
            self._notes.append(
                assumed(what, f"Only running would tell {shown}; nothing stands in its place.")
            )
        return blanked(text)

    @staticmethod
    def _beside(path: str, name: str) -> str:
        return posixpath.join(posixpath.dirname(path), name)

    def _refuse(self) -> None:
        line = self._script.not_understood[0] if self._script.not_understood else None
        why = "It writes no compose file and runs no container that could be found without running it."
        if line:
            why += f" Line {line} is not understood."
        remedy = "Give the compose file itself, or a line of docker run."
        facts = {"line": line} if line else {}
        raise NotConvertibleError(f"The {_INSTALL} makes no app.", why=why, remedy=remedy, **facts)


def _not_written(script: Script, what: str, used: set[str]) -> Iterator[Note]:
    """Notes on files and lines that did not become part of the definition."""
    for path, file in script.files.items():
        if path not in used:
            where = f"{what} line {file.line}: {path}"
            yield dropped(where, "This file is not written: put it into the image, or under `configs`.")
    for line in dict.fromkeys(script.not_understood):
        yield dropped(f"{what} line {line}", "Something in it is not understood.")


def _together(drafts: list[Draft]) -> Draft:
    """One app of several drafts; services of later ones go by other names where theirs are taken."""
    first, *others = drafts
    for other in others:
        services = dict(first.services)
        for name, service in other.services.items():
            services[name if name not in services else f"{name}-2"] = service
        first = replace(
            first,
            services=services,
            volumes={**other.volumes, **first.volumes},
            networks={**other.networks, **first.networks},
            configs={**other.configs, **first.configs},
            hints={**other.hints, **first.hints},
            main=first.main or other.main,
            notes=(*first.notes, *other.notes),
        )
    return first


def _is_app(command: Command) -> bool:
    """Whether the container stays, and is not run for one answer."""
    return "--rm" not in command.words or {"-d", "--detach"} & set(command.words) != set()


def _shell_command(command: Command, shown: Mapping[str, str]) -> ShellCommand:
    """The command as docker's lines are read: a character in place of each thing that is not known."""
    marks: dict[str, str] = {}
    words: list[str] = []
    for word in command.words:
        parts = split_marks(word)
        for at in range(1, len(parts), 2):
            stood = shown.get(parts[at], f"${parts[at]}")
            parts[at] = marks.setdefault(stood, chr(_FIRST_MARK + len(marks)))
            if len(marks) > _MOST_MARKS:
                raise NotConvertibleError(
                    f"Line {command.line} of the {_INSTALL} has too many variables.",
                    remedy="Write values in their places.",
                    line=command.line,
                )
        words.append("".join(parts))
    open_marks = {mark: stood for stood, mark in marks.items()}
    return ShellCommand(
        line=command.line,
        words=tuple(words),
        open_marks=open_marks,
        folders={mark: "~" for mark, stood in open_marks.items() if stood == "$HOME"},
        text=command.text,
    )


def _source(item: Any) -> str:
    """Where a mount, or a file of variables, comes from."""
    if isinstance(item, dict):
        return str(item.get("source") or item.get("path") or "")
    return str(item).split(":")[0]
