"""nginx as the package caches, against an upstream that counts and fails."""

import hashlib
import http.client
import socket
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests
from packageurl.contrib.purl2url import get_download_url

from build_cache.caches.store import cache_sizes
from homeport.caches import ABSENT_PATHS, Ecosystem
from tests.harness.programs import wait_until
from tests.harness.upstream import Fault, Upstream
from tests.integration.caches.conftest import HERE, CacheBox, side_by_side, user, wait_until_old

BIG = {
    Ecosystem.APT: r"^/pool/.*lantern-media",
    Ecosystem.NPM: r"^/lantern-media/-/.*\.tgz$",
    Ecosystem.GEM: r"^/gems/lantern-media-.*\.gem$",
}
ECOSYSTEMS = list(BIG)


def the_big_one(upstream: Upstream, ecosystem: Ecosystem) -> tuple[str, bytes]:
    """The path of the largest package, as the cache is asked for it, and its content."""
    import re

    path = next(path for path in upstream.site(ecosystem) if re.search(BIG[ecosystem], path))
    prefix = upstream.url(ecosystem) if ecosystem is Ecosystem.APT else ""
    return prefix + path, upstream.site(ecosystem)[path].body


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_ten_that_ask_at_once_make_one_request_upstream(
    box: CacheBox, line: Upstream, ecosystem: Ecosystem
) -> None:
    path, body = the_big_one(line, ecosystem)
    line.shape(100)

    answers = side_by_side(10, lambda: box.get(ecosystem, path).content)

    assert [answer == body for answer in answers] == [True] * 10
    assert requests_upstream(line, ecosystem, at_least=1) == 1
    assert line.bytes_sent(ecosystem) == len(body)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_half_a_file_is_never_kept(box: CacheBox, line: Upstream, ecosystem: Ecosystem) -> None:
    path, body = the_big_one(line, ecosystem)
    line.fail(ecosystem, BIG[ecosystem], Fault.HALF, times=1)

    with pytest.raises(requests.RequestException):
        box.get(ecosystem, path)
    answer = box.get(ecosystem, path)

    assert answer.content == body
    assert requests_upstream(line, ecosystem, at_least=2) == 2


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_what_was_fetched_is_served_while_the_line_is_cut(
    box: CacheBox, line: Upstream, ecosystem: Ecosystem
) -> None:
    index = {
        Ecosystem.APT: f"{line.url(Ecosystem.APT)}/dists/{suite_of(line)}/InRelease",
        Ecosystem.NPM: "/lantern-media",
        Ecosystem.GEM: "/versions",
    }[ecosystem]
    path, _ = the_big_one(line, ecosystem)
    before = [box.get(ecosystem, each).content for each in (index, path)]
    line.cut()
    wait_until_old()

    after = [box.get(ecosystem, each) for each in (index, path)]

    assert [answer.status_code for answer in after] == [200, 200]
    assert [answer.content for answer in after] == before


def requests_upstream(upstream: Upstream, ecosystem: Ecosystem, *, at_least: int) -> int:
    """How many requests there were: the upstream counts each only after its last byte."""
    wait_until(lambda: len(upstream.served(ecosystem)) >= at_least, what="the upstream's count", timeout_s=10)
    return len(upstream.served(ecosystem))


def suite_of(upstream: Upstream) -> str:
    """The one suite of the apt upstream."""
    return upstream.apt_source.split()[-2]


def test_an_old_index_is_asked_for_by_its_validator_only(box: CacheBox, line: Upstream) -> None:
    first = box.get(Ecosystem.GEM, "/versions")
    wait_until_old()

    again = box.get(Ecosystem.GEM, "/versions")

    assert again.content == first.content
    assert requests_upstream(line, Ecosystem.GEM, at_least=2) == 2
    assert [answer.status for answer in line.served(Ecosystem.GEM)] == [200, 304]
    assert box.log_lines(at_least=2)[-1]["cache"] == "REVALIDATED"


def test_what_cannot_be_had_and_never_was_is_an_error(box: CacheBox, line: Upstream) -> None:
    line.cut()

    assert box.get(Ecosystem.NPM, "/lantern-media").status_code == 502


@pytest.mark.parametrize("ecosystem", list(Ecosystem))
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_is_taken_in(shared_box: CacheBox, line: Upstream, ecosystem: Ecosystem, method: str) -> None:
    answer = requests.request(method, shared_box.url(ecosystem) + "/dists/x", data=b"{}", timeout=10)

    assert answer.status_code == 405
    assert line.served(ecosystem) == []


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/dists/x",
        "http://127.0.0.1:{npm}/dists/x",
        "http://localhost/dists/x",
        "http://[::1]/dists/x",
        "http://2130706433/dists/x",
        "http://0x7f.1/dists/x",
        "http://169.254.169.254/dists/x",
        "http://router/dists/x",
        "http://router.lan/dists/x",
        "http://printer.local:80/dists/x",
        "http://deb.example.org:8080/dists/x",
        "http://deb.example.org:22/dists/x",
        "http://{apt}/admin",
        "http://{apt}/",
        "http://{apt}/dists/../admin",
        "http://{apt}/dists/%2e%2e/admin",
        "http://{apt}/dists/..%2fadmin",
        "http://{apt}/admin?x=/dists/y",
        "http://{apt}/Packages/admin",
    ],
)
def test_apts_cache_is_no_way_to_anything_else(shared_box: CacheBox, line: Upstream, address: str) -> None:
    address = address.format(apt=line.host(Ecosystem.APT), npm=line.host(Ecosystem.NPM).rpartition(":")[2])
    host = address.removeprefix("http://").partition("/")[0]

    status, text = raw(shared_box, f"GET {address} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")

    assert status == 403
    assert "Homeport's" in text
    assert line.served() == []


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /dists/x HTTP/1.1",
        "CONNECT deb.example.org:443 HTTP/1.1",
        "GET https://deb.example.org/dists/x HTTP/1.1",
    ],
)
def test_apts_cache_takes_apts_own_requests_only(shared_box: CacheBox, request_line: str) -> None:
    status, _ = raw(shared_box, f"{request_line}\r\nHost: deb.example.org\r\nConnection: close\r\n\r\n")

    assert status in {400, 403, 405}


def test_the_host_that_is_checked_is_the_host_that_is_asked(shared_box: CacheBox, line: Upstream) -> None:
    allowed = line.host(Ecosystem.APT)
    hidden = line.host(Ecosystem.NPM)

    status, _ = raw(
        shared_box, f"GET http://{allowed}/dists/x HTTP/1.1\r\nHost: {hidden}\r\nConnection: close\r\n\r\n"
    )

    assert status == 403
    assert line.served(Ecosystem.NPM) == []


def raw(box: CacheBox, request: str) -> tuple[int, str]:
    """The status and the body of a request as it is written here."""
    with socket.create_connection((HERE, box.plan().port(Ecosystem.APT)), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read().decode()


def test_npms_documents_name_the_public_registry_which_npm_takes_for_its_own(
    box: CacheBox, line: Upstream
) -> None:
    short = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"
    parts = urlsplit(str(get_download_url("pkg:npm/name@1")))  # type: ignore[no-untyped-call]
    public = f"{parts.scheme}://{parts.netloc}"

    for accept in ("application/json", short):
        text = box.get(Ecosystem.NPM, "/@lantern%2flantern-words", headers={"Accept": accept}).text

        assert line.host(Ecosystem.NPM) not in text
        assert box.url(Ecosystem.NPM) not in text
        assert f"{public}/@lantern/lantern-words/-/" in text
    assert requests_upstream(line, Ecosystem.NPM, at_least=2) == 2  # each form is a file of its own


def test_a_range_of_the_compact_index_is_cut_from_a_full_copy(box: CacheBox, line: Upstream) -> None:
    body = line.site(Ecosystem.GEM)["/versions"].body
    etag = line.site(Ecosystem.GEM)["/versions"].etag

    cold = box.get(Ecosystem.GEM, "/versions", headers={"Range": "bytes=10-"})
    whole = box.get(Ecosystem.GEM, "/versions")
    part = box.get(Ecosystem.GEM, "/versions", headers={"Range": f"bytes={len(body) - 5}-"})
    beyond = box.get(Ecosystem.GEM, "/versions", headers={"Range": f"bytes={len(body)}-"})
    known = box.get(Ecosystem.GEM, "/versions", headers={"If-None-Match": etag})

    assert (cold.status_code, cold.content) == (206, body[10:])
    assert (whole.status_code, whole.content, whole.headers["ETag"]) == (200, body, etag)
    assert (part.status_code, part.content, part.headers["ETag"]) == (206, body[-5:], etag)
    assert beyond.status_code == 416
    assert known.status_code == 304
    assert requests_upstream(line, Ecosystem.GEM, at_least=1) == 1


def test_the_log_says_what_was_served_and_what_was_fetched(box: CacheBox, line: Upstream) -> None:
    path, body = the_big_one(line, Ecosystem.GEM)

    box.get(Ecosystem.GEM, path)
    box.get(Ecosystem.GEM, path)

    cold, warm = box.log_lines(at_least=2)
    assert (cold["ecosystem"], cold["status"], cold["cache"], cold["uri"]) == ("gem", "200", "MISS", path)
    assert (int(cold["sent"]), warm["cache"], int(warm["sent"])) == (len(body), "HIT", len(body))
    assert len(body) <= int(cold["fetched"]) < len(body) + 1000
    assert warm["fetched"] in {"", "-"}


def test_what_doctor_asks_is_not_counted(box: CacheBox) -> None:
    asked = {ecosystem: path for ecosystem, path in ABSENT_PATHS.items() if ecosystem is not Ecosystem.PIP}
    for ecosystem, path in asked.items():
        assert box.get(ecosystem, path).status_code == 404

    box.get(Ecosystem.NPM, ABSENT_PATHS[Ecosystem.NPM] + "/1")

    assert [line["uri"] for line in box.log_lines()] == [ABSENT_PATHS[Ecosystem.NPM] + "/1"]


def test_a_store_stays_within_its_size(line: Upstream, make_box: Callable[..., CacheBox]) -> None:
    bound = 16 * 1024 * 1024
    box = make_box(line, cache_max_bytes=bound)
    box.start()
    path, body = the_big_one(line, Ecosystem.GEM)

    for number in range(8):  # of 4 MiB each
        assert box.get(Ecosystem.GEM, f"{path}?copy={number}").content == body

    wait_until(
        lambda: cache_sizes(box.settings)[Ecosystem.GEM].bytes <= bound,
        what="the store's bound",
        timeout_s=30,
    )
    assert box.stored(Ecosystem.GEM)


def test_a_killed_nginx_takes_all_its_processes_along_and_leaves_nothing_half(
    box: CacheBox, line: Upstream
) -> None:
    path, body = the_big_one(line, Ecosystem.NPM)
    line.shape(8)
    connection = socket.create_connection((HERE, box.plan().port(Ecosystem.NPM)), timeout=10)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    wait_until(lambda: bool(box.stored(Ecosystem.NPM)), what="half a file in the store", timeout_s=10)
    assert box.process is not None

    box.process.kill()
    box.process.wait(10)
    wait_until(lambda: not processes_of(box), what="the end of all processes", timeout_s=5)
    connection.close()
    line.mend()
    line.reset()
    box.start()

    assert box.stored(Ecosystem.NPM) == []
    assert box.get(Ecosystem.NPM, path).content == body
    assert requests_upstream(line, Ecosystem.NPM, at_least=1) == 1


_SUPERVISOR = """
import subprocess, sys
subprocess.run(["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-c", *sys.argv[1:]])
"""
_ENTRY = """
import os, sys
from build_cache.caches.nginx import find_nginx, make_plan, prepare_files, start_words
from homeport.settings import Settings
plan, user = make_plan(Settings.model_validate_json(sys.argv[1]), sys.argv[2]), sys.argv[3] or None
words = start_words(plan, prepare_files(plan, user), program=find_nginx(), user=user)
os.execvp(words[0], words)
"""


def test_nginx_dies_with_a_killed_supervisor(line: Upstream, make_box: Callable[..., CacheBox]) -> None:
    box = make_box(line)
    given = [_ENTRY, box.settings.model_dump_json(), HERE, user() or ""]
    box.process = subprocess.Popen([sys.executable, "-c", _SUPERVISOR, *given])
    wait_until(box.answers, what="nginx", timeout_s=20)

    box.process.kill()
    box.process.wait(10)

    wait_until(lambda: not processes_of(box), what="the end of all processes", timeout_s=5)


def processes_of(box: CacheBox) -> list[str]:
    """The lines of ps(1) that name the box's folder."""
    found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [text for text in found.stdout.splitlines() if str(box.root) in text]


def test_what_was_stored_survives_a_kill(box: CacheBox, line: Upstream) -> None:
    path, body = the_big_one(line, Ecosystem.GEM)
    box.get(Ecosystem.GEM, path)
    assert box.process is not None
    box.process.kill()
    box.process.wait(10)
    wait_until(lambda: not processes_of(box), what="the end of all processes", timeout_s=5)
    line.cut()

    box.start()

    wait_until(lambda: box.get(Ecosystem.GEM, path).content == body, what="the kept file", timeout_s=10)


def test_no_folder_is_shown_and_no_file_of_the_host_served(shared_box: CacheBox) -> None:
    for path in ("/", "/../../etc/passwd", "/root/", "/root/pypi/", "/+login"):
        answer = shared_box.get(Ecosystem.PIP, path)

        assert answer.status_code in {400, 404}
        assert "root:" not in answer.text


def test_a_file_that_vanished_from_the_store_is_fetched_again(box: CacheBox, line: Upstream) -> None:
    path, body = the_big_one(line, Ecosystem.GEM)
    box.get(Ecosystem.GEM, path)
    for file in box.stored(Ecosystem.GEM):
        file.unlink()

    assert hashlib.sha256(box.get(Ecosystem.GEM, path).content).digest() == hashlib.sha256(body).digest()
    assert requests_upstream(line, Ecosystem.GEM, at_least=2) == 2


def test_a_stopped_nginx_leaves_no_process(box: CacheBox) -> None:
    box.stop()

    assert processes_of(box) == []


def test_gem_finds_the_new_index_also_while_the_line_is_cut(box: CacheBox, line: Upstream) -> None:
    line.cut()

    assert box.get(Ecosystem.GEM, "/").status_code == 200
