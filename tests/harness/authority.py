"""A certificate authority for tests, whose certificates are real ones of keys that are made quickly."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate with those above it, and its key, in PEM."""

    chain: str
    key: str


class Authority:
    """Issues certificates; `above` is the authority that vouches for it, itself where there is none."""

    def __init__(self, name: str = "tests", above: "Authority | None" = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self._above = above
        signer = above or self
        self._certificate = (
            _unsigned(self._name, signer._name, self._key, until=datetime.now(UTC) + 30 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer._key, hashes.SHA256())
        )

    def issue(self, *names: str, until: datetime | None = None, by_rsa: bool = False) -> Issued:
        """A certificate for these host names; without `until`, it is valid for a week.

        Its key is of an elliptic curve unless it is `by_rsa`.
        """
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = ec.generate_private_key(ec.SECP256R1())
        if by_rsa:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        builder = _unsigned(
            _named(names[0] if names else "nobody"),
            self._name,
            key,
            until=until or datetime.now(UTC) + 7 * _DAY,
        )
        if names:
            alternatives = [x509.DNSName(name) for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        own = builder.sign(self._key, hashes.SHA256())
        chain = [own, *self._chain()]
        return Issued(
            "".join(one.public_bytes(Encoding.PEM).decode() for one in chain),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        )

    def trusting(self, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """How a client speaks TLS that trusts this authority alone."""
        context = ssl.create_default_context(cadata=self._certificate.public_bytes(Encoding.PEM).decode())
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def _chain(self) -> list[x509.Certificate]:
        return [] if self._above is None else [self._certificate, *self._above._chain()]


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _unsigned(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    *,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(until, datetime.now(UTC)) - _DAY)
        .not_valid_after(until)
    )
