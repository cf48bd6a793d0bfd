"""What is known of an app before its definition is written: services as they were found, and notes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class NoteKind(StrEnum):
    """What became of something that was found."""

    DROPPED = "dropped"
    """It is not in the definition."""
    CHANGED = "changed"
    """It is in the definition, as something else."""
    ASSUMED = "assumed"
    """It was not said, or left open, and has to be looked at."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that the definition does not say as it was found: what, as it stood there, and why."""

    kind: NoteKind
    what: str
    why: str

    def as_json(self) -> dict[str, str]:
        """`{"kind", "what", "why"}`."""
        return {"kind": self.kind.value, "what": self.what, "why": self.why}

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.what}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An app as it was found, for `write_definition`.

    `services`, `volumes`, `networks` and `configs` are what stands under these keys of a compose file by
    today's specification, in short or long syntax, and mean what they say: a `$` is a dollar sign and no
    variable. Sources of mounts stand as they were found (absolute, relative, below `~`, or with a placeholder
    in `<…>`), published ports likewise (HOST_PORT where it was found). `environment` is a mapping; a
    variable whose value is None is for the owner to set. What Homeport has no words for may stand in it:
    writing drops it, and says so.

    `name` is any text; `main` is the service whose container is named as the app; `hints` says of variables
    that are the owner's to set what stood in their place. `files` are texts that stand beside the compose
    file, by their path below it: build contexts, and what is mounted read-only; they go into the definition.
    """

    name: str
    title: str = ""
    services: Mapping[str, Mapping[str, Any]]
    volumes: Mapping[str, Any] = field(default_factory=dict)
    networks: Mapping[str, Any] = field(default_factory=dict)
    configs: Mapping[str, Any] = field(default_factory=dict)
    main: str | None = None
    hints: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def dropped(what: str, why: str) -> Note:
    """A note on something that is not in the definition."""
    return Note(kind=NoteKind.DROPPED, what=what, why=why)


def changed(what: str, why: str) -> Note:
    """A note on something that is in the definition as something else."""
    return Note(kind=NoteKind.CHANGED, what=what, why=why)


def assumed(what: str, why: str) -> Note:
    """A note on something that was not said, or left open."""
    return Note(kind=NoteKind.ASSUMED, what=what, why=why)
