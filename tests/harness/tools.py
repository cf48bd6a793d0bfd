"""The images that builds of the tests start from: every package client, and an upstream where to ask."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import requests
from packageurl.contrib.purl2url import get_download_url

from homeport.caches import Ecosystem
from homeport.settings import program_environment
from tests.harness.programs import REPOSITORY
from tests.harness.upstream import Upstream

TOOLS = "lantern/tools:1"
"""All clients; only apt knows the upstream, as it knows its mirror in any base image."""
SLIM = "lantern/slim:1"
"""Debian 12 alone, with the upstream in apt's sources."""
TRIXIE = "lantern/trixie:1"
"""Debian 13, likewise."""
DIRECT = {name: f"{name}-direct" for name in (TOOLS, SLIM, TRIXIE)}
"""The same images for builds without caches: every client's system-wide configuration names the upstream."""

_BASES = {SLIM: "debian:bookworm-slim", TRIXIE: "debian:trixie-slim"}
_NPM_TOOLS = {"npm": "10.9.2", "yarn": "1.22.22", "pnpm": "9.15.4"}
_UV = "uv==0.9.5"


def make_tools(docker_host: str, upstream: Upstream, *, only: Sequence[str] = (TOOLS, SLIM, TRIXIE)) -> None:
    """Builds these images, and those for builds without caches."""
    if TOOLS in only:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            (context / "Dockerfile").write_bytes((REPOSITORY / "tests/data/tools/Dockerfile").read_bytes())
            _fetch_tools(context)
            build_plain(docker_host, context, "lantern/clients:1")
    for name in only:
        with tempfile.TemporaryDirectory() as folder:
            _build_pair(docker_host, Path(folder), name, upstream)


def build_plain(
    docker_host: str,
    context: Path,
    tag: str,
    *,
    dockerfile: str = "Dockerfile",
    contexts: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> str:
    """Builds a context as anybody would, and gives what the build said.

    Args:
        docker_host: the engine.
        context: the folder.
        tag: the image's name.
        dockerfile: its path in the context.
        contexts: named contexts, such as an image in place of another.
        options: further options of buildx.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    argv = ["docker", "buildx", "build", "--builder=default", "--progress=plain", "--pull=false"]
    argv += ["--provenance=false", "--sbom=false", f"--file={context / dockerfile}", f"--tag={tag}"]
    argv += [f"--build-context={name}={place}" for name, place in (contexts or {}).items()]
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [*argv, *options, str(context)],
            env=program_environment(DOCKER_HOST=docker_host, DOCKER_CONFIG=home, HOME=home),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    if done.returncode != 0:
        raise RuntimeError(f"the plain build of {tag} failed:\n{done.stderr[-6000:]}")
    return done.stderr


def client_files(upstream: Upstream) -> Mapping[str, str]:
    """Configuration of each client, by path, that names the upstream itself."""
    pip, npm, gem = (upstream.url(ecosystem) for ecosystem in (Ecosystem.PIP, Ecosystem.NPM, Ecosystem.GEM))
    npmrc = f"registry={npm}/\n"
    return {
        "etc/pip.conf": f"[global]\nindex-url = {pip}/simple/\ntrusted-host = {upstream.address}\n",
        "etc/uv/uv.toml": f'[[index]]\nurl = "{pip}/simple/"\ndefault = true\n',
        "usr/local/etc/npmrc": npmrc,
        "etc/npmrc": npmrc,
        "etc/gemrc": f"---\n:sources:\n- {gem}/\n",
        "root/.bundle/config": f'---\nBUNDLE_MIRROR__{_bundler_key(public_gem_server())}: "{gem}/"\n',
    }


def public_gem_server() -> str:
    """The gem server that a Gemfile names by `Gem::DEFAULT_HOST`."""
    parts = urlsplit(_public_address("pkg:gem/x@1"))
    return f"{parts.scheme}://{parts.hostname}/"


def _bundler_key(url: str) -> str:
    return url.upper().replace("-", "___").replace(".", "__")


def _public_address(package: str) -> str:
    return str(get_download_url(package))  # type: ignore[no-untyped-call]


def _build_pair(docker_host: str, context: Path, name: str, upstream: Upstream) -> None:
    (context / "keyring.gpg").write_bytes(upstream.keyring)
    (context / "sources.list").write_text(upstream.apt_source)
    (context / "Dockerfile").write_text(
        f"FROM {_BASES.get(name, 'lantern/clients:1')} AS base\n"
        "RUN rm -rf /etc/apt/sources.list.d/* && mkdir -p /usr/share/keyrings\n"
        "COPY keyring.gpg /usr/share/keyrings/lantern.gpg\nCOPY sources.list /etc/apt/sources.list\n"
        "FROM base AS direct\nCOPY direct/ /\n"
    )
    for path, text in client_files(upstream).items():
        (context / "direct" / path).parent.mkdir(parents=True, exist_ok=True)
        (context / "direct" / path).write_text(text)
    (context / "direct" / "root").chmod(0o700)  # as every base has it: COPY takes the mode over
    build_plain(docker_host, context, name, options=["--target=base"])
    build_plain(docker_host, context, DIRECT[name])


def _fetch_tools(folder: Path) -> None:
    """Puts the clients that Debian has not, or has in another place, into the folder; by this machine."""
    for name, version in _NPM_TOOLS.items():
        answer = requests.get(_public_address(f"pkg:npm/{name}@{version}"), timeout=60)
        answer.raise_for_status()
        (folder / f"{name}.tgz").write_bytes(answer.content)
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder), _UV]
    subprocess.run(argv, check=True, timeout=300, capture_output=True)
