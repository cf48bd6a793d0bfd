"""A gem server of real gems, made at run time of what Debian packages: no public one may be reached."""

import re
from pathlib import Path
from typing import Self

from homeport.caches import Ecosystem
from tests.harness.engine import EngineBox
from tests.harness.upstream.content import Content
from tests.harness.upstream.server import Pace, Served, SiteServer

_SCRIPT = Path(__file__).with_suffix(".rb")
_PINNED = re.compile(r'^gem "([\w-]+)", "([\w.]+)"$', re.MULTILINE)


class DebianGems:
    """Serves what a Gemfile pins, with the compact index and the old one; a context manager.

    Args:
        engine: where a container packs the gems that Debian 13 has installed in it.
        gemfile: the pins; each gem has to be one of Debian's packages `ruby-NAME`, in pure Ruby.
    """

    def __init__(self, engine: EngineBox, gemfile: Path) -> None:
        self.served: list[Served] = []
        self._pins = dict(_PINNED.findall(gemfile.read_text()))
        self._engine = engine
        self._folder = engine.root / "debian-gems"
        self._server = SiteServer(Ecosystem.GEM, "127.0.0.1", Pace(), self.served.append)

    def __enter__(self) -> Self:
        """Packs the gems and begins to serve."""
        self._folder.mkdir()
        self._pack()
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        self._server.site = {
            f"/{path.relative_to(self._folder)}": Content(body=path.read_bytes()) for path in files
        }
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops serving."""
        self.cut()

    @property
    def url(self) -> str:
        """The address of its root."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [answer.path for answer in self.served]

    def cut(self) -> None:
        """Ends every connection and takes none until `mend`."""
        self._server.stop()

    def mend(self) -> None:
        """Serves again; nothing happens while it does."""
        if not self._server.runs:
            self._server.start()

    def _pack(self) -> None:
        packages = " ".join(f"ruby-{name}" for name in self._pins)
        pins = " ".join(f"{name}={version}" for name, version in self._pins.items())
        words = [
            "apt-get -qq update",
            f"apt-get -qq install --yes --no-install-recommends ruby {packages}",
            f"ruby /pack.rb /gems {pins}",
        ]
        self._engine.client.containers.run(
            "debian:trixie-slim",
            ["sh", "-c", " && ".join(words)],
            volumes={
                str(_SCRIPT): {"bind": "/pack.rb", "mode": "ro"},
                str(self._folder): {"bind": "/gems", "mode": "rw"},
            },
            environment={"DEBIAN_FRONTEND": "noninteractive"},
            remove=True,
        )
