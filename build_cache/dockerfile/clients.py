"""The package clients: where each looks for its configuration, and what we mount there. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from packageurl.contrib.purl2url import get_download_url

from build_cache.caches.addresses import PIP_INDEX_PATH
from homeport.caches import CacheAddresses, Ecosystem


class Client(StrEnum):
    """A program that downloads packages; each has its configuration mounted on its own."""

    APT = "apt"
    """Debian's packages."""
    PIP = "pip"
    """Python's packages."""
    UV = "uv"
    """Python's packages, too; it reads none of pip's files."""
    NPM = "npm"
    """npm, and pnpm and yarn 1, which read npm's configuration."""
    GEM = "gem"
    """Ruby's packages."""
    BUNDLER = "bundler"
    """Ruby's packages by a Gemfile; it reads none of gem's files."""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A secret's file as a RUN sees it, and the secret's name (its id)."""

    name: str
    client: Client
    target: str

    @property
    def flag(self) -> str:
        """The flag of RUN."""
        return f"--mount=type=secret,id={self.name},target={self.target},mode=0444"


ECOSYSTEMS: Final[Mapping[Client, Ecosystem]] = {
    Client.APT: Ecosystem.APT,
    Client.PIP: Ecosystem.PIP,
    Client.UV: Ecosystem.PIP,
    Client.NPM: Ecosystem.NPM,
    Client.GEM: Ecosystem.GEM,
    Client.BUNDLER: Ecosystem.GEM,
}
"""Whose cache each client uses."""

# The least of each client's files, so that whatever an image or a Dockerfile configures wins.
_FIXED_MOUNTS: Final = (
    # read first of its folder: a later file's proxy wins
    Mount(name="hp-apt", client=Client.APT, target="/etc/apt/apt.conf.d/00homeport"),
    # read before /etc/pip.conf, which stays free for the image's own
    Mount(name="hp-pip", client=Client.PIP, target="/etc/xdg/pip/pip.conf"),
    Mount(name="hp-uv", client=Client.UV, target="/etc/uv/uv.toml"),
    # Debian's npm, npm below /usr, and the official images' below /usr/local
    Mount(name="hp-npm", client=Client.NPM, target="/etc/npmrc"),
    Mount(name="hp-npm", client=Client.NPM, target="/usr/etc/npmrc"),
    Mount(name="hp-npm", client=Client.NPM, target="/usr/local/etc/npmrc"),
    # Debian's Ruby, and the official images' below /usr/local
    Mount(name="hp-gem", client=Client.GEM, target="/etc/gemrc"),
    Mount(name="hp-gem-local", client=Client.GEM, target="/usr/local/etc/gemrc"),
)
_BUNDLER_FILE = ".bundle/config"
_BUNDLER_NAME = "hp-bundler"
_OUR_MOUNT = re.compile(r" --mount=type=secret,id=hp-[a-z-]+,target=[^\s,]+,mode=0444")


def mounts_for(home: str | None) -> list[Mount]:
    """What a RUN is given whose user has this home folder; None where that is not known."""
    mounts = list(_FIXED_MOUNTS)
    if home is not None:
        target = f"{home.rstrip('/')}/{_BUNDLER_FILE}"
        mounts.append(Mount(name=_BUNDLER_NAME, client=Client.BUNDLER, target=target))
    return mounts


def strip_mounts(text: str) -> str:
    """The text of a RUN, or a vertex's name, without the mounts that are ours."""
    return _OUR_MOUNT.sub("", text)


def client_of_target(path: str) -> Client | None:
    """Whose file of ours this path is, or lies in the way of; None where it is none of ours."""
    if path.endswith(f"/{_BUNDLER_FILE}"):
        return Client.BUNDLER
    return next((mount.client for mount in _FIXED_MOUNTS if mount.target == path), None)


def render_configurations(addresses: CacheAddresses) -> Mapping[str, str]:
    """Each secret's content by its id: all of them, always, so that the mounts never change.

    Where a cache is down the content sets nothing of it, and the client goes direct.
    """
    urls = addresses.urls
    return {
        "hp-apt": _written("//", _apt(urls.get(Ecosystem.APT))),
        "hp-pip": _written("#", _pip(urls.get(Ecosystem.PIP))),
        "hp-uv": _written("#", _uv(urls.get(Ecosystem.PIP))),
        "hp-npm": _written("#", _npm(urls.get(Ecosystem.NPM))),
        "hp-gem": _written("#", _gem(urls.get(Ecosystem.GEM))),
        # the official images' file, which ours hides, says this much
        "hp-gem-local": _written(
            "#", ["install: --no-document", "update: --no-document", *_gem(urls.get(Ecosystem.GEM))]
        ),
        _BUNDLER_NAME: _written("#", ["---", *_bundler(urls.get(Ecosystem.GEM))]),
    }


def _written(comment: str, lines: list[str]) -> str:
    return "\n".join([f"{comment} Homeport's, while an image is built", *lines, ""])


def _apt(url: str | None) -> list[str]:
    return [f'Acquire::http::Proxy "{url}";', 'Acquire::https::Proxy "DIRECT";'] if url else []


def _pip(url: str | None) -> list[str]:
    if not url:
        return []
    return ["[global]", f"index-url = {url}{PIP_INDEX_PATH}", f"trusted-host = {urlsplit(url).hostname}"]


def _uv(url: str | None) -> list[str]:
    # older releases know no [[index]], newer ones still know this
    return [f'index-url = "{url}{PIP_INDEX_PATH}"'] if url else []


def _npm(url: str | None) -> list[str]:
    return [f"registry={url}/"] if url else []


def _gem(url: str | None) -> list[str]:
    return [":sources:", f"- {url}/"] if url else []


def _bundler(url: str | None) -> list[str]:
    """A mirror of the public gem server alone: a Gemfile's other sources are their own."""
    if not url:
        return []
    public = get_download_url("pkg:gem/x@1")  # type: ignore[no-untyped-call]
    server = urlsplit(public).hostname or ""
    key = server.upper().replace("-", "___").replace(".", "__")
    return [f'BUNDLE_MIRROR__{scheme}://{key}/: "{url}/"' for scheme in ("HTTPS", "HTTP")]
