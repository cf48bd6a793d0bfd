"""Where builds reach the package caches, and which of them answer now."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

from homeport.caches import HEALTH_PATH, HEALTH_WAIT_S, PORT_OFFSETS, CacheAddresses, Ecosystem
from homeport.host.sockets import http_status
from homeport.plans import Control
from homeport.settings import Settings

PIP_INDEX_PATH = "/root/pypi/+simple/"
"""The Python index below pip's cache."""


_STARTING_S = 20.0
_PATIENCE_S = 10.0
_LOOK_S = 0.25


def cache_url(gateway: str, settings: Settings, ecosystem: Ecosystem) -> str:
    """The cache's address as builds see it: `http://GATEWAY:PORT`."""
    return f"http://{gateway}:{settings.cache_port + PORT_OFFSETS[ecosystem]}"


def find_caches(settings: Settings, gateway: str) -> CacheAddresses:
    """Which caches answer on the bridge's gateway, found side by side: at once, but for one that hangs.

    Those that do not, and all of them where they are switched off, stand in `down` with the reason.
    """
    if not settings.package_caches:
        return CacheAddresses(down=dict.fromkeys(Ecosystem, "The package caches are switched off."))
    if not gateway:
        return CacheAddresses(down=dict.fromkeys(Ecosystem, "The engine's bridge has no address."))
    with ThreadPoolExecutor(len(Ecosystem)) as pool:
        reasons = pool.map(
            lambda ecosystem: _why_down(gateway, settings.cache_port + PORT_OFFSETS[ecosystem]), Ecosystem
        )
        found = dict(zip(Ecosystem, reasons, strict=True))
    return CacheAddresses(
        urls={
            ecosystem: cache_url(gateway, settings, ecosystem) for ecosystem, why in found.items() if not why
        },
        down={ecosystem: why for ecosystem, why in found.items() if why},
    )


def await_caches(
    settings: Settings, gateway: str, *, control: Control, log: Callable[[str], None]
) -> CacheAddresses:
    """As `find_caches`, but what was started a moment ago gets a few seconds until it answers.

    devpi takes about five. What is down for longer is not waited for.

    Args:
        settings: where the caches are.
        gateway: the address of the engine's bridge.
        control: asked while it waits.
        log: gets a line where it waits.
    """
    found = find_caches(settings, gateway)
    ends_at = time.monotonic() + _PATIENCE_S
    if found.down and _starts(settings):
        log(f"The package caches are starting ({', '.join(sorted(found.down))}): waiting for them.")
    while found.down and _starts(settings) and time.monotonic() < ends_at:
        control.check()
        time.sleep(_LOOK_S)
        found = find_caches(settings, gateway)
    return found


def _starts(settings: Settings) -> bool:
    """Whether a part of the caches was started lately, by what each writes first."""
    if not settings.package_caches:
        return False
    marks = (
        settings.run_dir / "supervisord.pid",
        settings.caches_socket.parent / "nginx.conf",
        settings.caches_dir / "devpi",
    )
    return any(_age_s(mark) < _STARTING_S for mark in marks)


def _age_s(mark: Path) -> float:
    try:
        return abs(time.time() - mark.stat().st_mtime)
    except OSError:  # it never ran here
        return math.inf


def _why_down(gateway: str, port: int) -> str:
    """Why the cache cannot serve; nothing where it can."""
    status = http_status(gateway, port, HEALTH_PATH, timeout_s=HEALTH_WAIT_S)
    if status is None:
        return f"Nothing answers at {gateway}:{port}."
    return "" if status == HTTPStatus.OK else f"What answers at {gateway}:{port} is not ready ({status})."
