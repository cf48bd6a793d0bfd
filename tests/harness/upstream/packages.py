"""The packages that every ecosystem's upstream has: two apps that share most of what they need."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

VERSION: Final = "1.2.0"
KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package to be made, in the form that each ecosystem wants.

    `needs` are names of other packages; `scope` is npm's (`@scope/name`), elsewhere it plays no part.
    """

    name: str
    size_bytes: int
    needs: tuple[str, ...] = ()
    scope: str = ""

    @property
    def module(self) -> str:
        """Its name as an identifier of Python and Ruby."""
        return self.name.replace("-", "_")

    @property
    def npm_name(self) -> str:
        """Its name in npm."""
        return f"@{self.scope}/{self.name}" if self.scope else self.name

    def payload(self, version: str = VERSION) -> bytes:
        """Bytes that cannot be compressed, always the same for a name and version."""
        return random.Random(f"{self.name} {version}").randbytes(self.size_bytes)


APP_ONE: Final = "lantern-alpha"
APP_TWO: Final = "lantern-beta"


def package_set(*, large_bytes: int = 4 * MIB, parts: int = 0) -> tuple[Package, ...]:
    """The packages that both apps share but for one each, and a few more that only the second needs.

    Args:
        large_bytes: the size of the largest of the shared ones.
        parts: how many further packages of 1 MiB both need.
    """
    pieces = tuple(
        Package(name=f"lantern-part{number:02}", size_bytes=MIB, needs=("lantern-core",))
        for number in range(parts)
    )
    shared = ("lantern-parser", "lantern-media", "lantern-words", *(piece.name for piece in pieces))
    return (
        Package(name="lantern-core", size_bytes=20 * KIB),
        Package(name="lantern-parser", size_bytes=60 * KIB, needs=("lantern-core",)),
        Package(name="lantern-media", size_bytes=large_bytes, needs=("lantern-core",)),
        Package(name="lantern-words", size_bytes=10 * KIB, scope="lantern"),
        Package(name="lantern-extra", size_bytes=90 * KIB, needs=("lantern-core",)),
        *pieces,
        Package(name=APP_ONE, size_bytes=40 * KIB, needs=shared),
        Package(name=APP_TWO, size_bytes=30 * KIB, needs=(*shared, "lantern-extra")),
    )


def by_name(packages: Sequence[Package], names: Iterable[str]) -> list[Package]:
    """The packages of these names, in that order."""
    found = {package.name: package for package in packages}
    return [found[name] for name in names]


def closure(packages: Sequence[Package], app: str) -> list[Package]:
    """A package and all that it needs, directly or not, in the order of their names."""
    found = {app}
    queue = [app]
    while queue:
        for need in by_name(packages, [queue.pop()])[0].needs:
            if need not in found:
                found.add(need)
                queue.append(need)
    return by_name(packages, sorted(found))
