"""What the policy says of a compose file: what nobody may have, and what the owner has to grant."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from homeport.errors import Finding
from homeport.permissions import Permission, missing_permissions


@dataclass(frozen=True)
class Need:
    """A permission that something in a compose file needs.

    `finding` says where it stands; it is raised where the permission is not there.
    """

    permission: Permission
    finding: Finding


Outcome = Finding | Need


@dataclass(frozen=True)
class Judgement:
    """All that the policy has to say of one compose file."""

    findings: tuple[Finding, ...]
    """What no permission opens."""
    needs: tuple[Need, ...]
    """One for every place that needs a permission, in the order of the file."""

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Self:
        """The outcomes, told apart."""
        listed = list(outcomes)
        return cls(
            findings=tuple(one for one in listed if isinstance(one, Finding)),
            needs=tuple(one for one in listed if isinstance(one, Need)),
        )

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """What is needed, each once, sorted."""
        return tuple(sorted({need.permission for need in self.needs}))

    def refused(self, held: Iterable[Permission]) -> list[Finding]:
        """What is refused to somebody who holds these permissions."""
        missing = set(missing_permissions(self.permissions, tuple(held)))
        return [*self.findings, *(need.finding for need in self.needs if need.permission in missing)]
