"""Reads YAML that somebody else wrote: bounded, by YAML 1.2's core rules, with a line for every key.

PyYAML gives the events (libyaml's parser where it is built in); the values are made here, because PyYAML's
own rules are YAML 1.1's, which turn `2224:22` into 133462 and `no` into False. What differs from the core
schema (YAML 1.2.2, section 10.3), and why:

- A number with a leading zero stays the text it was. Core says that `0755` is 755; Compose's reader (go-yaml,
  tried with Compose 5.6) says 493, and gives a container `UMASK=18` where the file says `022`. Nobody means
  either. As text it reaches an environment variable as written; of a file's mode the reader makes the octal
  number (composition.py).
- `<<` merges mappings, as Compose does, though YAML 1.2 dropped it.
- Keys are strings, numbers are finite and within 64 bits: Compose can take no others.
- `0b11`, `1_000`, `2001-01-01`, `1:30`, `yes` and `on` are text, as core says.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Never

import yaml

from homeport.catalog.yaml12_dump import dump_yaml
from homeport.errors import DefinitionInvalidError, Finding

__all__ = ["KeyPath", "YamlDocument", "dump_yaml", "key_text", "load_yaml", "make_finding"]

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 10_000
"""Counted after alias expansion; keys count too."""
MAX_DEPTH: Final = 32

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: keys and list positions from the top."""

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_TOO_DEEP_FOR_LIBYAML = "exceeded maximum nesting depth"
"""What libyaml's scanner, which reads ahead of its events, says of more than 1,000 levels (from 0.2.6)."""
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")  # line ends to YAML 1.1 readers, none to 1.2 readers
_INTEGER_DIGITS = 20  # 2**64 has so many; Python's own conversion is bounded at 4,300


def key_text(path: Sequence[str | int]) -> str:
    """The path as people write it: `services.web.ports[0]`; the whole document is `document`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "document"


@dataclass(slots=True)
class _Node:
    """A value where it stands. `size` counts nodes, `height` levels, both with aliases written out."""

    value: Any
    """A scalar, a list of nodes, or a dict from key to (the key's line, node)."""
    line: int
    size: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One parsed document."""

    file: str
    value: Any
    """dicts, lists, strings, integers, floats, booleans and None; nothing in it is shared."""
    _root: _Node

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line (from 1) of the key or item, or of the nearest thing around it that the file has."""
        node = self._root
        line = node.line
        for part in path:
            if isinstance(node.value, dict) and part in node.value:
                line, node = node.value[part]
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.line
            else:
                break
        return line

    def with_value(self, value: Any) -> "YamlDocument":
        """The same document holding another value; lines are still the file's."""
        return replace(self, value=value)

    def finding(self, path: Sequence[str | int], rule: str, what: str, remedy: str) -> Finding:
        """A finding at this place of this document."""
        return make_finding(self.file, path, self.line_of(path), (rule, what, remedy))


def make_finding(
    file: str, path: Sequence[str | int], line: int | None, words: tuple[str, str, str]
) -> Finding:
    """A finding of rule, what and remedy; what would steer a terminal is written out in it (`\\x1b`)."""
    rule, what, remedy = words
    return Finding(
        file=file,
        key=_visible(key_text(path)),
        line=line,
        rule=rule,
        what=_visible(what),
        remedy=_visible(remedy),
    )


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def load_yaml(text: bytes, *, file: str) -> YamlDocument:
    """The one document in the text; `file` is its name in findings.

    Raises:
        DefinitionInvalidError: it is no YAML, or breaks a bound or a rule of this module.
    """
    root = _Builder(file, _decode(text, file)).document()
    return YamlDocument(file=file, value=_plain(root), _root=root)


def _plain(node: _Node) -> Any:
    """The node's value without lines, aliases written out (the node count is checked by then)."""
    if isinstance(node.value, dict):
        return {key: _plain(child) for key, (_, child) in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child) for child in node.value]
    return node.value


def _refuse(  # noqa: PLR0917 - the fields of a finding, in its order
    file: str, path: KeyPath, line: int | None, rule: str, what: str, remedy: str
) -> Never:
    finding = Finding(file=file, key=key_text(path), line=line, rule=rule, what=what, remedy=remedy)
    raise DefinitionInvalidError(f"{file} cannot be read.", [finding])


def _decode(raw: bytes, file: str) -> str:
    if len(raw) > MAX_BYTES:
        _refuse(file, (), None, "yaml-too-large", f"The file has {len(raw)} bytes.", "1 MiB is the most.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) or b"\x00" in raw:
        what = "The file begins with a byte order mark or is not UTF-8."
        _refuse(file, (), 1, "yaml-encoding", what, "Save it as UTF-8 without a byte order mark.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        _refuse(
            file, (), line, "yaml-encoding", "The line has bytes that are not UTF-8.", "Save it as UTF-8."
        )
    if odd := _ODD_BREAKS.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        what = f"The line has the character U+{ord(odd[0]):04X}, which some readers take for a line end."
        _refuse(
            file, (), line, "yaml-character", what, f'Write it as "\\u{ord(odd[0]):04x}" in double quotes.'
        )
    return text


class _Builder:
    """Makes nodes from the parser's events, and stops at the first that breaks a rule."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._events: Iterator[Any] = iter(())
        self._anchors: dict[str, _Node | None] = {}
        self._size = 0

    def document(self) -> _Node:
        """The root of the only document."""
        self._events = yaml.parse(self._text, Loader=_PARSER)
        self._next(())
        start = self._next(())
        if isinstance(start, yaml.StreamEndEvent):
            return _Node(None, 1)
        if start.version or start.tags:
            self._stop((), start, "yaml-directive", "The file has a % directive.", "Leave the line out.")
        root = self._node(self._next(()), (), 1)
        self._next(())
        after = self._next(())
        if not isinstance(after, yaml.StreamEndEvent):
            what = "A second document begins here (---)."
            self._stop((), after, "yaml-documents", what, "Keep one document in the file.")
        return root

    def _next(self, path: KeyPath) -> Any:
        """The next event; `path` is the value that is being read."""
        try:
            return next(self._events)
        except yaml.YAMLError as error:
            self._not_yaml(error, path)

    def _not_yaml(self, error: yaml.YAMLError, path: KeyPath) -> Never:
        context = getattr(error, "context_mark", None)
        mark = getattr(error, "problem_mark", None) or context
        if mark and context and mark.index >= len(self._text.rstrip()):
            mark = context  # what is open at the end of the file is mended where it begins
        line = mark.line + 1 if mark else self._text.count("\n", 0, getattr(error, "position", 0)) + 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        lines = self._text.rstrip().splitlines() or [""]
        line = min(line, len(lines))
        if problem == _TOO_DEEP_FOR_LIBYAML:
            self._too_deep(path, line)
        indent = re.match(r"\s*", lines[line - 1])
        remedy = (
            "Correct the line, or the one before it: indentation, a quote or a bracket that is not closed."
        )
        if indent and "\t" in indent[0]:
            remedy = "Indent with spaces: YAML knows no tabs there."
        _refuse(self._file, (), line, "yaml-syntax", f"This is not YAML: {problem}.", remedy)

    def _stop(self, path: KeyPath, event: Any, rule: str, what: str, remedy: str) -> Never:
        _refuse(self._file, path, event.start_mark.line + 1, rule, what, remedy)

    def _count(self, nodes: int, path: KeyPath, event: Any) -> None:
        self._size += nodes
        if self._size > MAX_NODES:
            what = f"With its aliases written out the file has more than {MAX_NODES:,} values."
            self._stop(path, event, "yaml-too-many-nodes", what, "Write less, or use fewer aliases.")

    def _node(self, event: Any, path: KeyPath, depth: int) -> _Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path, depth)
        self._count(1, path, event)
        self._check_depth(depth, path, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        build: Callable[[Any, KeyPath, int], _Node]
        match event:
            case yaml.ScalarEvent():
                build = self._scalar
            case yaml.SequenceStartEvent():
                build = self._sequence
            case _:
                build = self._mapping
        node = build(event, path, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _check_depth(self, depth: int, path: KeyPath, event: Any) -> None:
        if depth > MAX_DEPTH:
            self._too_deep(path, event.start_mark.line + 1)

    def _too_deep(self, path: KeyPath, line: int) -> Never:
        what = f"Values are nested more than {MAX_DEPTH} deep."
        _refuse(self._file, path, line, "yaml-too-deep", what, "Nest less.")

    def _alias(self, event: Any, path: KeyPath, depth: int) -> _Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            inside = event.anchor in self._anchors
            what = f"*{event.anchor} " + (
                "stands inside what it names." if inside else "names nothing above it."
            )
            self._stop(path, event, "yaml-alias", what, f"Put &{event.anchor} before a value further up.")
        self._count(node.size, path, event)
        self._check_depth(depth + node.height - 1, path, event)
        return node

    def _sequence(self, event: Any, path: KeyPath, depth: int) -> _Node:
        self._check_collection_tag(event, path, "seq")
        items: list[_Node] = []
        while not isinstance(inner := self._next(path), yaml.SequenceEndEvent):
            items.append(self._node(inner, (*path, len(items)), depth + 1))
        size = 1 + sum(item.size for item in items)
        height = 1 + max((item.height for item in items), default=0)
        return _Node(items, event.start_mark.line + 1, size, height)

    def _mapping(self, event: Any, path: KeyPath, depth: int) -> _Node:
        self._check_collection_tag(event, path, "map")
        entries: dict[str, tuple[int, _Node]] = {}
        merged: dict[str, tuple[int, _Node]] = {}
        inner: Any
        while not isinstance(inner := self._next(path), yaml.MappingEndEvent):
            line = inner.start_mark.line + 1
            if isinstance(inner, yaml.ScalarEvent) and inner.value == "<<" and inner.implicit[0]:
                merged = self._merge_source((*path, "<<"), inner, depth) | merged
                continue
            key = self._key(inner, path, entries)
            entries[key] = (line, self._node(self._next((*path, key)), (*path, key), depth + 1))
        entries |= {key: entry for key, entry in merged.items() if key not in entries}
        size = 1 + sum(1 + child.size for _, child in entries.values())
        height = 1 + max((child.height for _, child in entries.values()), default=0)
        return _Node(entries, event.start_mark.line + 1, size, height)

    def _key(self, event: Any, path: KeyPath, entries: dict[str, tuple[int, _Node]]) -> str:
        line = event.start_mark.line + 1
        if not isinstance(event, yaml.ScalarEvent):
            what = "A key is a list, a mapping or an alias."
            self._stop(path, event, "yaml-key", what, "Write the key as a word.")
        self._count(1, path, event)
        key = self._scalar(event, path, 1).value
        if not isinstance(key, str):
            what = f"The key {event.value or 'null'} is not text."
            self._stop(path, event, "yaml-key", what, f'Put it in quotes: "{event.value}".')
        if key in entries:
            what = f"The key {key!r} stands here a second time; the first is in line {entries[key][0]}."
            self._stop((*path, key), event, "yaml-duplicate-key", what, "Keep one of the two.")
        if event.anchor is not None:
            self._anchors[event.anchor] = _Node(key, line)
        return key

    def _merge_source(self, path: KeyPath, event: Any, depth: int) -> dict[str, tuple[int, _Node]]:
        self._count(1, path, event)
        source = self._node(self._next(path), path, depth)
        mappings = source.value if isinstance(source.value, list) else [source]
        merged: dict[str, tuple[int, _Node]] = {}
        for mapping in mappings:
            if not isinstance(mapping.value, dict):
                what = "<< merges mappings, and this is none."
                self._stop(
                    path, event, "yaml-merge", what, "Name a mapping: `<<: *name` or `<<: [*one, *two]`."
                )
            merged |= {key: entry for key, entry in mapping.value.items() if key not in merged}
        return merged

    def _check_collection_tag(self, event: Any, path: KeyPath, kind: str) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            self._refuse_tag(event, path)

    def _refuse_tag(self, event: Any, path: KeyPath) -> Never:
        tag = event.tag.replace(_TAG, "!!")
        what = f"The tag {tag} is not known here, or does not fit its value."
        self._stop(path, event, "yaml-tag", what, "Leave the tag out.")

    def _scalar(self, event: Any, path: KeyPath, _depth: int) -> _Node:
        line = event.start_mark.line + 1
        text = event.value
        if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
            what = "The text has a NUL or half a surrogate pair."
            self._stop(path, event, "yaml-character", what, "Leave the character out.")
        if event.tag in ("!", _TAG + "str") or (event.tag is None and not event.implicit[0]):
            return _Node(text, line)
        value = self._resolve(event, path)
        if event.tag is not None and event.tag != _TAG + _kind_of(value):
            self._refuse_tag(event, path)
        return _Node(value, line)

    def _resolve(self, event: Any, path: KeyPath) -> str | int | float | bool | None:
        text = event.value
        if text in _NULL:
            return None
        if text in _BOOLEAN:
            return _BOOLEAN[text]
        if text[0] not in "0123456789+-.":
            return str(text)
        base = 10 if _INTEGER.fullmatch(text) else 16 if _HEXADECIMAL.fullmatch(text) else 8
        if base != 8 or _OCTAL.fullmatch(text):
            number = int(text, base) if len(text) <= _INTEGER_DIGITS + 4 else 2**64
            if not -(2**63) <= number < 2**64:
                self._odd_number(event, path, "needs more than 64 bits")
            return number
        if _NOT_FINITE.fullmatch(text):
            self._odd_number(event, path, "is not finite")
        if _FLOAT.fullmatch(text):
            if not math.isfinite(float(text)):
                self._odd_number(event, path, "is too large")
            return float(text)
        return str(text)

    def _odd_number(self, event: Any, path: KeyPath, why: str) -> Never:
        shown = event.value[:40]
        self._stop(
            path, event, "yaml-number", f"The number {shown} {why}.", f'Meant as text? Quote it: "{shown}".'
        )


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case _:
            return "str"
