"""What one check of `homeport doctor` found."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one check found; `mend` is the command or the step that mends it, empty where nothing is wrong."""

    name: str
    level: Literal["ok", "warn", "bad"]
    found: str
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        """A JSON object with the fields by name."""
        return {"name": self.name, "level": self.level, "found": self.found, "mend": self.mend}
