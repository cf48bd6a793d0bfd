"""What is in nginx's configuration, and what never is."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from build_cache.caches.nginx_conf import render_nginx
from build_cache.caches.nginx_plan import NginxPlan
from build_cache.caches.upstreams import Upstream, Upstreams
from homeport.caches import Ecosystem

PUBLIC = Upstream(origin="https://npm.example.org")
PLAN = NginxPlan(
    gateway="172.30.0.1",
    first_port=9000,
    upstreams=Upstreams(
        npm=PUBLIC, gem=Upstream(origin="https://gems.example.org", prefix="/mirror"), public_npm=PUBLIC
    ),
    resolvers=["192.0.2.53", "[2001:db8::53]"],
    ca_file=Path("/ca.pem"),
    caches_dir=Path("/c"),
    run_dir=Path("/r"),
    max_bytes=12345678,
    min_free_bytes=345678,
)


def values(text: str, directive: str) -> list[str]:
    """What follows a directive, wherever it stands."""
    return re.findall(rf"(?:^|[{{;]) *{directive} ([^;]+);", text, flags=re.MULTILINE)


def test_it_listens_on_the_gateway_and_on_sockets_of_its_own_only() -> None:
    listens = values(render_nginx(PLAN), "listen")

    assert sorted(listens) == [
        *(f"172.30.0.1:{port}" for port in (9000, 9001, 9002, 9003)),
        "unix:/r/fetch/apt.sock",
        "unix:/r/fetch/gem.sock",
        "unix:/r/fetch/npm.sock",
        "unix:/r/nginx.sock",
    ]


def test_every_store_is_bounded() -> None:
    stores = values(render_nginx(PLAN), "proxy_cache_path")

    assert [store.split()[0] for store in stores] == [
        "/c/nginx/apt",
        "/c/nginx/pip",
        "/c/nginx/npm",
        "/c/nginx/gem",
    ]
    assert all("max_size=12345678 min_free=345678 " in store for store in stores)


def test_upstreams_are_always_verified() -> None:
    text = render_nginx(PLAN)

    assert values(text, "proxy_ssl_verify") == ["on"]
    assert values(text, "proxy_ssl_trusted_certificate") == ["/ca.pem"]


def test_no_host_is_asked_but_the_upstreams() -> None:
    text = render_nginx(PLAN)

    addresses = set(re.findall(r"https?://([\w.:-]+)", text)) - {"fetch_apt", "fetch_npm", "fetch_gem"}

    assert addresses == {"172.30.0.1:9001", "127.0.0.1:9004", "npm.example.org", "gems.example.org"}
    assert values(text, "set") == [
        "$origin https://npm.example.org",
        "$elsewhere $upstream_http_location",
        "$elsewhere $origin$elsewhere",
        "$origin https://gems.example.org",
        "$elsewhere $upstream_http_location",
        "$elsewhere $origin$elsewhere",
    ]


def test_a_clients_own_headers_go_nowhere() -> None:
    assert values(render_nginx(PLAN), "proxy_pass_request_headers") == ["off"] * len(Ecosystem)


@pytest.mark.parametrize(("ipv6", "expected"), [(True, ""), (False, " ipv6=off")])
def test_ipv6_addresses_are_left_out_where_they_are_not_reached(*, ipv6: bool, expected: str) -> None:
    text = render_nginx(replace(PLAN, ipv6=ipv6))

    assert values(text, "resolver") == [f"192.0.2.53 [2001:db8::53]{expected}"]


def test_a_registry_of_ones_own_is_renamed_in_npms_documents() -> None:
    own = Upstream(origin="http://10.0.0.9:4873", prefix="/npm")
    text = render_nginx(replace(PLAN, upstreams=replace(PLAN.upstreams, npm=own)))

    assert values(text, "sub_filter") == ['"http://10.0.0.9:4873/npm/" "https://npm.example.org/"']
    assert values(render_nginx(PLAN), "sub_filter") == []


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("deb.example.org", True),
        ("deb.example.org:80", True),
        ("DEB.Example.org", True),
        ("xn--bcher-kva.example.co", True),
        ("listed", True),
        ("listed:80", True),
        ("other:3142", True),
        ("other", False),
        ("deb.example.org:8080", False),
        ("10.0.0.1", False),
        ("10.0.0.1:80", False),
        ("[::1]", False),
        ("2130706433", False),
        ("0x7f.0.0.1", False),
        ("localhost", False),
        ("a.localhost", False),
        ("router", False),
        ("nas.home", False),
        ("nas.fritz.lan", False),
        ("box.home.arpa", False),
        ("meta.internal:80", False),
        ("deb.example.org.", False),
        ("-.example.org", False),
        ("deb.example.org@10.0.0.1", False),
        ("", False),
    ],
)
def test_which_hosts_apts_cache_asks(host: str, *, allowed: bool) -> None:
    plan = replace(PLAN, upstreams=replace(PLAN.upstreams, apt_hosts=("listed", "other:3142")))

    assert looked_up(render_nginx(plan), "$http_host $apt_host", host) is allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/debian/dists/trixie/InRelease", True),
        ("/debian/dists/trixie/main/binary-amd64/by-hash/SHA256/0a1b", True),
        ("/debian/pool/main/j/jq/jq_1.6-2.1%2bdeb12u2_amd64.deb", True),
        ("/flat/./Packages.gz", True),
        ("/flat/Release.gpg", True),
        ("/flat/tool_1.0_all.deb", True),
        ("/flat/tool_1.0.dsc", True),
        ("/flat/tool_1.0.orig.tar.xz", True),
        ("/flat/Translation-de.bz2", True),
        ("/", False),
        ("/index.html", False),
        ("/dists/", False),
        ("/dists/../admin", False),
        ("/dists/..", False),
        ("/dists/%2E%2e/admin", False),
        ("/dists/..%2Fadmin", False),
        ("/dists\\..\\admin", False),
        ("/pool/x?y", False),
        ("/admin?/pool/x", False),
        ("/Packages/admin", False),
        ("/tool.exe", False),
        ("/tool.tar.gz", False),
    ],
)
def test_which_paths_apts_cache_asks_for(path: str, *, allowed: bool) -> None:
    assert looked_up(render_nginx(PLAN), "$request_uri $apt_path", path) is allowed


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("npm 5 ", True),
        ("npm  chunked", True),
        ("npm  ", False),
        ("apt 5 ", True),
        ("apt  chunked", False),
        ("apt 12345678 ", True),
        ("gem 9999999 ", True),
        ("gem 12345679 ", False),
        ("apt 12345680 ", False),
        ("apt 20000000 ", False),
        ("npm 100000000 ", False),
    ],
)
def test_what_is_too_large_or_may_have_no_end_is_not_kept(answer: str, *, kept: bool) -> None:
    name = '"$ecosystem $upstream_http_content_length $upstream_http_transfer_encoding" $unbounded'

    assert looked_up(render_nginx(PLAN), name, answer) is not kept


def looked_up(text: str, name: str, given: str) -> bool:
    """What nginx's map says of a value: exact entries first, then expressions in their order."""
    body = text.partition(f"map {name} {{\n")[2].partition("\n}")[0]
    entries = [line.strip().rstrip(";").rpartition(" ")[::2] for line in body.splitlines() if line.strip()]
    pairs = [(key.strip('"').replace("\\\\", "\\"), value != "0") for key, value in entries]
    for key, value in pairs:
        if not key.startswith("~") and key != "default" and key == given.lower():
            return value
    for key, value in pairs:
        flags = re.IGNORECASE if key.startswith("~*") else 0
        if key.startswith("~") and re.search(key.lstrip("~*"), given, flags):
            return value
    return False
