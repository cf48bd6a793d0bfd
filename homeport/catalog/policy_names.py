"""Whether what a template names can bear its name, also with its placeholders filled."""

import re
from collections.abc import Iterator
from typing import Final

from homeport.catalog.scope import Scope
from homeport.errors import Finding
from homeport.placeholders import holds_placeholder, placeholder_pattern

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_RULE: Final = "name-placeholder"
_PATH: Final = "WEBAPP_PATH"


def check_name(scope: Scope, name: str) -> Iterator[Finding]:
    """A service, network, volume or config by this name."""
    if not _NAME.fullmatch(name):
        what = f"{name[:60]!r} cannot be a name here."
        yield scope.finding("name", what, "Use letters, digits, '.', '_' and '-', 63 at most.")


def check_service_names(services: Scope) -> Iterator[Finding]:
    """Services go by their names in app.yml and in the database, where no placeholder is filled."""
    for name, service in services.entries():
        yield from check_name(service, name)
        if holds_placeholder(name):
            what = f"The service's name {name[:60]!r} has a placeholder in it."
            remedy = "Name it by what it is, such as `web` or `db`: Homeport names the containers."
            yield service.finding(_RULE, what, remedy)


def check_declared_names(declared: Scope) -> Iterator[Finding]:
    """Networks, volumes or configs, of which no two may become one when placeholders are filled.

    Of two that have placeholders that is seen when they are filled.
    """
    plain = "\n".join(name for name, _ in declared.entries() if not holds_placeholder(name))
    for name, inner in declared.entries():
        yield from check_name(inner, name)
        if not _NAME.fullmatch(name) or not holds_placeholder(name):
            continue
        same = placeholder_pattern(name).search(plain)
        if same is not None or _PATH in name:
            becomes = f"the same as {same[0][:60]!r}" if same else "no name"
            what = f"With its placeholder filled, {name[:60]!r} could be {becomes}."
            remedy = "Name it by what it is, such as `data`: Homeport puts the app's name before it."
            yield inner.finding(_RULE, what, remedy)
