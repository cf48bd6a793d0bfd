"""HAProxy's runtime API: a command over its Unix socket, and what it says (Management Guide, 9.3)."""

import re
import socket
from pathlib import Path
from typing import Final

from homeport.errors import ComponentUnavailableError

_ANSWER_S: Final = 5.0  # what takes longer is no answer
_PIECE_BYTES: Final = 64 * 1024
_LARGEST_BYTES: Final = 16 * 1024 * 1024  # a map of a hundred thousand names
_LINE: Final = re.compile(
    r"[ -:=-~]+"
)  # printable, and no semicolon, which would begin another command; no `<`


class RuntimeSocket:
    """The way to a running HAProxy. Each command has a connection of its own, which HAProxy closes."""

    def __init__(self, path: Path, *, answer_s: float = _ANSWER_S) -> None:
        self._path = path
        self._answer_s = answer_s

    def ask(self, command: str, *, payload: str | None = None) -> str:
        """What HAProxy says to a command.

        Args:
            command: one, of printable ASCII, without a semicolon.
            payload: lines that belong to it, none of them empty: an empty one ends a payload.

        Raises:
            ComponentUnavailableError: it does not listen, or not in time.
        """
        if not _LINE.fullmatch(command):
            raise ValueError(f"no command of the runtime API: {command!r}")
        if payload is not None and "" in payload.splitlines():
            raise ValueError("an empty line would end the payload")
        text = f"{command}\n" if payload is None else f"{command} <<\n{payload.rstrip()}\n\n"
        try:
            return self._exchange(text.encode("ascii")).decode("utf-8", "replace")
        except OSError as error:
            raise ComponentUnavailableError(
                "The reverse proxy does not answer.",
                why=f"{self._path}: {error.strerror or type(error).__name__}.",
                remedy="It is started again by itself; `homeport doctor` says what keeps it from starting.",
                component="proxy",
            ) from error

    def _exchange(self, request: bytes) -> bytes:
        answer = bytearray()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(self._answer_s)
            connection.connect(str(self._path))
            connection.sendall(request)
            while piece := connection.recv(_PIECE_BYTES):
                answer += piece
                if len(answer) > _LARGEST_BYTES:
                    raise OSError(f"an answer of more than {_LARGEST_BYTES} bytes")
        return bytes(answer)
