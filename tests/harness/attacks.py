"""The corpus of hostile definitions in tests/data/attacks, and the traps that they are tried with.

How a file of the corpus is written stands in its README.md.
"""

import os
import re
import socket
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).parents[1] / "data" / "attacks"

APP: Final = """\
name: wiki
title: Wiki
version: "1.0"
web: {service: web, port: 80}
"""
COMPOSE: Final = """\
services:
  web:
    image: nginx:1.27
    ports: ["HOST_PORT:80"]
"""

_BLOCK: Final = re.compile(r"-- (?P<name>\S+)(?: \((?P<form>escaped|utf-16|utf-16-le|latin-1)\))?")
_REPEATED: Final = re.compile(r"⟪(?P<text>.*?)\*(?P<count>[0-9]+)⟫", re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9a-f]{2})|n|r|t|\\)")
_LETTERS: Final = {b"\\n": b"\n", b"\\r": b"\r", b"\\t": b"\t", b"\\\\": b"\\"}
_HEADERS: Final = frozenset({"rule", "key", "missing", "folder", "link", "fifo", "files"})


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One hostile definition, and how it has to be refused."""

    family: str
    """The file of the corpus."""
    idea: str
    rule: str = ""
    """Of the finding that must be there; empty where only the owner's grant is missing."""
    key: str = ""
    """Where that finding stands; empty: anywhere."""
    missing: tuple[str, ...] = ()
    """The permissions that the owner has not granted."""
    folders: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """Symbolic links in the definition: name, target."""
    fifos: tuple[str, ...] = ()
    blocks: tuple[tuple[str, str, str], ...] = ()
    """Name, form and text of each block."""
    many: tuple[tuple[int, str], ...] = ()
    """How many empty files of which name, a number behind it."""

    def __str__(self) -> str:
        return f"{self.family}: {self.idea}"

    def files(self, traps: "Traps") -> dict[str, bytes]:
        """The files of the definition by name."""
        texts = {"app.yml": APP.encode(), "docker-compose.yml": COMPOSE.encode()}
        for name, form, text in self.blocks:
            written = _write(traps.place(text), form)
            match name:
                case "service":
                    texts["docker-compose.yml"] = _with_service(written.decode()).encode()
                case "top":
                    texts["docker-compose.yml"] += written
                case "app":
                    texts["app.yml"] += written
                case _:
                    texts[name] = written
        texts |= {f"{name}{number}": b"" for count, name in self.many for number in range(count)}
        return texts

    def write(self, folder: Path, traps: "Traps") -> None:
        """Makes the definition's folder."""
        folder.mkdir(parents=True)
        for name in self.folders:
            (folder / name).mkdir(parents=True)
        for name, content in self.files(traps).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        for name, target in self.links:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(traps.place(target))
        for name in self.fifos:
            (folder / name).unlink(missing_ok=True)
            os.mkfifo(folder / name)


@cache
def load_corpus() -> tuple[Attack, ...]:
    """Every attack, by file and place in it."""
    return tuple(attack for file in sorted(CORPUS.glob("*.txt")) for attack in _read(file))


def _read(file: Path) -> list[Attack]:
    _, *cases = re.split(r"^== ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [_attack(file.stem, text) for text in cases]


def _attack(family: str, text: str) -> Attack:
    head, *rest = re.split(r"^(?=-- )", text, flags=re.MULTILINE)
    idea, *lines = head.strip().splitlines()
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name not in _HEADERS:
            raise ValueError(f"{family}: {idea}: {line!r} is no header")
        headers.setdefault(name, []).append(_repeat(value))
    return Attack(
        family=family,
        idea=idea,
        rule="".join(headers.get("rule", ())),
        key="".join(headers.get("key", ())),
        missing=tuple(headers.get("missing", ())),
        folders=tuple(headers.get("folder", ())),
        links=tuple(
            (name, target) for name, _, target in (v.partition(" -> ") for v in headers.get("link", ()))
        ),
        fifos=tuple(headers.get("fifo", ())),
        blocks=tuple(_block(part, f"{family}: {idea}") for part in rest),
        many=tuple(
            (int(count), name) for count, _, name in (v.partition(" ") for v in headers.get("files", ()))
        ),
    )


def _block(text: str, where: str) -> tuple[str, str, str]:
    first, _, body = text.partition("\n")
    match = _BLOCK.fullmatch(first)
    if match is None:
        raise ValueError(f"{where}: {first!r} begins no block")
    return match["name"], match["form"] or "", _repeat(body.rstrip("\n")) + "\n"


def _repeat(text: str) -> str:
    return _REPEATED.sub(lambda found: found["text"] * int(found["count"]), text)


def _write(text: str, form: str) -> bytes:
    if form == "escaped":
        return _ESCAPE.sub(
            lambda found: bytes.fromhex(found[1].decode()) if found[1] else _LETTERS[found[0]], text.encode()
        )
    return text.encode(form or "utf-8")


def _with_service(text: str) -> str:
    """The sound compose file with these lines in its service, in place of those that have the same key."""
    keys = {line.partition(":")[0] for line in text.splitlines() if line[:1].strip()}
    if "build" in keys:
        keys.add("image")
    kept = [line for line in COMPOSE.splitlines() if line.strip().partition(":")[0] not in keys]
    return "\n".join([*kept, *(f"    {line}" for line in text.splitlines())]) + "\n"


@dataclass(frozen=True, kw_only=True)
class Traps:
    """What must not be run, opened, read or called, and how one sees that it was.

    `@OUT@` in a definition stands for the folder in which they lie (`../outside`, from the definition),
    `@ADDRESS@` for a listening socket of this machine. In the folder are `evil.sh`, which leaves a file when
    it is run, the FIFO `pipe`, which hangs whoever opens it, and `canary.env`, `canary.yml` and
    `canary/Dockerfile`: all three hold the secret, as the environment's variable CANARY does.
    """

    folder: Path
    secret: str
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.listener.setblocking(False)
        program = self.folder / "evil.sh"
        program.write_text(f"#!/bin/sh\necho run >> {self.folder}/ran\n")
        program.chmod(0o755)
        os.mkfifo(self.folder / "pipe")
        (self.folder / "canary.env").write_text(f"CANARY={self.secret}\n")
        (self.folder / "canary.yml").write_text(f"services: {{web: {{image: '{self.secret}'}}}}\n")
        (self.folder / "canary").mkdir()
        (self.folder / "canary" / "Dockerfile").write_text(f"FROM {self.secret}\n")

    def place(self, text: str) -> str:
        """The text with the traps' places in it."""
        host, port = self.listener.getsockname()
        return text.replace("@OUT@", str(self.folder)).replace("@ADDRESS@", f"{host}:{port}")

    def sprung(self, said: str = "") -> list[str]:
        """Which traps were sprung; `said` is all that was said meanwhile."""
        found = ["the program ran"] if (self.folder / "ran").exists() else []
        if self._has_reader():
            found.append("the FIFO is open")
        if self.secret in said:
            found.append("the canary was told")
        try:
            connection, _ = self.listener.accept()
        except BlockingIOError:
            return found
        connection.close()
        return [*found, "somebody called the address"]

    def close(self) -> None:
        """Ends the listening."""
        self.listener.close()

    def _has_reader(self) -> bool:
        try:
            os.close(os.open(self.folder / "pipe", os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # ENXIO: nobody reads
            return False
        return True
