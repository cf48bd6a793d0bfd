"""A small Debian repository: packages, their index by name and by hash, and a signed release file."""

import gzip
import hashlib
import os
import subprocess
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from tests.harness.upstream.content import BUILT_AT, Content, gzipped, tar_of
from tests.harness.upstream.packages import VERSION, Package

SUITE = "stable"
ARCHITECTURES = ("amd64", "arm64")
KEYRING = "/keyring.gpg"
"""Where the server has its public key, for `Signed-By`."""


def apt_site(packages: Sequence[Package], folder: Path) -> dict[str, Content]:
    """The repository; `folder` is for the signing key."""
    site: dict[str, Content] = {}
    stanzas = []
    for package in packages:
        deb = build_deb(package)
        path = f"pool/main/l/{package.name}/{package.name}_{VERSION}_all.deb"
        site[f"/{path}"] = Content(body=deb, media_type="application/vnd.debian.binary-package")
        stanzas.append(f"{_control(package)}Filename: {path}\nSize: {len(deb)}\nSHA256: {_sha256(deb)}\n")
    index = "\n".join(stanzas).encode()
    listed = {
        f"main/binary-{architecture}/{name}": content
        for architecture in ARCHITECTURES
        for name, content in (("Packages", index), ("Packages.gz", gzip.compress(index, mtime=0)))
    }
    for path, content in listed.items():
        place = f"/dists/{SUITE}/{path}"
        site[place] = Content(body=content)
        site[f"{place.rsplit('/', 1)[0]}/by-hash/SHA256/{_sha256(content)}"] = Content(body=content)
    release = _release(listed)
    site[f"/dists/{SUITE}/Release"] = Content(body=release)
    with closing(_Signer(folder)) as signer:
        site[f"/dists/{SUITE}/InRelease"] = Content(body=signer.sign(release))
        site[KEYRING] = Content(body=signer.public_key())
    return site


def build_deb(package: Package) -> bytes:
    """A binary package (deb(5)): an `ar` of the format's version, the control files and the data."""
    share = f"./usr/share/{package.name}/payload.bin"
    program = f"#!/bin/sh\necho {package.name} {VERSION}\n".encode()
    data = {share: (package.payload(), 0o644), f"./usr/bin/{package.name}": (program, 0o755)}
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzipped(tar_of({"./control": (_control(package).encode(), 0o644)})),
        "data.tar.gz": gzipped(tar_of(data, folders=True)),
    }
    archive = b"!<arch>\n"
    for name, content in members.items():
        archive += f"{name:<16}{BUILT_AT:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        archive += content + b"\n" * (len(content) % 2)
    return archive


def _control(package: Package) -> str:
    needs = f"Depends: {', '.join(package.needs)}\n" if package.needs else ""
    return (
        f"Package: {package.name}\nVersion: {VERSION}\nArchitecture: all\n"
        f"Maintainer: Lantern <lantern@example.org>\n{needs}Description: {package.name} of a test\n"
    )


def _release(listed: dict[str, bytes]) -> bytes:
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
    head = (
        f"Origin: Lantern\nLabel: Lantern\nSuite: {SUITE}\nCodename: {SUITE}\nDate: {now}\n"
        f"Architectures: {' '.join(ARCHITECTURES)}\nComponents: main\nAcquire-By-Hash: yes\nSHA256:\n"
    )
    rows = "".join(f" {_sha256(body)} {len(body)} {path}\n" for path, body in sorted(listed.items()))
    return (head + rows).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Signer:
    """A key of the repository's own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "gnupg"
        if not self._home.exists():
            self._home.mkdir(mode=0o700, parents=True)
            self._gpg("--quick-generate-key", "Lantern <lantern@example.org>", "ed25519", "sign", "never")

    def sign(self, content: bytes) -> bytes:
        return self._gpg("--clearsign", "--output", "-", given=content)

    def public_key(self) -> bytes:
        return self._gpg("--export")

    def close(self) -> None:
        """Ends the agent that gpg has started."""
        self._run(["gpgconf", "--kill", "gpg-agent"])

    def _gpg(self, *words: str, given: bytes = b"") -> bytes:
        argv = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        return self._run([*argv, *words], given)

    def _run(self, argv: list[str], given: bytes = b"") -> bytes:
        done = subprocess.run(
            argv,
            input=given,
            capture_output=True,
            check=True,
            timeout=60,
            env={"PATH": os.environ["PATH"], "GNUPGHOME": str(self._home)},
        )
        return done.stdout
