"""Takes out of a template what the policy, or the shape of compose files, refuses."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from homeport.catalog.build_arguments import steers_buildkit
from homeport.catalog.composition import as_variables, fill_settings
from homeport.catalog.convert.draft import Note, NoteKind, dropped
from homeport.catalog.limits import read_limits
from homeport.catalog.policy import judge_compose
from homeport.catalog.schema import check_schema
from homeport.catalog.yaml12 import KeyPath, YamlDocument, dump_yaml, key_text, load_yaml
from homeport.errors import Finding, NotConvertibleError
from homeport.permissions import Permission

_MOST_ROUNDS: Final = 200
_NEEDED: Final = frozenset({"image", "build"})


def prune_template(
    template: dict[str, Any], settings: Iterable[str], notes: list[Note]
) -> tuple[Permission, ...]:
    """Takes what is refused out of the template, in place; the permissions that the rest needs.

    `settings` names the variables that may stand without a value.

    Raises:
        NotConvertibleError: what is refused is a service itself, or its image.
    """
    values = dict.fromkeys(settings, "")
    for _ in range(_MOST_ROUNDS):
        refused, permissions = _judge(template, values)
        if not refused:
            _drop_unused_volumes(template)
            return permissions
        # From the end, so that the places of what stands before stay what they are.
        for path, finding in sorted(refused.items(), key=lambda one: _order(one[0]), reverse=True):
            _take_out(template, path, finding, notes)
    raise NotConvertibleError("What was read asks for too much that is refused.", remedy="Write it anew.")


def _drop_unused_volumes(template: dict[str, Any]) -> None:
    """Takes out volumes that no service mounts any more."""
    mounts = [mount for service in template["services"].values() for mount in service.get("volumes", ())]
    used = {mount.partition(":")[0] for mount in mounts if isinstance(mount, str)}
    volumes = template.get("volumes", {})
    for name in [name for name in volumes if name not in used]:
        del volumes[name]
    if not volumes:
        template.pop("volumes", None)


def _judge(
    template: dict[str, Any], settings: Mapping[str, str]
) -> tuple[dict[KeyPath, Finding], tuple[Permission, ...]]:
    """What is refused, by its place, and the permissions that the rest needs."""
    paths: list[KeyPath] = []

    def number(path: KeyPath) -> int:
        paths.append(path)
        return len(paths) - 1

    document = load_yaml(dump_yaml(template).encode(), file="docker-compose.yml")
    known = dict(_places(template, ()))
    if shape := check_schema(document):
        return {known.get(finding.key, ()): finding for finding in shape}, ()
    filled = fill_settings(document.value, settings)
    judged = judge_compose(filled, lines=number, file=document.file)
    refused = {paths[finding.line]: finding for finding in judged.findings if finding.line is not None}
    if not refused:
        refused = {known.get(finding.key, ()): finding for finding in _refused_later(document)}
    return refused, judged.permissions


def _refused_later(document: YamlDocument) -> Iterator[Finding]:
    """What the policy lets pass and reading a definition does not: limits, arguments of BuildKit's own."""
    yield from read_limits(document, document.value)[1]
    for name, service in document.value["services"].items():
        build = service.get("build")
        for argument in as_variables(build.get("args")) if isinstance(build, dict) else ():
            if steers_buildkit(argument):
                path = ("services", name, "build", "args")
                what = f"The build argument {argument[:60]!r} steers BuildKit."
                yield document.finding(path, "build-argument", what, "Leave it out.")


def _places(value: Any, path: KeyPath) -> Iterable[tuple[str, KeyPath]]:
    """Every key path in the template, by its text."""
    yield key_text(path), path
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, below in inner:
        yield from _places(below, (*path, key))


def _order(path: KeyPath) -> list[tuple[bool, int, str]]:
    return [(isinstance(part, int), part if isinstance(part, int) else 0, str(part)) for part in path]


def _take_out(template: dict[str, Any], path: KeyPath, finding: Finding, notes: list[Note]) -> None:
    if len(path) < 2 or (path[0] == "services" and (len(path) == 2 or path[2] in _NEEDED)):
        raise NotConvertibleError(f"{finding.key}: {finding.what}", remedy=finding.remedy, rule=finding.rule)
    holder: Any = template
    above: list[tuple[Any, str | int]] = []
    for part in path[:-1]:
        above.append((holder, part))
        holder = holder[part] if _has(holder, part) else None
    if not _has(holder, path[-1]):
        return  # what it stood in is gone already
    value = holder[path[-1]]
    del holder[path[-1]]
    for outer, part in reversed(above[2:]):
        if not outer[part]:
            del outer[part]
    stood = str(value) if isinstance(path[-1], int) else _shown(path, value)
    notes[:] = [note for note in notes if note.kind is not NoteKind.ASSUMED or note.what != stood]
    notes.append(dropped(stood, finding.what))


def _has(holder: Any, key: str | int) -> bool:
    if isinstance(holder, dict):
        return key in holder
    return isinstance(holder, list) and isinstance(key, int) and key < len(holder)


def _shown(path: KeyPath, value: Any) -> str:
    key = ".".join(str(part) for part in path[2:] or path)
    if isinstance(value, bool | int | float | str) and len(str(value)) <= 100:
        return f"{key}: {str(value).lower() if isinstance(value, bool) else value}"
    return key
