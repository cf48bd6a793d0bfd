"""The Dockerfiles under tests/data/dockerfiles, made ready for an upstream."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from homeport.caches import Ecosystem
from tests.harness.programs import REPOSITORY
from tests.harness.tools import public_gem_server
from tests.harness.upstream import Upstream
from tests.harness.upstream.npm import lock_of
from tests.harness.upstream.packages import APP_ONE, VERSION, Package, by_name, closure
from tests.harness.upstream.pip import wheel_name

FOLDER = REPOSITORY / "tests" / "data" / "dockerfiles"


def shape_names() -> list[str]:
    """All of them, in order."""
    return sorted(path.parent.name for path in FOLDER.glob("*/Dockerfile"))


def prepare_shape(name: str, folder: Path, upstream: Upstream) -> Path:
    """A copy of a shape's context; `@PIP@`, `@NPM@`, `@GEM@`, `@HOST@` and lock files are filled in."""
    context = folder / name
    shutil.copytree(FOLDER / name, context)
    for path in context.rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            for word, fill in _FILLINGS.items():
                if word in text:
                    text = text.replace(word, fill(upstream).encode())
            path.write_bytes(text)
    return context


def _requirements(upstream: Upstream) -> str:
    rows = []
    for package in closure(upstream.packages, "lantern-beta"):
        digest = hashlib.sha256(_wheel(package, upstream)).hexdigest()
        rows.append(f"{package.name}=={VERSION} --hash=sha256:{digest}")
    return "\n".join(rows)


def _package_lock(upstream: Upstream) -> str:
    return json.dumps(lock_of(upstream.packages, APP_ONE, upstream.url(Ecosystem.NPM)), indent=2)


def _gemfile_lock(upstream: Upstream) -> str:
    """As bundler writes it, for both of the gems that the Gemfile names."""
    wanted = {package.name: package for package in closure(upstream.packages, APP_ONE)}
    wanted |= {package.name: package for package in closure(upstream.packages, "lantern-extra")}
    specs = ""
    for package in sorted(wanted.values(), key=lambda package: package.name):
        specs += f"    {package.name} ({VERSION})\n" + "".join(f"      {n}\n" for n in sorted(package.needs))
    return (
        f"GEM\n  remote: {public_gem_server()}\n  specs:\n{specs}\nPLATFORMS\n  ruby\n\n"
        f"DEPENDENCIES\n  {APP_ONE}\n  lantern-extra\n\nBUNDLED WITH\n   2.3.15\n"
    )


def _uv_lock(upstream: Upstream) -> str:
    package = by_name(upstream.packages, ["lantern-core"])[0]
    wheel = _wheel(package, upstream)
    address = f"{upstream.url(Ecosystem.PIP)}/files/{wheel_name(package)}"
    digest = hashlib.sha256(wheel).hexdigest()
    return (
        'version = 1\nrequires-python = ">=3.11"\n\n[[package]]\nname = "kept"\nversion = "1.0.0"\n'
        'source = { virtual = "." }\ndependencies = [{ name = "lantern-core" }]\n\n'
        f'[[package]]\nname = "lantern-core"\nversion = "{VERSION}"\n'
        f'source = {{ registry = "{upstream.pip_index}" }}\n'
        f'wheels = [{{ url = "{address}", hash = "sha256:{digest}", size = {len(wheel)} }}]\n'
    )


def _wheel(package: Package, upstream: Upstream) -> bytes:
    return upstream.site(Ecosystem.PIP)[f"/files/{wheel_name(package)}"].body


_FILLINGS: Mapping[bytes, Callable[[Upstream], str]] = {
    b"@REQUIREMENTS@": _requirements,
    b"@PACKAGE_LOCK@": _package_lock,
    b"@GEMFILE_LOCK@": _gemfile_lock,
    b"@UV_LOCK@": _uv_lock,
    b"@PIP@": lambda upstream: upstream.pip_index,
    b"@NPM@": lambda upstream: upstream.url(Ecosystem.NPM),
    b"@GEM@": lambda upstream: upstream.url(Ecosystem.GEM),
    b"@HOST@": lambda upstream: upstream.address,
}
