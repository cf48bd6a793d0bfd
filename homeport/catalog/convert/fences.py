"""Finds where commands stand in a text: in Markdown's fenced blocks, or anywhere. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

DOCKER: Final = re.compile(r"\b(?:docker|podman)\b")

_FENCES: Final = ("```", "~~~")


@dataclass(frozen=True, kw_only=True)
class Block:
    """Lines of a text, and the number of the first of them."""

    first_line: int
    text: str


def find_blocks(text: str) -> list[Block]:
    """The fenced blocks that have docker's commands, or else the whole text."""
    fenced = [block for block in _fenced(text) if DOCKER.search(block.text)]
    return fenced or [Block(first_line=1, text=text)]


def _fenced(text: str) -> Iterator[Block]:
    """The blocks that are closed: a fence with whatever behind it opens one, a bare fence ends it."""
    inside: list[str] | None = None
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t")
        if inside is None:
            if stripped.startswith(_FENCES):
                inside, first = [], number + 1
        elif stripped in _FENCES:
            yield Block(first_line=first, text="".join(inside))
            inside = None
        else:
            inside.append(line + "\n")
