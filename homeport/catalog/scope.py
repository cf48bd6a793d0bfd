"""Where a rule of the policy is looking: a value, its key path, and the words for what is wrong there."""

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from homeport.catalog.judgement import Need, Outcome
from homeport.catalog.policy_rules import ALLOWED, FORBIDDEN
from homeport.catalog.yaml12 import KeyPath, make_finding
from homeport.errors import Finding
from homeport.permissions import Permission, PermissionKind

LineOf = Callable[[KeyPath], int | None]

_INTERPOLATION: Final = re.compile(r"\$(?:\{|[A-Za-z_])")


@dataclass(frozen=True, slots=True)
class Scope:
    """A value in a compose file, and where it stands."""

    value: Any
    path: KeyPath
    file: str
    line_of: LineOf

    def __getitem__(self, key: str | int) -> "Scope":
        return Scope(self.value[key], (*self.path, key), self.file, self.line_of)

    def get(self, key: str) -> "Scope | None":
        """The value under a key of a mapping; None where it is absent or null."""
        found = self.value.get(key) if isinstance(self.value, dict) else None
        return None if found is None else self[key]

    def entries(self) -> "Iterator[tuple[str, Scope]]":
        """The keys of a mapping with their values; nothing where it is no mapping.

        A service or volume named `x-…` is one like any other; only among fixed keys is it an extension.
        """
        if isinstance(self.value, dict):
            yield from ((key, self[key]) for key in self.value)

    def items(self) -> "Iterator[Scope]":
        """The items of a list; a single text stands for a list of one; nothing where it is neither."""
        if isinstance(self.value, list):
            yield from (self[index] for index in range(len(self.value)))
        elif isinstance(self.value, str):
            yield self

    def finding(self, rule: str, what: str, remedy: str) -> Finding:
        """A finding here."""
        return make_finding(self.file, self.path, self.line_of(self.path), (rule, what, remedy))

    def need(self, kind: PermissionKind, value: str = "", *, rule: str) -> Outcome:
        """The need of a permission here; a finding by the rule where no permission can be written for it."""
        try:
            permission = Permission.parse(f"{kind.value}:{value}" if value else kind.value)
        except ValueError as error:
            what = f"{str(self.value)[:80]!r} is not allowed, and there is no permission for it."
            return self.finding(rule, what, f"{str(error)[:1].upper()}{str(error)[1:]}.")
        what = f"This needs the permission {permission}, which app.yml does not declare."
        remedy = f"Add `- {permission}` under `permissions` in app.yml, or leave it out here."
        return Need(permission, self.finding("permission-undeclared", what, remedy))


def check_keys(scope: Scope, kind: str) -> Iterator[Finding]:
    """Refuses every key of the mapping that `ALLOWED[kind]` does not have."""
    for key, inner in scope.entries():
        if key in ALLOWED[kind] or key.startswith("x-"):
            continue
        if reason := FORBIDDEN.get((kind, key)):
            yield inner.finding(*reason)
        else:
            yield unknown_key(inner, key, kind)


def unknown_key(scope: Scope, key: str, kind: str) -> Finding:
    """The finding for a key that no table has, with the nearest that one has."""
    near = difflib.get_close_matches(key, ALLOWED[kind], n=1)
    remedy = f"Did you mean {near[0]!r}?" if near else "Leave it out."
    return scope.finding("unknown-key", f"The key {key[:60]!r} is not known here.", remedy)


def check_interpolation(scope: Scope) -> Iterator[Finding]:
    """Refuses Compose's `$NAME` and `${NAME}` anywhere below: they would come from our own environment."""
    match scope.value:
        case str() if "$" in scope.value and (found := _INTERPOLATION.search(scope.value.replace("$$", ""))):
            what = f"{scope.value[:60]!r} takes {found[0]}… from the environment of the host."
            yield scope.finding("interpolation", what, "Write the value itself; a dollar sign is written $$.")
        case dict():
            for key in scope.value:
                yield from check_interpolation(scope[key])
        case list():
            for index in range(len(scope.value)):
                yield from check_interpolation(scope[index])
