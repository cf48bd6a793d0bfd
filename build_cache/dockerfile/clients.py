"""The package clients: where each looks for its configuration, and what we mount there. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from packageurl.contrib.purl2url import get_download_url

from build_cache.caches.addresses import PIP_INDEX_PATH
from build_cache.dockerfile.users import User
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


SCRATCH_CONTEXT: Final = "homeport-scratch"
"""The named build context that every build of a rewritten file is given: a folder with `SCRATCH_FOLDER`."""
SCRATCH_FOLDER: Final = "open"
"""An empty folder in it that everybody may write to (mode 1777).

What clients keep of their downloads names its origin; so they keep it in a mount of this folder, which
is each RUN's own, lies on the disk, and is thrown away afterwards.
"""
_SCRATCH = "/run/homeport"  # not below /var/cache or /tmp, which Dockerfiles like to empty


@dataclass(frozen=True, kw_only=True)
class Mount:
    """What a RUN sees of ours: a secret's file, or the scratch folder where `name` is empty."""

    name: str = ""
    client: Client
    target: str

    @property
    def flag(self) -> str:
        """The flag of RUN."""
        if not self.name:
            return f"--mount=type=bind,from={SCRATCH_CONTEXT},source={SCRATCH_FOLDER},target={self.target},rw"
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
_BUNDLER_FOLDER = ".bundle"
_BUNDLER_FILE = f"{_BUNDLER_FOLDER}/config"
_BUNDLER_NAME = "hp-bundler"
# Where gem keeps lists by the server's address; it has no setting for that.
_GEM_LISTS = (".cache/gem/specs", ".local/share/gem/specs")
_OUR_MOUNT = re.compile(
    r" --mount=type=(?:secret,id=hp-[a-z-]+,target=[^\s,]+,mode=0444"
    rf"|bind,from={SCRATCH_CONTEXT},source={SCRATCH_FOLDER},target=[^\s,]+,rw)"
)


def mounts_for(user: User, clients: Collection[Client]) -> list[Mount]:
    """What a RUN of this user is given for these clients, in a fixed order."""
    mounts = [mount for mount in _FIXED_MOUNTS if mount.client in clients]
    if not {Client.PIP, Client.UV, Client.NPM}.isdisjoint(clients):
        mounts.append(Mount(client=Client.NPM, target=_SCRATCH))
    if Client.GEM in clients:
        mounts += [Mount(client=Client.GEM, target=f"{user.home}/{place}") for place in _GEM_LISTS]
    if Client.BUNDLER in clients:
        if not user.is_root:  # a folder that is made for the mount belongs to root
            mounts.append(Mount(client=Client.BUNDLER, target=f"{user.home}/{_BUNDLER_FOLDER}"))
        target = f"{user.home}/{_BUNDLER_FILE}"
        mounts.append(Mount(name=_BUNDLER_NAME, client=Client.BUNDLER, target=target))
    return mounts


def strip_mounts(text: str) -> str:
    """The text of a RUN, or a vertex's name, without the mounts that are ours."""
    return _OUR_MOUNT.sub("", text)


def clients_of_target(path: str) -> frozenset[Client]:
    """Whose mount of ours is at this path; none where it is none of ours."""
    if path.endswith((f"/{_BUNDLER_FILE}", f"/{_BUNDLER_FOLDER}")):
        return frozenset({Client.BUNDLER})
    if path.endswith(tuple(f"/{place}" for place in _GEM_LISTS)):
        return frozenset({Client.GEM})
    if path == _SCRATCH:
        return frozenset({Client.PIP, Client.UV, Client.NPM})
    return frozenset(mount.client for mount in _FIXED_MOUNTS if mount.target == path)


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
    return [
        "[global]",
        f"index-url = {url}{PIP_INDEX_PATH}",
        f"trusted-host = {urlsplit(url).hostname}",
        f"cache-dir = {_SCRATCH}/pip",
    ]


def _uv(url: str | None) -> list[str]:
    # older releases know no [[index]], newer ones still know this
    # and it links no files from its cache, which lies on another file system
    settings = {"index-url": f"{url}{PIP_INDEX_PATH}", "cache-dir": f"{_SCRATCH}/uv", "link-mode": "copy"}
    return [f'{name} = "{value}"' for name, value in settings.items()] if url else []


def _npm(url: str | None) -> list[str]:
    # the cache takes no POST, which an audit is
    return [f"registry={url}/", f"cache={_SCRATCH}/npm", "audit=false"] if url else []


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
