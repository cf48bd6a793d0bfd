"""What Compose says while it works: one JSON object a line on standard error. Pure."""

import json
import re
from collections.abc import Callable
from typing import Any

_FINAL_WORDS = frozenset({"Started", "Running", "Healthy", "Exited", "Removed"})
_SHARES = {
    "Creating": 0.1,
    "Created": 0.5,
    "Starting": 0.6,
    "Recreate": 0.1,
    "Recreated": 0.5,
    "Waiting": 0.7,
}
_KINDS = ("Container ", "Network ", "Volume ")
_PREFIX = re.compile(r"^(?:Error response from daemon: )+")


class ComposeProgress:
    """Reads Compose's lines; says how far it is and, at the end, what went wrong.

    Args:
        expected: how many containers, networks and volumes there will be; at least as many as were seen.
        on_progress: gets the fraction, 0 to 1, never less than before, and what happens.
        log: gets each message in words, once.
    """

    def __init__(
        self, expected: int, on_progress: Callable[[float, str], None], log: Callable[[str], None]
    ) -> None:
        self.error = ""
        self._expected = expected
        self._on_progress = on_progress
        self._log = log
        self._shares: dict[str, float] = {}
        self._fraction = 0.0
        self._last = ""

    def feed(self, line: str) -> None:
        """Takes a line; what is no JSON object is logged as it is."""
        message = _parsed(line)
        if message is None:
            self._say(line.strip())
        elif message.get("error"):
            self.error = _PREFIX.sub("", str(message.get("message", "")))
            self._say(self.error)
        elif "id" in message:
            self._moved(str(message["id"]), str(message.get("status", "")), str(message.get("text", "")))

    def _moved(self, thing: str, status: str, text: str) -> None:
        self._say(f"{thing} {text}".strip())
        if not thing.startswith(_KINDS):
            return
        done = text in _FINAL_WORDS or (status == "Done" and not thing.startswith("Container "))
        self._shares[thing] = 1.0 if done else _SHARES.get(text, self._shares.get(thing, 0.0))
        total = max(self._expected, len(self._shares))
        self._fraction = max(self._fraction, sum(self._shares.values()) / total)
        self._on_progress(self._fraction, f"{thing} {text}".strip())

    def _say(self, text: str) -> None:
        if text and text != self._last:
            self._last = text
            self._log(text)


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
