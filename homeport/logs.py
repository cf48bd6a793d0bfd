"""How processes log: plain text or JSON lines on standard error, with the job and the app they speak of."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

_BOUND: Final[ContextVar[Mapping[str, str]]] = ContextVar("homeport_log_bound", default={})  # noqa: B039
_LINE_LENGTH = 8000  # a foreign message must not fill the log of a process


@contextmanager
def bound(**names: str | None) -> Iterator[None]:
    """Every record within says these names too: `with bound(job=job.id, app=job.subject): …`.

    Bound per context, so per thread; a thread started inside has them only if it runs in a copy of the
    context (`contextvars.copy_context().run`).
    """
    token = _BOUND.set(
        {**_BOUND.get(), **{name: value for name, value in names.items() if value is not None}}
    )
    try:
        yield
    finally:
        _BOUND.reset(token)


class PlainLines(logging.Formatter):
    """`2026-01-31T12:00:00.000Z worker INFO homeport.x: message job=… app=…`, and the traceback below."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, but for a traceback."""
        names = "".join(f" {name}={value}" for name, value in _BOUND.get().items())
        message = record.getMessage()[:_LINE_LENGTH]
        line = f"{_time_of(record)} {self._process} {record.levelname} {record.name}: {message}{names}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """One JSON object a line: at, process, level, logger, message, what is bound, traceback."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        entry = {
            "at": _time_of(record),
            "process": self._process,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:_LINE_LENGTH],
            **_BOUND.get(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def set_up_logging(
    log_format: Literal["plain", "json"], *, process: str, stream: TextIO | None = None
) -> None:
    """Sends every logger's records from INFO up to standard error; called once, by an entry point."""
    destination = logging.StreamHandler(stream or sys.stderr)
    destination.setFormatter(JsonLines(process) if log_format == "json" else PlainLines(process))
    root = logging.getLogger()
    root.handlers[:] = [destination]
    root.setLevel(logging.INFO)


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
