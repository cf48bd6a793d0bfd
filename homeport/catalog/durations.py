"""Durations as compose files write them."""

import re
from typing import Final

_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ns|us|µs|ms|s|m|h))+")
_PART: Final = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """The seconds in '1m30s' or '500ms' (compose-spec, "Specifying durations").

    Raises:
        ValueError: it is no duration.
    """
    if len(text) > 64 or not _DURATION.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no duration such as 30s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
