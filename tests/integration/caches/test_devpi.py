"""devpi behind nginx, against an upstream that counts."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin

import psutil
import pytest
import requests

from build_cache.caches.addresses import PIP_INDEX_PATH, await_caches, find_caches
from build_cache.caches.store import REMAKE_MARKER
from homeport.caches import DEVPI_OFFSET, Ecosystem
from homeport.errors import CancelledError
from homeport.state.health import cache_states
from tests.harness.programs import wait_until
from tests.harness.upstream import Fault, Upstream
from tests.integration.caches.conftest import (
    HERE,
    CacheBox,
    Cancelled,
    Devpi,
    Going,
    side_by_side,
    wait_until_old,
)

PAGE = f"{PIP_INDEX_PATH}lantern-media/"


def wheel_path(box: CacheBox) -> str:
    """Where the index says that the wheel is."""
    link = re.search(
        r'href="([^"#]*\.whl)', box.get(Ecosystem.PIP, PAGE, headers={"Accept": "text/html"}).text
    )
    assert link
    return urljoin(PAGE, str(link[1]))


def wheel_of(upstream: Upstream) -> bytes:
    """The wheel's content."""
    site = upstream.site(Ecosystem.PIP)
    return next(site[path].body for path in site if re.search(r"lantern_media-1\.2\.0.*\.whl$", path))


def pip_install(box: CacheBox, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """What pip does inside a build."""
    index = ["--isolated", "--no-cache-dir", "--index-url", box.url(Ecosystem.PIP) + PIP_INDEX_PATH]
    words = [sys.executable, "-m", "pip", "install", "--no-deps", *index, "--target", str(folder), name]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def test_ten_that_ask_at_once_make_one_request_upstream_and_devpi_saw_it(
    box: CacheBox, devpi: Devpi, line: Upstream
) -> None:
    path = wheel_path(box)
    line.shape(100)

    answers = side_by_side(10, lambda: box.get(Ecosystem.PIP, path).content)

    assert [answer == wheel_of(line) for answer in answers] == [True] * 10
    wheels = line.served(Ecosystem.PIP, path=r"lantern_media-.*\.whl$")
    assert len(wheels) == 1
    assert f"GET {path}" in devpi.log.read_text().replace("%2B", "+")


def test_the_list_of_all_projects_is_never_asked_for(box: CacheBox, devpi: Devpi, line: Upstream) -> None:
    assert devpi.answers()
    box.get(Ecosystem.PIP, PAGE)
    box.get(Ecosystem.PIP, PIP_INDEX_PATH)

    assert line.served(Ecosystem.PIP, path=r"^/simple/$") == []


def test_pip_installs_and_installs_again_while_the_line_is_cut(
    box: CacheBox, devpi: Devpi, line: Upstream, tmp_path: Path
) -> None:
    cold = pip_install(box, tmp_path / "one", "lantern-media")
    assert cold.returncode == 0, cold.stderr
    line.cut()
    wait_until_old()
    devpi.kill()

    warm = pip_install(box, tmp_path / "two", "lantern-media")

    assert warm.returncode == 0, warm.stderr


@pytest.mark.parametrize("fault", [Fault.HALF, Fault.WRONG])
def test_a_spoilt_wheel_is_neither_kept_nor_installed(
    box: CacheBox, devpi: Devpi, line: Upstream, tmp_path: Path, fault: Fault
) -> None:
    assert devpi.answers()
    line.fail(Ecosystem.PIP, r"\.whl$", fault, times=1)

    spoilt = box.get_or_none(Ecosystem.PIP, wheel_path(box))
    installed = pip_install(box, tmp_path / "x", "lantern-media")

    assert spoilt is None or spoilt.status_code >= 500 or spoilt.content != wheel_of(line)
    assert installed.returncode == 0, installed.stderr


def test_nobody_may_change_the_index_or_make_users(box: CacheBox, devpi: Devpi) -> None:
    assert devpi.answers()
    direct = f"http://{HERE}:{box.settings.cache_port + DEVPI_OFFSET}"

    made = requests.put(f"{direct}/somebody", json={"password": "x"}, timeout=10)
    changed = requests.patch(f"{direct}/root/pypi", json=["mirror_url=http://127.0.0.1:1/"], timeout=10)

    assert (made.status_code, changed.status_code) == (403, 403)


def test_a_marker_makes_the_store_anew(box: CacheBox, devpi: Devpi, line: Upstream) -> None:
    path = wheel_path(box)
    box.get(Ecosystem.PIP, path)
    folder = box.settings.caches_dir / "devpi"
    (folder / REMAKE_MARKER).touch()

    wait_until(lambda: ended(devpi), what="devpi's end", timeout_s=20)
    devpi.start()

    assert not (folder / REMAKE_MARKER).exists()
    assert not list(folder.rglob("*.whl"))
    assert box.get(Ecosystem.PIP, path).content == wheel_of(line), "nginx has it still"


def ended(devpi: Devpi) -> bool:
    assert devpi.process is not None
    return devpi.process.poll() is not None


def spoil_database(folder: Path) -> None:
    (folder / "server" / ".sqlite").write_bytes(b"no database" * 1000)


def spoil_node(folder: Path) -> None:
    (folder / "server" / ".nodeinfo").unlink()


def spoil_version(folder: Path) -> None:
    (folder / "origin.json").write_text("{}")


def spoil_all(folder: Path) -> None:
    shutil.rmtree(folder / "server")


@pytest.mark.parametrize("spoil", [spoil_database, spoil_node, spoil_version, spoil_all])
def test_a_store_that_cannot_be_used_is_made_anew(
    box: CacheBox, devpi: Devpi, line: Upstream, spoil: Callable[[Path], None]
) -> None:
    devpi.kill()
    spoil(box.settings.caches_dir / "devpi")

    devpi.start()

    assert box.get(Ecosystem.PIP, wheel_path(box)).content == wheel_of(line)


def test_a_killed_devpi_goes_on_with_its_store(box: CacheBox, devpi: Devpi, line: Upstream) -> None:
    path = wheel_path(box)
    box.get(Ecosystem.PIP, path)
    devpi.kill()

    devpi.start()

    assert "made anew" not in devpi.log.read_text().partition("Serving on")[2]
    assert box.get(Ecosystem.PIP, path).content == wheel_of(line)


def test_pips_cache_is_down_while_devpi_is_and_the_others_are_not(box: CacheBox, devpi: Devpi) -> None:
    up = find_caches(box.settings, HERE)
    devpi.kill()

    down = find_caches(box.settings, HERE)

    assert set(up.urls) == set(Ecosystem)
    assert set(down.down) == {Ecosystem.PIP}
    assert "not ready" in down.down[Ecosystem.PIP]


def test_a_devpi_that_hangs_takes_no_other_cache_with_it(box: CacheBox, devpi: Devpi) -> None:
    assert devpi.process
    devpi.process.send_signal(signal.SIGSTOP)
    stopped = psutil.Process(devpi.process.pid)
    wait_until(lambda: stopped.status() == psutil.STATUS_STOPPED, what="devpi stands still", timeout_s=10)

    seen_by_builds = find_caches(box.settings, HERE)
    seen_by_the_api = asyncio.run(cache_states(box.settings))

    assert set(seen_by_builds.down) == {Ecosystem.PIP}
    assert seen_by_the_api == dict.fromkeys(Ecosystem, "ok") | {Ecosystem.PIP: "down"}


def test_a_devpi_that_was_started_a_moment_ago_is_waited_for(box: CacheBox, devpi: Devpi) -> None:
    devpi.kill()
    lines: list[str] = []
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(devpi.start)

        found = await_caches(box.settings, HERE, control=Going(), log=lines.append)

        starting.result()
    assert not found.down
    assert [line for line in lines if "pip" in line and "waiting" in line] == lines
    assert len(lines) == 1


def test_waiting_for_caches_can_be_cancelled(box: CacheBox) -> None:
    with pytest.raises(CancelledError):
        await_caches(box.settings, HERE, control=Cancelled(), log=lambda line: None)


def test_what_is_down_for_long_is_not_waited_for(box: CacheBox) -> None:
    os.utime(box.settings.caches_socket.parent / "nginx.conf", (0, 0))
    lines: list[str] = []

    found = await_caches(box.settings, HERE, control=Cancelled(), log=lines.append)

    assert set(found.down) == {Ecosystem.PIP}
    assert lines == []
