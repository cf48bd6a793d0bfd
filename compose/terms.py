"""A foreign description of a project in a template's terms, and what of it is not as it should be.

Compose and Docker each describe a project in their own way. What Homeport itself adds to a template is
compared with what was rendered and taken off; the rest is left to the policy, in the words of a compose file.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from compose.values import (
    APP_ID_LABEL,
    APP_LABEL,
    BOX_LABEL,
    DEFINITION_LABEL,
    SERVICE_LABEL,
    VERSION_LABEL,
)
from homeport.catalog.composition import as_variables
from homeport.catalog.judgement import Need
from homeport.catalog.policy import judge_compose
from homeport.errors import Finding, PolicyRefusedError
from homeport.permissions import Permission, missing_permissions

OUR_LABELS: Final = (
    APP_LABEL,
    APP_ID_LABEL,
    BOX_LABEL,
    DEFINITION_LABEL,
    VERSION_LABEL,
    SERVICE_LABEL,
)

_REMEDY: Final = "Nothing was started. See what on this machine changes what Docker is told, and try again."
_SHOWN: Final = 100


@dataclass
class Terms:
    """A project in a template's terms: `document` is a compose file's, `findings` what is not as rendered.

    `file` names in findings what is described. `names` has better names for parts of it, by key.
    """

    file: str
    document: dict[str, Any] = field(default_factory=lambda: {"services": {}})
    findings: list[Finding] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def expect(self, key: str, found: Any, wanted: Any) -> None:
        """Notes a finding where what was found is not what was rendered."""
        if found != wanted:
            self.refuse(key, f"It is {_shown(found)}, and was rendered as {_shown(wanted)}.")

    def expect_labels(self, key: str, found: Any, wanted: Any) -> None:
        """Likewise for the labels by which Homeport knows its own."""
        have, should = as_variables(found), as_variables(wanted)
        for label in OUR_LABELS:
            self.expect(f"{key}.labels.{label}", have.get(label), should.get(label))

    def refuse(self, key: str, what: str) -> None:
        """Notes a finding."""
        self.findings.append(
            Finding(file=self.file, key=key, line=None, rule="not-as-rendered", what=what, remedy=_REMEDY)
        )


def require_covered(terms: Terms, granted: Collection[Permission]) -> None:
    """Returns if the policy lets it pass with what was granted.

    Raises:
        PolicyRefusedError: with everything that is forbidden, not granted, or not as rendered.
    """
    judgement = judge_compose(terms.document, lines=lambda _path: None, file=terms.file)
    findings = [*terms.findings, *judgement.findings]
    findings += [
        _not_granted(need) for need in judgement.needs if missing_permissions([need.permission], granted)
    ]
    if findings:
        named = [_with_name(finding, terms.names) for finding in findings]
        raise PolicyRefusedError(f"{terms.file[0].upper()}{terms.file[1:]} has what was not granted.", named)


def with_texts(node: Any, change: Callable[[str], str]) -> Any:
    """A copy with every text value changed, and no key; Compose interpolates no keys."""
    match node:
        case str():
            return change(node)
        case dict():
            return {key: with_texts(value, change) for key, value in node.items()}
        case list():
            return [with_texts(item, change) for item in node]
        case _:
            return node


def is_true(value: Any) -> bool:
    """Whether Compose reads it as a truth."""
    return str(value).lower() in ("true", "t", "1", "yes", "y", "on")


def _not_granted(need: Need) -> Finding:
    what = f"It needs the permission {need.permission}, which was not granted."
    return replace(need.finding, rule="permission-not-granted", what=what, remedy=_REMEDY)


def _with_name(finding: Finding, names: Mapping[str, str]) -> Finding:
    """The finding under the most particular name that there is for where it stands."""
    for key in sorted(names, key=len, reverse=True):
        if finding.key == key or finding.key.startswith((f"{key}.", f"{key}[")):
            return replace(finding, file=names[key], key=finding.key[len(key) :].lstrip(".") or key)
    return finding


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= _SHOWN else repr(value)[:_SHOWN] + "…"
