"""Sizes as people write them."""

import re
from typing import Final

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}

LARGEST_SIZE: Final = 1024**5
"""1024T, more than a home server has, and a number that every store and program takes."""


def parse_size(text: str) -> int:
    """The bytes in '512M', '5G', '1.5 GiB' or '4096': powers of 1024, as Docker counts memory.

    Raises:
        ValueError: it is no size.
    """
    if len(text) > 32 or not (match := _SIZE.fullmatch(text.strip())):
        raise ValueError(f"{text[:40]!r} is not a size such as 512M or 5G")
    size = float(match[1]) * 1024 ** _POWERS[match[2].lower()]
    if size > LARGEST_SIZE:
        raise ValueError(f"{text[:40]!r} is more than 1024T")
    return int(size)
