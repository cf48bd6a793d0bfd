"""Where builds reach the package caches, and which of them answer now."""

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from homeport.caches import HEALTH_PATH, HEALTH_WAIT_S, PORT_OFFSETS, CacheAddresses, Ecosystem
from homeport.host.sockets import http_status
from homeport.settings import Settings

PIP_INDEX_PATH = "/root/pypi/+simple/"
"""The Python index below pip's cache."""


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


def _why_down(gateway: str, port: int) -> str:
    """Why the cache cannot serve; nothing where it can."""
    status = http_status(gateway, port, HEALTH_PATH, timeout_s=HEALTH_WAIT_S)
    if status is None:
        return f"Nothing answers at {gateway}:{port}."
    return "" if status == HTTPStatus.OK else f"What answers at {gateway}:{port} is not ready ({status})."
