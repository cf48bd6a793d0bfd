"""A certificate as its owner gives it: PEM, the host's own first, those above it, and its key. Pure."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from homeport.errors import InvalidInputError
from homeport.models import Certificate
from homeport.names import is_label

_LONGEST_CHAIN: Final = 10
LARGEST_PEM: Final = 14 * 1024
"""How many bytes chain and key may have: HAProxy takes a command of at most 16 KiB (tune.bufsize)."""

_WEAK_HASHES: Final = ("md5", "sha1")  # OpenSSL takes no signature by these, nor do browsers
_LEAST_RSA_BITS: Final = 2048
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")


def read_certificate(name: str, *, chain: str, key: str, now: datetime) -> Certificate:
    """What the owner gave, if a server could use it.

    Args:
        name: what the owner calls it, a label.
        chain: certificates in PEM.
        key: the private key in PEM, without a passphrase.
        now: the time.

    Raises:
        InvalidInputError: something of it cannot be read, the key is another's, it has expired, the order is
            not that of a chain, no DNS name is in it, or it is larger than what a proxy takes.
    """
    if not is_label(name):
        what = f"{name!r} cannot be a certificate's name."
        raise _unfit(what, "It is no label: a-z, 0-9 and hyphens.", "/name")
    certificates, private = _read_chain(chain), _read_key(key)
    own = certificates[0]
    _require_strength(private)
    if _public(own) != private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise _unfit(
            "The certificate doesn't match its key.",
            f"The key is another's than {own.subject.rfc4514_string() or 'the first certificate'}'s.",
            "/key",
        )
    _require_strong_signatures(certificates)
    _require_order(certificates)
    if own.not_valid_after_utc <= now:
        until = f"It was valid until {own.not_valid_after_utc:%Y-%m-%d %H:%M} UTC."
        raise _unfit("The certificate has expired.", until, "/chain")
    pem = _as_pem(certificates, private)
    if len(pem) > LARGEST_PEM:
        why = f"With its key it has {len(pem)} bytes, and {LARGEST_PEM} may be: give it fewer names."
        raise _unfit("The certificate is too large.", why, "/chain")
    return Certificate(
        name=name,
        names=_names(own),
        pem=pem,
        fingerprint=own.fingerprint(SHA256()).hex(),
        not_before=own.not_valid_before_utc,
        not_after=own.not_valid_after_utc,
        added_at=now,
    )


def _read_chain(text: str) -> Sequence[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except (UnsupportedAlgorithm, ValueError) as error:
        raise _unfit("The certificate cannot be read.", f"It is not PEM: {error}.", "/chain") from error
    if len(found) > _LONGEST_CHAIN:
        raise _unfit(
            "The chain is too long.", f"It has {len(found)} certificates; {_LONGEST_CHAIN} may be.", "/chain"
        )
    return found


def _read_key(text: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise _unfit("The key cannot be read.", "It is protected by a passphrase.", "/key") from error
    except UnsupportedAlgorithm as error:
        raise _unfit("The key cannot be used.", f"{error}.", "/key") from error
    except ValueError as error:
        raise _unfit("The key cannot be read.", "It is no private key in PEM.", "/key") from error


def _require_strength(key: PrivateKeyTypes) -> None:
    """What browsers and HAProxy take: RSA from 2048 bits on, and three curves (CA/Browser Forum, 6.1.5)."""
    match key:
        case RSAPrivateKey() if key.key_size >= _LEAST_RSA_BITS:
            return
        case EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            return
        case _:
            why = f"It is no RSA key of {_LEAST_RSA_BITS} bits or more, and none of {', '.join(_CURVES)}."
            raise _unfit("The key cannot be used.", why, "/key")


def _require_strong_signatures(certificates: Sequence[x509.Certificate]) -> None:
    """A root's own signature is looked at by nobody; a host's by HAProxy, whoever signed it."""
    for number, one in enumerate(certificates):
        used = one.signature_hash_algorithm
        if used is not None and used.name in _WEAK_HASHES and (number == 0 or one.issuer != one.subject):
            signed = one.subject.rfc4514_string()
            why = f"{signed} is signed with {used.name.upper()}; SHA-256 is what is taken."
            raise _unfit("The certificate cannot be used.", why, "/chain")


def _require_order(certificates: Sequence[x509.Certificate]) -> None:
    """Each is signed by the one behind it: they are sent in this order (RFC 8446, section 4.4.2)."""
    for lower, upper in pairwise(certificates):
        try:
            lower.verify_directly_issued_by(upper)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError) as error:
            signed, behind = (one.subject.rfc4514_string() for one in (lower, upper))
            why = f"{signed} is not signed by {behind}, which follows."
            raise _unfit("The certificates are no chain.", why, "/chain") from error


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, UnsupportedAlgorithm, ValueError):
        names = []
    found = tuple(dict.fromkeys(name.lower() for name in names if _is_name(name.lower())))
    if not found:
        why = (
            "Browsers look for DNS names among its subject alternative names (RFC 9525), and take none "
            "such as *.hda, right below a top-level domain."
        )
        raise _unfit("The certificate names no host.", why, "/chain")
    return found


def _is_name(name: str) -> bool:
    """Whether clients look at it: they take no `*` right below a top-level domain (OpenSSL, all browsers)."""
    labels = name.removeprefix("*.").split(".")
    return all(is_label(label) for label in labels) and (not name.startswith("*.") or len(labels) > 1)


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _as_pem(certificates: Sequence[x509.Certificate], key: PrivateKeyTypes) -> str:
    """Written anew, so that nothing but certificates and a key is in it."""
    parts = [certificate.public_bytes(Encoding.PEM) for certificate in certificates]
    parts.append(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return b"".join(parts).decode("ascii")


def _unfit(what: str, why: str, pointer: str) -> InvalidInputError:
    return InvalidInputError(
        what,
        why=why,
        remedy="Give the host's certificate, those above it behind it, and its private key, all in PEM.",
        errors=[{"pointer": pointer, "detail": why}],
    )
