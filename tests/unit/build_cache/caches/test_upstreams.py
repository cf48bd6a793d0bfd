"""Upstreams and name servers, from settings that people write."""

from pathlib import Path
from typing import Any

import pytest

from build_cache.caches.upstreams import Upstream, name_servers, upstreams_of
from homeport.errors import InvalidInputError
from homeport.settings import Settings


def settings(**given: Any) -> Settings:
    return Settings(**{"state_dir": Path("/s"), "run_dir": Path("/r"), "catalog_dir": Path("/c"), **given})


def test_without_settings_the_upstreams_are_the_public_ones() -> None:
    found = upstreams_of(settings())

    assert found.npm == found.public_npm
    assert found.npm.origin.startswith("https://")
    assert found.gem.origin.startswith("https://")
    assert found.npm.prefix == found.gem.prefix == ""


def test_an_upstream_may_lie_below_a_path_and_on_a_port() -> None:
    found = upstreams_of(
        settings(npm_upstream="http://nas:4873/npm/", gem_upstream="https://[2001:db8::1]:8/g")
    )

    assert found.npm == Upstream(origin="http://nas:4873", prefix="/npm")
    assert found.gem == Upstream(origin="https://[2001:db8::1]:8", prefix="/g")


@pytest.mark.parametrize(
    "url",
    [
        "nas/npm",
        "ftp://nas/npm",
        "https://user:secret@nas/npm",
        "https://nas/npm?x=1",
        "https://nas/npm;evil",
        'https://nas/"; evil',
        "https://nas/$host",
        "https://nas/a b",
        "https://nas/\nevil;",
    ],
)
@pytest.mark.parametrize("setting", ["npm_upstream", "gem_upstream"])
def test_what_is_no_plain_address_is_refused_with_the_settings_name(setting: str, url: str) -> None:
    with pytest.raises(InvalidInputError, match=setting):
        upstreams_of(settings(**{setting: url}))


def test_apts_further_hosts_are_a_list() -> None:
    assert upstreams_of(settings(apt_hosts=" NAS, mirror.lan:3142 ,")).apt_hosts == ("nas", "mirror.lan:3142")


@pytest.mark.parametrize("host", ["nas;evil", 'nas"', "nas/x", "nas:port", "$nas"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidInputError, match="apt_hosts"):
        upstreams_of(settings(apt_hosts=host))


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ("", ["192.0.2.1", "[fe80::1]"]),
        ("192.0.2.9", ["192.0.2.9"]),
        ("192.0.2.9:5353, 2001:db8::1", ["192.0.2.9:5353", "[2001:db8::1]"]),
    ],
)
def test_name_servers_are_the_settings_or_the_hosts(configured: str, expected: list[str]) -> None:
    resolv_conf = (
        "# of the router\nsearch lan\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\noptions edns0\n"
    )

    assert name_servers(configured, resolv_conf) == expected


def test_without_any_name_server_it_is_this_host() -> None:
    assert name_servers("", "") == ["127.0.0.1"]


@pytest.mark.parametrize("configured", ["dns.example.org", "192.0.2.9;evil", "192.0.2.9:port"])
def test_a_name_server_is_an_address(configured: str) -> None:
    with pytest.raises(InvalidInputError, match="resolver"):
        name_servers(configured, "")
