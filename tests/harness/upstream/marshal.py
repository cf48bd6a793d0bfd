"""Ruby's own serialisation (Marshal 4.8), as far as an index of gems needs it.

The format: https://docs.ruby-lang.org/en/3.3/marshal_rdoc.html
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "bool | int | str | Sequence[Value] | Mapping[str, Value] | Marshalled | Instance | None"


@dataclass(frozen=True)
class Marshalled:
    """An object of a class that has `marshal_dump`, with what that gives."""

    class_name: str
    value: "Value"


@dataclass(frozen=True)
class Instance:
    """A plain object with its instance variables."""

    class_name: str
    variables: Mapping[str, "Value"]


def dump(value: Value) -> bytes:
    """The whole stream, with its version."""
    return b"\x04\x08" + _write(value)


def dump_user_defined(class_name: str, content: bytes) -> bytes:
    """The whole stream of an object of a class that has `_dump`, which gave `content`."""
    body = b"Iu" + _symbol_name(class_name) + _bytes(content) + _integer(1) + _symbol_name("E") + b"T"
    return b"\x04\x08" + body


def _write(value: Value) -> bytes:  # noqa: PLR0911 - one line for each kind
    match value:
        case None:
            return b"0"
        case bool():
            return b"T" if value else b"F"
        case int():
            return b"i" + _integer(value)
        case str() if value.startswith(":"):
            return _symbol_name(value[1:])
        case str():
            return b'I"' + _bytes(value.encode()) + _integer(1) + _symbol_name("E") + b"T"
        case Marshalled():
            return b"U" + _symbol_name(value.class_name) + _write(value.value)
        case Instance():
            return b"o" + _symbol_name(value.class_name) + _pairs(value.variables, _symbol_name)
        case Mapping():
            return b"{" + _pairs(value, _write)
        case _:
            return b"[" + _integer(len(value)) + b"".join(_write(item) for item in value)


def _pairs(values: Mapping[str, Value], key: Callable[[str], bytes]) -> bytes:
    return _integer(len(values)) + b"".join(key(name) + _write(value) for name, value in values.items())


def _symbol_name(name: str) -> bytes:
    return b":" + _bytes(name.encode())


def _bytes(content: bytes) -> bytes:
    return _integer(len(content)) + content


def _integer(number: int) -> bytes:
    """A length or a small number: one byte where it fits, else its count of bytes and these."""
    if number == 0:
        return b"\x00"
    if 0 < number < 123:
        return bytes([number + 5])
    size = (number.bit_length() + 7) // 8
    return bytes([size]) + number.to_bytes(size, "little")
