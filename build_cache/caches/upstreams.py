"""Where the package caches fetch from: the owner's settings, else each ecosystem's public registry."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from packageurl.contrib.purl2url import get_download_url

from homeport.errors import InvalidInputError
from homeport.settings import Settings

# What may stand in nginx's configuration as it is: no space, quote, semicolon, brace or dollar sign.
_URL = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/+-]*)?")
_APT_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A registry: `origin` is such as `https://host:port`, `prefix` the path before its own paths."""

    origin: str
    prefix: str = ""

    @property
    def url(self) -> str:
        """The registry's root, without a slash at the end."""
        return self.origin + self.prefix

    @classmethod
    def parse(cls, url: str, *, setting: str) -> Self:
        """The upstream at the URL.

        Raises:
            InvalidInputError: it is no plain http or https address; it names the setting.
        """
        if not _URL.fullmatch(url):
            raise _wrong(setting, f"{url!r} is not such as https://host/path")
        parts = urlsplit(url)
        return cls(origin=f"{parts.scheme}://{parts.netloc}", prefix=parts.path.rstrip("/"))


@dataclass(frozen=True, kw_only=True)
class Upstreams:
    """Every ecosystem's upstream, but pip's, which is devpi's business.

    `apt_hosts` are such as `host` or `host:port`, asked though their names do not look public;
    `public_npm` is the registry that every npm takes for the one it is configured with.
    """

    npm: Upstream
    gem: Upstream
    public_npm: Upstream
    apt_hosts: Sequence[str] = ()


def upstreams_of(settings: Settings) -> Upstreams:
    """The upstreams that the settings name; where they name none, those that package URLs lead to.

    Raises:
        InvalidInputError: a setting is wrong; it names it.
    """
    apt_hosts = [host for entry in settings.apt_hosts.split(",") if (host := entry.strip().lower())]
    for host in apt_hosts:
        if not _APT_HOST.fullmatch(host):
            raise _wrong("apt_hosts", f"{host!r} is neither host nor host:port")
    return Upstreams(
        npm=_upstream(settings.npm_upstream, "npm"),
        gem=_upstream(settings.gem_upstream, "gem"),
        public_npm=_upstream("", "npm"),
        apt_hosts=tuple(apt_hosts),
    )


def name_servers(configured: str, resolv_conf: str) -> list[str]:
    """The name servers as nginx writes them: the setting's, else those of the resolv.conf, else this host's.

    Raises:
        InvalidInputError: the setting holds something else than IP addresses.
    """
    words = configured.replace(",", " ").split()
    if not words:
        lines = [line.split() for line in resolv_conf.splitlines()]
        words = [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver"]
    return [_name_server(word) for word in words or ["127.0.0.1"]]


def _name_server(word: str) -> str:
    """An address as nginx writes it, with the port where one is given (`address:port`, for IPv4)."""
    address, _, port = word.partition(":") if word.count(":") == 1 else (word, "", "")
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
        if port:
            return f"{found}:{int(port)}"
    except ValueError as error:
        raise _wrong("resolver", str(error)) from error
    return f"[{found}]" if found.version == 6 else str(found)


def _upstream(configured: str, ecosystem: str) -> Upstream:
    if configured:
        return Upstream.parse(configured, setting=f"{ecosystem}_upstream")
    parts = urlsplit(str(get_download_url(f"pkg:{ecosystem}/name@1")))  # type: ignore[no-untyped-call]
    return Upstream(origin=f"{parts.scheme}://{parts.netloc}")


def _wrong(setting: str, detail: str) -> InvalidInputError:
    return InvalidInputError(
        f"The setting {setting} is wrong.",
        why=f"{detail[0].upper()}{detail[1:]}.",
        remedy="Correct it; `homeport settings` explains it.",
        errors=[{"pointer": "/" + setting, "detail": detail}],
    )
