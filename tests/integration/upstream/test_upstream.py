"""The counting upstream itself: what it says it sent is what came, and its line fails as it is told."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from homeport.caches import Ecosystem
from tests.harness.upstream import Fault, Upstream

MEDIA = "/lantern-media/-/lantern-media-1.2.0.tgz"


@pytest.fixture(scope="module")
def one_upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with Upstream(tmp_path_factory.mktemp("upstream")) as upstream:
        yield upstream


@pytest.fixture
def upstream(one_upstream: Upstream) -> Iterator[Upstream]:
    one_upstream.reset()
    yield one_upstream
    one_upstream.mend()


def test_every_request_is_counted_with_the_bytes_of_its_body(upstream: Upstream) -> None:
    got = requests.get(upstream.url(Ecosystem.NPM) + MEDIA, timeout=10)
    requests.head(upstream.url(Ecosystem.NPM) + MEDIA, timeout=10)
    requests.get(upstream.url(Ecosystem.GEM) + "/nothing", timeout=10)

    assert [(seen.method, seen.status) for seen in upstream.served()] == [
        ("GET", 200),
        ("HEAD", 200),
        ("GET", 404),
    ]
    assert upstream.bytes_sent(Ecosystem.NPM) == len(got.content) > 4_000_000
    assert upstream.bytes_sent(path="media") == len(got.content)
    assert upstream.bytes_sent(Ecosystem.PIP) == 0


def test_what_is_unchanged_is_not_sent_again_and_a_range_is_a_part(upstream: Upstream) -> None:
    url = upstream.url(Ecosystem.GEM) + "/versions"
    whole = requests.get(url, timeout=10)

    same = requests.get(url, headers={"If-None-Match": whole.headers["ETag"]}, timeout=10)
    since = requests.get(url, headers={"If-Modified-Since": whole.headers["Last-Modified"]}, timeout=10)
    part = requests.get(url, headers={"Range": "bytes=10-"}, timeout=10)
    beyond = requests.get(url, headers={"Range": "bytes=99999-"}, timeout=10)

    assert (same.status_code, since.status_code, same.content) == (304, 304, b"")
    assert (part.status_code, part.content) == (206, whole.content[10:])
    assert part.headers["Content-Range"] == f"bytes 10-{len(whole.content) - 1}/{len(whole.content)}"
    assert beyond.status_code == 416


def test_indexes_name_files_with_their_right_hashes(upstream: Upstream) -> None:
    pip, npm = upstream.url(Ecosystem.PIP), upstream.url(Ecosystem.NPM)
    kind = "application/vnd.pypi.simple.v1+json"
    page = requests.get(f"{pip}/simple/lantern-core/", headers={"Accept": kind}, timeout=10).json()
    kind = "application/vnd.npm.install-v1+json"
    short = requests.get(f"{npm}/@lantern%2flantern-words", headers={"Accept": kind}, timeout=10).json()
    full = requests.get(f"{npm}/@lantern%2flantern-words", timeout=10).json()

    wheel = requests.get(f"{pip}/simple/lantern-core/{page['files'][0]['url']}", timeout=10).content
    tarball = requests.get(short["versions"]["1.2.0"]["dist"]["tarball"], timeout=10).content
    assert hashlib.sha256(wheel).hexdigest() == page["files"][0]["hashes"]["sha256"]
    assert hashlib.sha1(tarball).hexdigest() == short["versions"]["1.2.0"]["dist"]["shasum"]
    assert "readme" in full
    assert "readme" not in short
    assert json.dumps(full["versions"]) == json.dumps(short["versions"])


def test_a_cut_line_takes_nothing_and_a_mended_one_has_the_same_address(upstream: Upstream) -> None:
    url = upstream.url(Ecosystem.APT) + "/dists/stable/InRelease"
    upstream.cut()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)

    upstream.mend()

    assert b"BEGIN PGP SIGNED MESSAGE" in requests.get(url, timeout=5).content


def test_half_a_file_wrong_bytes_and_a_busy_server_come_as_often_as_asked(upstream: Upstream) -> None:
    url = upstream.url(Ecosystem.NPM) + MEDIA
    right = requests.get(url, timeout=10).content
    upstream.fail(Ecosystem.NPM, r"\.tgz$", Fault.HALF, times=1)
    upstream.fail(Ecosystem.NPM, r"\.tgz$", Fault.WRONG, times=1)
    upstream.fail(Ecosystem.NPM, r"\.tgz$", Fault.UNAVAILABLE, times=1)

    with pytest.raises(requests.RequestException):
        _ = requests.get(url, timeout=10).content
    wrong = requests.get(url, timeout=10).content
    busy = requests.get(url, timeout=10)

    assert len(wrong) == len(right)
    assert wrong != right
    assert busy.status_code == 503
    assert requests.get(url, timeout=10).content == right


def test_a_shaped_line_lets_through_so_much_and_no_more(upstream: Upstream) -> None:
    upstream.shape(40)
    began = time.monotonic()
    size = len(requests.get(upstream.url(Ecosystem.NPM) + MEDIA, timeout=30).content)

    assert time.monotonic() - began >= 0.95 * size * 8 / 40e6


def test_the_packages_are_the_same_bytes_at_every_start(upstream: Upstream, tmp_path: Path) -> None:
    with Upstream(tmp_path) as other:
        for ecosystem in (Ecosystem.PIP, Ecosystem.GEM):
            assert upstream.site(ecosystem) == other.site(ecosystem)
