"""A small gem server: the compact index, gems, and the older index that `gem install` may ask for."""

import hashlib
import json
import zlib
from collections.abc import Sequence

from tests.harness.upstream import marshal
from tests.harness.upstream.content import Content, gzipped, tar_of
from tests.harness.upstream.packages import VERSION, Package

RUBYGEMS_VERSION = "3.3.0"
ANY = ">= 0"


def gem_site(packages: Sequence[Package]) -> dict[str, Content]:
    """The server's files."""
    site: dict[str, Content] = {}
    versions = "created_at: 2024-01-01T00:00:00Z\n---\n"
    for package in packages:
        gem = build_gem(package)
        info = _info(package, gem)
        full_name = f"{package.name}-{VERSION}"
        site[f"/gems/{full_name}.gem"] = Content(body=gem)
        site[f"/info/{package.name}"] = _text(info)
        site[f"/quick/Marshal.4.8/{full_name}.gemspec.rz"] = Content(body=zlib.compress(_marshalled(package)))
        versions += (
            f"{package.name} {VERSION} {hashlib.md5(info.encode(), usedforsecurity=False).hexdigest()}\n"
        )
    site["/versions"] = _text(versions)
    site["/"] = _text("gems of a test\n")
    site["/names"] = _text("---\n" + "".join(f"{package.name}\n" for package in packages))
    rows: list[marshal.Value] = [[package.name, _version(VERSION), "ruby"] for package in packages]
    site["/specs.4.8.gz"] = site["/latest_specs.4.8.gz"] = Content(body=gzipped(marshal.dump(rows)))
    site["/prerelease_specs.4.8.gz"] = Content(body=gzipped(marshal.dump([])))
    return site


def build_gem(package: Package) -> bytes:
    """A gem: a tar of its specification, its files and their checksums."""
    code = f"module {_constant(package)}\n  VERSION = '{VERSION}'\nend\n"
    requires = "".join(f"require '{need.replace('-', '_')}'\n" for need in package.needs)
    data = {
        f"lib/{package.module}.rb": ((requires + code).encode(), 0o644),
        "payload.bin": (package.payload(), 0o644),
    }
    members = {
        "metadata.gz": gzipped(_specification(package, list(data)).encode()),
        "data.tar.gz": gzipped(tar_of(data)),
    }
    sums = {
        "SHA256": {name: hashlib.sha256(content).hexdigest() for name, content in members.items()},
        "SHA512": {name: hashlib.sha512(content).hexdigest() for name, content in members.items()},
    }
    members["checksums.yaml.gz"] = gzipped(json.dumps(sums).encode())
    return tar_of({name: (content, 0o444) for name, content in members.items()})


def _text(text: str) -> Content:
    return Content(body=text.encode(), media_type="text/plain; charset=utf-8")


def _constant(package: Package) -> str:
    return "".join(word.title() for word in package.name.split("-"))


def _info(package: Package, gem: bytes) -> str:
    needs = ",".join(f"{need}:{ANY}" for need in package.needs)
    checksum = hashlib.sha256(gem).hexdigest()
    return f"---\n{VERSION} {needs}|checksum:{checksum},ruby:>= 2.5\n"


def _specification(package: Package, files: list[str]) -> str:
    needs = "".join(
        f"- !ruby/object:Gem::Dependency\n  name: {need}\n"
        + _requirement("requirement", indent="  ")
        + "  type: :runtime\n  prerelease: false\n"
        + _requirement("version_requirements", indent="  ")
        for need in package.needs
    )
    return (
        f"--- !ruby/object:Gem::Specification\nname: {package.name}\n"
        f"version: !ruby/object:Gem::Version\n  version: {VERSION}\nplatform: ruby\n"
        "authors:\n- Lantern\nautorequire:\nbindir: bin\ncert_chain: []\n"
        f"date: 2024-01-01 00:00:00.000000000 Z\ndependencies:{' []' if not needs else ''}\n{needs}"
        "description:\nemail:\nexecutables: []\nextensions: []\nextra_rdoc_files: []\n"
        f"files: {json.dumps(files)}\nhomepage: http://example.org/\nlicenses:\n- MIT\nmetadata: {{}}\n"
        "post_install_message:\nrdoc_options: []\nrequire_paths:\n- lib\n"
        + _requirement("required_ruby_version", at_least="2.5")
        + _requirement("required_rubygems_version")
        + f"requirements: []\nrubygems_version: {RUBYGEMS_VERSION}\nsigning_key:\nspecification_version: 4\n"
        f"summary: {package.name} of a test\ntest_files: []\n"
    )


def _requirement(key: str, *, indent: str = "", at_least: str = "0") -> str:
    return (
        f'{indent}{key}: !ruby/object:Gem::Requirement\n{indent}  requirements:\n{indent}  - - ">="\n'
        f"{indent}    - !ruby/object:Gem::Version\n{indent}      version: '{at_least}'\n"
    )


def _version(text: str) -> marshal.Marshalled:
    return marshal.Marshalled("Gem::Version", [text])


def _marshalled(package: Package) -> bytes:
    """The specification as `Gem::Specification#_dump` writes it."""

    def at_least(text: str) -> marshal.Marshalled:
        return marshal.Marshalled("Gem::Requirement", [[[">=", _version(text)]]])

    needs = [
        marshal.Instance(
            "Gem::Dependency",
            {
                "@name": need,
                "@requirement": at_least("0"),
                "@type": ":runtime",
                "@prerelease": False,
                "@version_requirements": at_least("0"),
            },
        )
        for need in package.needs
    ]
    fields: list[marshal.Value] = [RUBYGEMS_VERSION, 4, package.name, _version(VERSION), None]
    fields += [f"{package.name} of a test", at_least("2.5"), at_least("0"), "ruby", needs, ""]
    fields += [None, ["Lantern"], None, "http://example.org/", True, "ruby", ["MIT"], {}]
    return marshal.dump_user_defined("Gem::Specification", marshal.dump(fields))
