"""What nginx's configuration as the box's package cache is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from build_cache.caches.upstreams import Upstreams
from homeport.caches import PORT_OFFSETS, Ecosystem

_INDEX_S: Final = 300
_APT_INDEX_S: Final = 60  # files of apt's index belong together, and are not all named by their hashes


@dataclass(frozen=True, kw_only=True)
class NginxPlan:
    """What the configuration is made of.

    `resolvers` are as nginx writes them; `ca_file` verifies upstreams; files lie under `caches_dir`, what is
    made anew at every start under `run_dir`; `max_bytes` bounds each store, and where the disk has less than
    `min_free_bytes` left, they give way; `ipv6`: the box reaches IPv6 addresses; `index_s`: for how many
    seconds an index counts as fresh.
    """

    gateway: str
    first_port: int
    upstreams: Upstreams
    resolvers: Sequence[str]
    ca_file: Path
    caches_dir: Path
    run_dir: Path
    max_bytes: int
    min_free_bytes: int = 0
    ipv6: bool = False
    index_s: int = _INDEX_S

    def fresh(self, ecosystem: Ecosystem) -> str:
        """How long an index is served without asking whether it has changed, as nginx writes it."""
        seconds = min(self.index_s, _APT_INDEX_S) if ecosystem is Ecosystem.APT else self.index_s
        return f"{seconds}s"

    def port(self, ecosystem: Ecosystem) -> int:
        """The ecosystem's port on the gateway."""
        return self.first_port + PORT_OFFSETS[ecosystem]

    def fetcher(self, ecosystem: Ecosystem) -> str:
        """The socket on which the ecosystem's fetcher listens, as nginx writes it."""
        return f"unix:{self.run_dir}/fetch/{ecosystem}.sock"
