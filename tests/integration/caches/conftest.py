"""A real nginx with its caches on loopback, and the counting upstream behind it."""

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from build_cache.caches.nginx import find_nginx, make_plan, prepare_files, start_words
from build_cache.caches.nginx_plan import NginxPlan
from homeport.caches import DEVPI_OFFSET, HEALTH_PATH, Ecosystem
from homeport.errors import CancelledError
from homeport.settings import Settings
from tests.harness.programs import wait_until
from tests.harness.upstream import Upstream

HERE = "127.0.0.1"
CACHE_USER = "www-data"  # Debian's, on every machine


class Going:
    """A job that nobody cancels."""

    def check(self) -> None:
        """It may go on."""


class Cancelled:
    """A job that was cancelled."""

    def check(self) -> None:
        raise CancelledError("The job was cancelled.")


def user() -> str | None:
    """Whom the caches run as."""
    return CACHE_USER if os.geteuid() == 0 else None


class CacheBox:
    """nginx as the package caches of a box whose bridge is loopback."""

    def __init__(self, root: Path, upstream: Upstream | None, **given: Any) -> None:
        first_port = free_ports(len(Ecosystem) + 1)
        settings: dict[str, Any] = {
            "state_dir": root / "state",
            "run_dir": root / "run",
            "catalog_dir": root,
            "cache_port": first_port,
            **(upstream.settings if upstream else {}),
        }
        self.settings = Settings(**settings | given)
        self.root = root
        self.process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()
        self._session.trust_env = False
        for folder in (self.settings.state_dir, self.settings.run_dir):
            folder.mkdir(exist_ok=True)

    def plan(self) -> NginxPlan:
        """As at a start, but for indices that are fresh for one second."""
        return replace(make_plan(self.settings, HERE), index_s=1)

    def start(self) -> None:
        """Starts nginx and waits until it answers."""
        plan = self.plan()
        words = start_words(plan, prepare_files(plan, user()), program=find_nginx(), user=user())
        with (self.root / "nginx.log").open("ab") as log:
            self.process = subprocess.Popen(words, stderr=log, env={**os.environ, "TZ": "UTC"})
        wait_until(self.answers, what="nginx", timeout_s=10, log=self.root / "nginx.log")

    def stop(self) -> None:
        """Ends nginx as the supervisor does."""
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def answers(self) -> bool:
        """Whether npm's cache does."""
        try:
            return requests.get(self.url(Ecosystem.NPM) + HEALTH_PATH, timeout=2).ok
        except requests.RequestException:
            return False

    def url(self, ecosystem: Ecosystem) -> str:
        """A cache's address."""
        return f"http://{HERE}:{self.plan().port(ecosystem)}"

    def get(self, ecosystem: Ecosystem, path: str, **options: Any) -> requests.Response:
        """Asks a cache, as its clients do: apt's by the whole address."""
        options = {"timeout": 30, **options}
        if ecosystem is Ecosystem.APT:
            proxies = {"http": self.url(ecosystem)}
            return requests.get(path, proxies=proxies, **options)
        return self._session.get(self.url(ecosystem) + path, **options)

    def get_or_none(self, ecosystem: Ecosystem, path: str) -> requests.Response | None:
        """The answer, or None where the connection broke."""
        try:
            return self.get(ecosystem, path)
        except requests.RequestException:
            return None

    def log_lines(self, *, at_least: int = 1) -> list[dict[str, str]]:
        """The lines of the request logs; nginx writes each a moment after the answer's end."""
        folder = self.settings.caches_dir / "log"

        def read() -> list[dict[str, str]]:
            files = sorted(folder.glob("requests-*.log"))
            return [json.loads(line) for file in files for line in file.read_text().splitlines()]

        wait_until(lambda: len(read()) >= at_least, what="the log's lines", timeout_s=10)
        return read()

    def stored(self, ecosystem: Ecosystem) -> list[Path]:
        """The files in a cache's store, whole and half."""
        return [
            path for path in (self.settings.caches_dir / "nginx" / ecosystem).rglob("*") if path.is_file()
        ]


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody holds; outgoing connections have higher ones."""
    while True:
        first = random.randrange(10_000, 30_000)
        if all(is_free(first + offset) for offset in range(count)):
            return first


def is_free(port: int) -> bool:
    """Whether nobody holds loopback's port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HERE, port))
        except OSError:
            return False
        return True


def side_by_side(count: int, call: Callable[[], bytes]) -> list[bytes]:
    """The results of so many calls at the same moment."""
    gate = threading.Barrier(count)
    results: list[bytes] = []

    def one() -> None:
        gate.wait(10)
        results.append(call())

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with Upstream(tmp_path_factory.mktemp("upstream")) as found:
        yield found


@pytest.fixture
def line(upstream: Upstream) -> Iterator[Upstream]:
    """The upstream, whole before and after."""
    upstream.mend()
    upstream.reset()
    yield upstream
    upstream.mend()


@contextlib.contextmanager
def open_to_all() -> Iterator[Path]:
    """A folder that the caches' user may enter, with a short path for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="hp-c"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with open_to_all() as folder:
        yield folder


@pytest.fixture(scope="module")
def shared_box(upstream: Upstream) -> Iterator[CacheBox]:
    """Caches for tests that only look at what is refused."""
    with open_to_all() as folder:
        box = CacheBox(folder, upstream)
        box.start()
        yield box
        box.stop()


@pytest.fixture
def make_box(open_folder: Path) -> Iterator[Callable[..., CacheBox]]:
    boxes: list[CacheBox] = []

    def make(upstream: Upstream | None, **given: Any) -> CacheBox:
        boxes.append(CacheBox(open_folder, upstream, **given))
        return boxes[-1]

    yield make
    for box in boxes:
        box.stop()


@pytest.fixture
def box(line: Upstream, make_box: Callable[..., CacheBox]) -> CacheBox:
    """Caches that have just started, with nothing in them."""
    made = make_box(line)
    made.start()
    return made


class Devpi:
    """devpi as its entry point starts it, again whenever it ends, as the supervisor does."""

    def __init__(self, box: CacheBox, environment: dict[str, str]) -> None:
        self.box = box
        self.log = box.root / "devpi.log"
        named = box.settings.model_dump(mode="json")
        self._environment = {
            **os.environ,
            **{f"HOMEPORT_{name.upper()}": str(value) for name, value in named.items()},
            "HOMEPORT_CONFIG": os.devnull,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        as_user = ["--reuid", CACHE_USER, "--regid", CACHE_USER, "--clear-groups"] if user() else []
        words = ["setpriv", *as_user, "--pdeathsig", "KILL", "--", sys.executable, "-P"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*words, "-m", "build_cache.caches.devpi"], stdout=log, stderr=log, env=self._environment
            )
        wait_until(self.answers, what="devpi", timeout_s=60)

    def kill(self) -> None:
        """Ends it at once."""
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def answers(self) -> bool:
        """Whether it does."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        port = self.box.settings.cache_port + DEVPI_OFFSET
        try:
            return requests.get(f"http://{HERE}:{port}/+api", timeout=2).ok
        except requests.RequestException:
            return False


@pytest.fixture
def devpi(box: CacheBox) -> Iterator[Devpi]:
    started = Devpi(box, {})
    started.start()
    yield started
    started.kill()


def wait_until_old() -> None:
    """Until what was fetched before counts as old."""
    time.sleep(2.1)
