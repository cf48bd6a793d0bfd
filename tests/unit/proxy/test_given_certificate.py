"""What an owner may give as a certificate, and what is said of everything else."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from homeport.errors import InvalidInputError
from homeport.state.given_certificate import read_certificate
from tests.harness.authority import Authority, Issued

NOW = datetime.now(UTC)
ROOT = Authority("root")
MIDDLE = Authority("middle", above=ROOT)


def read(given: Issued, *, name: str = "home") -> object:
    return read_certificate(name, chain=given.chain, key=given.key, now=NOW)


def test_a_certificate_says_which_names_it_is_for_and_until_when() -> None:
    until = (NOW + timedelta(days=3)).replace(microsecond=0)

    found = read_certificate(
        "home",
        chain=(issued := MIDDLE.issue("wiki.hda", "*.Apps.hda", "wiki.hda", until=until)).chain,
        key=issued.key,
        now=NOW,
    )

    assert found.names == ("wiki.hda", "*.apps.hda")
    assert found.not_after == until
    assert found.pem.count("BEGIN CERTIFICATE") == 2
    assert found.pem.count("BEGIN PRIVATE KEY") == 1
    assert len(bytes.fromhex(found.fingerprint)) == 32


def test_what_stands_around_the_pem_is_not_kept() -> None:
    issued = ROOT.issue("wiki.hda")

    found = read_certificate("home", chain=f"junk\n{issued.chain}more", key=f"x\n{issued.key}", now=NOW)

    assert "junk" not in found.pem
    assert "more" not in found.pem


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (Issued(ROOT.issue("a.hda").chain, ROOT.issue("a.hda").key), "doesn't match its key"),
        (Issued("", ROOT.issue("a.hda").key), "The certificate cannot be read"),
        (Issued("no PEM", ROOT.issue("a.hda").key), "The certificate cannot be read"),
        (Issued(ROOT.issue("a.hda").chain, "no PEM"), "The key cannot be read"),
        (ROOT.issue("a.hda", until=NOW - timedelta(hours=1)), "has expired"),
        (ROOT.issue(), "names no host"),
        (ROOT.issue("under_score.hda"), "names no host"),
        (ROOT.issue("*.hda"), "names no host"),
        (ROOT.issue(*(f"host-{n:03}.long.name.example.org" for n in range(400))), "is too large"),
    ],
)
def test_what_no_server_could_use_is_refused_with_the_reason(given: Issued, what: str) -> None:
    with pytest.raises(InvalidInputError, match=what):
        read(given)


def test_a_signature_that_no_client_takes_is_refused_with_its_name(tmp_path: Path) -> None:
    words = ["-newkey", "rsa:2048", "-noenc", "-sha1", "-days", "3", "-subj", "/CN=a.hda"]
    files = ["-addext", "subjectAltName=DNS:a.hda", "-keyout", f"{tmp_path}/key", "-out", f"{tmp_path}/chain"]
    subprocess.run(["openssl", "req", "-x509", *words, *files], check=True, capture_output=True)

    with pytest.raises(InvalidInputError, match="cannot be used") as raised:
        read(Issued((tmp_path / "chain").read_text(), (tmp_path / "key").read_text()))

    assert raised.value.why == "CN=a.hda is signed with SHA1; SHA-256 is what is taken."


def test_a_chain_in_another_order_is_refused() -> None:
    issued = MIDDLE.issue("a.hda")
    parts = issued.chain.split("-----BEGIN")
    own, middle = (f"-----BEGIN{part}" for part in parts[1:])
    other = Authority("other").issue("b.hda")

    with pytest.raises(InvalidInputError, match="doesn't match its key"):
        read(Issued(middle + own, issued.key))
    with pytest.raises(InvalidInputError, match="no chain"):
        read(Issued(own + other.chain + middle, issued.key))


def test_a_name_that_is_no_label_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="cannot be a certificate's name"):
        read(ROOT.issue("a.hda"), name="../x")


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
        ec.generate_private_key(ec.SECP224R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["RSA-1024", "P-224", "Ed25519"],
)
def test_a_key_that_clients_do_not_take_is_refused(key: Any) -> None:
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    with pytest.raises(InvalidInputError, match="The key cannot be used"):
        read(Issued(ROOT.issue("a.hda").chain, text))
