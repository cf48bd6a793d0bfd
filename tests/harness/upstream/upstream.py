"""The registries of all ecosystems on one address, behind one line that can be slow, cut, or wrong."""

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from homeport.caches import Ecosystem
from tests.harness.upstream.apt import KEYRING, SUITE, apt_site
from tests.harness.upstream.content import Site
from tests.harness.upstream.gem import gem_site
from tests.harness.upstream.npm import npm_site
from tests.harness.upstream.packages import Package, package_set
from tests.harness.upstream.pip import pip_site
from tests.harness.upstream.server import Fault, Pace, Served, SiteServer


class Upstream:
    """A registry per ecosystem, each at the root of a port of its own; a context manager.

    Args:
        folder: for what it has to keep on disk, such as its signing key.
        address: where it listens, and what stands in the addresses that it gives away. Create it inside the
            network namespace of those who are to reach it.
        packages: what it has; a small set where none is given.

    Example:
        with Upstream(folder, "10.77.0.2") as upstream:
            ...
            assert upstream.bytes_sent(Ecosystem.APT) < 1000
    """

    def __init__(
        self, folder: Path, address: str = "127.0.0.1", *, packages: tuple[Package, ...] | None = None
    ) -> None:
        self.address = address
        self.packages = package_set() if packages is None else packages
        self._folder = folder
        self._pace = Pace()
        self._lock = threading.Lock()
        self._served: list[Served] = []
        self._servers = {
            ecosystem: SiteServer(ecosystem, address, self._pace, self._record) for ecosystem in Ecosystem
        }

    def __enter__(self) -> Self:
        """Makes all packages and begins to serve."""
        for ecosystem, server in self._servers.items():
            server.site = self._site(ecosystem)
            server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops serving."""
        self.cut()

    def url(self, ecosystem: Ecosystem) -> str:
        """The address of a registry's root, without a slash at the end."""
        return f"http://{self.host(ecosystem)}"

    def host(self, ecosystem: Ecosystem) -> str:
        """The same as `address:port`."""
        return f"{self.address}:{self._servers[ecosystem].port}"

    @property
    def pip_index(self) -> str:
        """The Python index as pip and devpi want it."""
        return f"{self.url(Ecosystem.PIP)}/simple/"

    @property
    def apt_source(self) -> str:
        """A line of sources.list(5); the key is expected where `keyring` has to be put."""
        return f"deb [signed-by=/usr/share/keyrings/lantern.gpg] {self.url(Ecosystem.APT)} {SUITE} main\n"

    @property
    def keyring(self) -> bytes:
        """The public key that apt's release files are signed with."""
        return self._servers[Ecosystem.APT].site[KEYRING].body

    def site(self, ecosystem: Ecosystem) -> Site:
        """What a registry has, by path."""
        return self._servers[ecosystem].site

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings of package caches that are to ask this upstream, by name."""
        return {
            "apt_hosts": self.host(Ecosystem.APT),
            "pip_upstream": self.pip_index,
            "npm_upstream": self.url(Ecosystem.NPM),
            "gem_upstream": self.url(Ecosystem.GEM),
        }

    # what was asked

    def served(self, ecosystem: Ecosystem | None = None, *, path: str = "") -> list[Served]:
        """The answers given since the last `reset`, of one ecosystem or all, whose path matches `path`."""
        with self._lock:
            return [
                answer
                for answer in self._served
                if ecosystem in (None, answer.ecosystem) and re.search(path, answer.path)
            ]

    def bytes_sent(self, ecosystem: Ecosystem | None = None, *, path: str = "") -> int:
        """The bytes of bodies in these answers."""
        return sum(answer.body_bytes for answer in self.served(ecosystem, path=path))

    def reset(self) -> None:
        """Begins to count anew."""
        with self._lock:
            self._served.clear()

    # the line, and what goes wrong

    def shape(self, mbit_s: float | None) -> None:
        """Makes all answers share a line of so many Mbit/s; None: as fast as it goes."""
        self._pace.mbit_s = mbit_s

    def cut(self) -> None:
        """Ends every connection and takes none until `mend`."""
        for server in self._servers.values():
            server.stop()

    def mend(self) -> None:
        """Serves again, on the same ports, without faults and at full speed."""
        self.shape(None)
        for server in self._servers.values():
            server.faults.clear()
            server.stop()
            server.start()

    def fail(self, ecosystem: Ecosystem, path: str, fault: Fault, *, times: int = 1_000_000) -> None:
        """Spoils the next `times` answers whose path matches the expression."""
        self._servers[ecosystem].faults.append((re.compile(path), fault, [times]))

    def _record(self, answer: Served) -> None:
        with self._lock:
            self._served.append(answer)

    def _site(self, ecosystem: Ecosystem) -> Site:
        make: dict[Ecosystem, Callable[[], Site]] = {
            Ecosystem.APT: lambda: apt_site(self.packages, self._folder),
            Ecosystem.PIP: lambda: pip_site(self.packages),
            Ecosystem.NPM: lambda: npm_site(self.packages, self.url(Ecosystem.NPM)),
            Ecosystem.GEM: lambda: gem_site(self.packages),
        }
        return make[ecosystem]()
