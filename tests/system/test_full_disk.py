"""A disk that is full in mid-build: the build says so, and what else lies on the disk is as it was."""

import json
import sqlite3
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from homeport.caches import Ecosystem
from homeport.errors import DiskFullError
from homeport.host.engine import Engine
from tests.harness.building import BASE, BuildBench, fresh
from tests.harness.caches import CachesBox, free_cache_port
from tests.harness.engine import EngineBox, base_tar
from tests.harness.programs import run
from tests.harness.upstream import Upstream

DISK_BYTES = 700 * 1024 * 1024


class SmallEngine(EngineBox):
    """A second engine, all of it on a small disk of its own, which is its `root`, and without networks."""

    # without a bridge it would remove the other engine's, whose name is the same
    launcher = ("unshare", "--net")

    def __init__(self, other: EngineBox, place: Path) -> None:
        super().__init__(other.namespace, other.registry)
        self.root = place
        self.socket = place / "docker.sock"
        self.docker_host = f"unix://{self.socket}"
        self.client = DockerClient(base_url=self.docker_host, version="1.44", timeout=120)
        self._log = place / "dockerd.log"
        self._image = other.root / "small.img"
        self._device = ""

    def attach_disk(self) -> None:
        """Makes the disk and mounts it, outside and in the engine's own mounts."""
        with self._image.open("wb") as file:
            file.truncate(DISK_BYTES)
        run(["mkfs.ext4", "-q", "-m", "0", str(self._image)])
        self.root.mkdir()
        self._device = run(["losetup", "--find", "--show", str(self._image)]).strip()
        run(["mount", self._device, str(self.root)])
        run(self.namespace.inside(["mount", self._device, str(self.root)]))

    def detach_disk(self) -> None:
        """Undoes it."""
        run(self.namespace.inside(["umount", "--lazy", str(self.root)]), check=False)
        run(["umount", "--lazy", str(self.root)], check=False)
        run(["losetup", "--detach", self._device], check=False)

    def _configuration(self) -> Path:
        path = super()._configuration()
        path.write_text(json.dumps(json.loads(path.read_text()) | {"iptables": False, "bridge": "none"}))
        return path


@pytest.fixture
def small_engine(engine_box: EngineBox) -> Iterator[SmallEngine]:
    engine = SmallEngine(engine_box, engine_box.root / "small")
    engine.attach_disk()
    try:
        engine.start()
        engine.import_base("bookworm", base_tar("bookworm"))
        yield engine
    finally:
        engine.stop()
        engine.detach_disk()


def _ask(caches: CachesBox, upstream: Upstream, path: str) -> bytes:
    """What apt's cache answers for a file of the upstream."""
    proxy = {"http": f"http://{caches.gateway}:{caches.port(Ecosystem.APT)}"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxy))
    with opener.open(f"{upstream.url(Ecosystem.APT)}{path}", timeout=20) as answer:
        content: bytes = answer.read()
    return content


def _filling() -> str:
    """A Dockerfile whose second line writes two gigabytes."""
    write = "for i in $(seq 200); do echo $i; head -c 10000000 /dev/zero >> /large || exit 1; done"
    return f"FROM {BASE}\nRUN --network=none echo {fresh()}; {write}"


class Ledger:
    """A database on the disk, which gets a row whenever a build says something."""

    def __init__(self, path: Path) -> None:
        self.refused = 0
        self._acknowledged: list[str] = []
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("CREATE TABLE words (word TEXT)")

    def write(self, word: str) -> None:
        """Adds a row, or counts that there was no space for it."""
        try:
            self._database.execute("INSERT INTO words VALUES (?)", (word,))
        except sqlite3.OperationalError:
            self.refused += 1
        else:
            self._acknowledged.append(word)

    def is_intact(self) -> bool:
        """Whether it has what it acknowledged and nothing else."""
        rows = [word for (word,) in self._database.execute("SELECT word FROM words")]
        whole = self._database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return whole and rows == self._acknowledged != []


def test_a_build_is_stopped_before_the_disk_is_full_and_even_a_full_disk_leaves_caches_and_database_intact(
    engine_box: EngineBox, small_engine: SmallEngine, tmp_path: Path
) -> None:
    bench = BuildBench(small_engine, tmp_path, package_caches=False)
    ledger = Ledger(small_engine.root / "test.sqlite")
    bench.on_line = ledger.write
    with (
        Upstream(tmp_path / "upstream", engine_box.namespace.address) as upstream,
        CachesBox(
            small_engine.root / "caches",
            engine_box.docker_host,
            gateway=Engine(engine_box.docker_host).bridge().gateway,
            port=free_cache_port(),
            settings=upstream.settings,
        ) as caches,
    ):
        path = next(path for path in upstream.site(Ecosystem.APT) if path.endswith(".deb"))
        content = _ask(caches, upstream, path)
        upstream.cut()

        with pytest.raises(DiskFullError, match="became full in line 2") as stopped:
            bench.build(_filling())

        assert stopped.value.facts["free_bytes"] > 0
        assert ledger.refused == 0
        bench.build(f"FROM {BASE}\nRUN --network=none echo {fresh()}; head -c 10000000 /dev/zero > /small")

        with pytest.raises(DiskFullError, match="the disk is full") as full:
            bench.build(_filling(), spare_bytes=0)

        assert full.value.facts["line"] == 2
        assert ledger.is_intact()
        assert _ask(caches, upstream, path) == content == upstream.site(Ecosystem.APT)[path].body
