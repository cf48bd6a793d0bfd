"""What `homeport check` finds, stage by stage, and what its stages hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from homeport.catalog.loaded import LoadedDefinition
from homeport.cli.main import Context
from homeport.errors import Finding, Problem
from homeport.permissions import Permission

PREFIX: Final = "check-"
"""Before the definition's name in the identifier of an app that is installed to be looked at."""

_LABEL_LENGTH: Final = 63


class Level(StrEnum):
    """How a stage ended."""

    OK = "ok"
    WARN = "warn"
    """It could be better; nobody is kept from publishing it."""
    BAD = "bad"
    SKIPPED = "skipped"
    """It was not looked at, since something before it is not as it must be."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a stage found; `mend` is what to do now; `lines` are a program's own last words."""

    level: Level
    found: str
    mend: str = ""
    findings: tuple[Finding, ...] = ()
    lines: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """A JSON object with the fields by name."""
        return {
            "level": self.level.value,
            "found": self.found,
            "mend": self.mend,
            "findings": [finding.as_json() for finding in self.findings],
            "lines": list(self.lines),
        }


def ok(found: str, **more: Any) -> Verdict:
    """Nothing is wrong."""
    return Verdict(level=Level.OK, found=found, **more)


def warn(found: str, **more: Any) -> Verdict:
    """Something could be better."""
    return Verdict(level=Level.WARN, found=found, **more)


def bad(found: str, **more: Any) -> Verdict:
    """Something must be mended."""
    return Verdict(level=Level.BAD, found=found, **more)


def of_problem(problem: Problem) -> Verdict:
    """What a refusal or a failed job tells; its findings stand as findings."""
    findings = tuple(Finding(**found) for found in problem.facts.get("findings") or ())
    why = "" if findings else " ".join(problem.why.split("\n"))
    found = " ".join(part for part in (problem.what, why) if part)
    lines = tuple(str(line) for line in problem.facts.get("last_lines") or ())
    return bad(found, mend=problem.remedy, findings=findings, lines=lines)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line says of a check."""

    folder: Path
    settings: Mapping[str, str]
    granted: tuple[Permission, ...]
    grants_all: bool = False
    keeps_app: bool = False
    removes_images: bool = False


@dataclass(kw_only=True)
class Checkup:
    """A check on its way: what was asked, and what stages have found for those after them."""

    context: Context
    asked: Asked
    loaded: LoadedDefinition | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    app: Mapping[str, Any] | None = None
    """The installed app's JSON object."""
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What was built, by service."""
    image_bytes: int = 0
    """How much they take; layers that they share are counted once for each."""
    may_be_installed: bool = False
    """Whether an install was asked for that nobody has taken back yet."""

    @property
    def definition(self) -> LoadedDefinition:
        """The definition, once it was read."""
        assert self.loaded is not None  # noqa: S101 - stages that need it come after the one that reads it
        return self.loaded

    @property
    def identifier(self) -> str:
        """Of the app that is installed to be looked at."""
        return (PREFIX + self.definition.definition.name)[:_LABEL_LENGTH].rstrip("-")
