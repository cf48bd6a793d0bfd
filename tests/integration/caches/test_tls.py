"""Certificates of upstreams: verified, by the authorities that the setting names."""

import http.server
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homeport.caches import Ecosystem
from tests.integration.caches.conftest import HERE, CacheBox, wait_until_old

GEM = b"a gem" * 1000
NAME = "registry.example.org"


class Registry(http.server.BaseHTTPRequestHandler):
    """Hands `/gems/moved.gem` out from another path, and `/gems/lost.gem` over plain HTTP."""

    def do_GET(self) -> None:
        elsewhere = {"/gems/moved.gem": "/files/moved.gem", "/gems/lost.gem": f"http://{HERE}:1/lost.gem"}
        if target := elsewhere.get(self.path):
            self.send_response(302)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(GEM)))
        self.end_headers()
        self.wfile.write(GEM)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Names(socketserver.BaseRequestHandler):
    """A name server to which every name is loopback's (RFC 1035)."""

    def handle(self) -> None:
        query, answering = self.request
        end = query.index(b"\0", 12) + 5
        answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04" + socket.inet_aton(HERE)
        found = query[end - 4 : end - 2] == b"\0\x01"  # an IPv4 address is asked for
        head = query[:2] + b"\x81\x80\0\x01\0" + bytes([found]) + b"\0\0\0\0"
        answering.sendto(head + query[12:end] + (answer if found else b""), self.client_address)


@pytest.fixture(scope="module")
def name_server() -> Iterator[str]:
    with socketserver.ThreadingUDPServer((HERE, 0), Names) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{HERE}:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={NAME}",
    ]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(
        [*words, "-addext", f"subjectAltName=DNS:{NAME}", *files], check=True, capture_output=True, timeout=60
    )
    return folder / "certificate.pem"


@pytest.fixture
def registry(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with http.server.ThreadingHTTPServer((HERE, 0), Registry) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://{NAME}:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def trusting(
    registry: str, certificate: Path, name_server: str, make_box: Callable[..., CacheBox], open_folder: Path
) -> CacheBox:
    """Caches that know the registry's authority."""
    known = open_folder / "authority.pem"
    known.write_bytes(certificate.read_bytes())
    box = make_box(None, gem_upstream=registry, upstream_ca_file=str(known), resolver=name_server)
    box.start()
    return box


def test_an_upstream_is_trusted_by_the_authority_of_the_setting(trusting: CacheBox) -> None:
    assert trusting.get(Ecosystem.GEM, "/gems/here.gem").content == GEM


def test_an_upstream_that_nobody_vouches_for_is_refused(
    registry: str, name_server: str, make_box: Callable[..., CacheBox]
) -> None:
    box = make_box(None, gem_upstream=registry, resolver=name_server)
    box.start()

    assert box.get(Ecosystem.GEM, "/gems/here.gem").status_code == 502
    assert box.stored(Ecosystem.GEM) == []


def test_a_file_that_lies_elsewhere_is_kept_under_its_own_address(trusting: CacheBox) -> None:
    first = trusting.get(Ecosystem.GEM, "/gems/moved.gem", allow_redirects=False)
    again = trusting.get(Ecosystem.GEM, "/gems/moved.gem", allow_redirects=False)

    assert [first.content, again.content] == [GEM, GEM]
    assert [line["cache"] for line in trusting.log_lines(at_least=2)] == ["MISS", "HIT"]


def test_a_redirect_from_https_to_plain_http_is_not_followed(trusting: CacheBox) -> None:
    assert trusting.get(Ecosystem.GEM, "/gems/lost.gem", allow_redirects=False).status_code == 502


def test_a_certificate_of_another_name_is_refused(
    registry: str, certificate: Path, name_server: str, make_box: Callable[..., CacheBox], open_folder: Path
) -> None:
    known = open_folder / "authority.pem"
    known.write_bytes(certificate.read_bytes())
    other = registry.replace(NAME, "another.example.org")
    box = make_box(None, gem_upstream=other, upstream_ca_file=str(known), resolver=name_server)
    box.start()

    assert box.get(Ecosystem.GEM, "/gems/here.gem").status_code == 502


def test_caches_start_and_serve_what_they_have_when_no_name_can_be_resolved(
    trusting: CacheBox, make_box: Callable[..., CacheBox]
) -> None:
    trusting.get(Ecosystem.GEM, "/versions")
    trusting.stop()
    wait_until_old()

    box = make_box(
        None,
        gem_upstream=trusting.settings.gem_upstream,
        upstream_ca_file=trusting.settings.upstream_ca_file,
        resolver=f"{HERE}:1",
    )
    box.start()

    assert box.get(Ecosystem.GEM, "/versions").content == GEM
    assert box.log_lines(at_least=2)[-1]["cache"] == "STALE"
