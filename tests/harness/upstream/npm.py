"""A small npm registry: packuments, full and abbreviated, and tarballs."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.harness.upstream.content import Content, gzipped, tar_of
from tests.harness.upstream.packages import VERSION, Package, by_name, closure

ABBREVIATED = "application/vnd.npm.install-v1+json"
MADE = "2024-01-01T00:00:00.000Z"


def npm_site(packages: Sequence[Package], base_url: str) -> dict[str, Content]:
    """The registry; `base_url` stands in its tarballs' addresses."""
    site: dict[str, Content] = {}
    for package in packages:
        manifest = _manifest(package, packages)
        tarball = build_tarball(package, manifest)
        path = f"/{package.npm_name}/-/{package.name}-{VERSION}.tgz"
        site[path] = Content(body=tarball)
        site[f"/{package.npm_name}"] = _packument(package, manifest, _dist(tarball, base_url + path))
    site["/-/ping"] = Content(body=b"{}", media_type="application/json")
    return site


def build_tarball(package: Package, manifest: Mapping[str, Any]) -> bytes:
    """What `npm pack` would make."""
    requires = "".join(f"require({json.dumps(need)})\n" for need in manifest.get("dependencies", {}))
    files = {
        "package/package.json": (json.dumps(manifest).encode(), 0o644),
        "package/index.js": (f"{requires}exports.version = '{VERSION}'\n".encode(), 0o644),
        "package/cli.js": (f"#!/usr/bin/env node\nconsole.log('{package.name}')\n".encode(), 0o755),
        "package/payload.bin": (package.payload(), 0o644),
    }
    return gzipped(tar_of(files))


def lock_of(packages: Sequence[Package], app: str, base_url: str) -> dict[str, Any]:
    """A `package-lock.json` for a project that needs `app`, as `npm install` there would write it."""
    site = npm_site(packages, base_url)
    wanted = closure(packages, app)
    entries: dict[str, Any] = {"": {"name": "project", "version": "1.0.0", "dependencies": {app: VERSION}}}
    for package in wanted:
        newest = json.loads(site[f"/{package.npm_name}"].body)["versions"][VERSION]
        entry = {
            "version": VERSION,
            "resolved": newest["dist"]["tarball"],
            "integrity": newest["dist"]["integrity"],
        }
        entry |= {key: newest[key] for key in ("dependencies", "bin") if key in newest}
        entries[f"node_modules/{package.npm_name}"] = entry
    return {
        "name": "project",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": entries,
    }


def _manifest(package: Package, packages: Sequence[Package]) -> dict[str, Any]:
    needs = {need.npm_name: f"^{VERSION}" for need in by_name(packages, package.needs)}
    manifest: dict[str, Any] = {"name": package.npm_name, "version": VERSION, "main": "index.js"}
    manifest |= {"license": "MIT", "bin": {package.name: "cli.js"}}
    return manifest | ({"dependencies": needs} if needs else {})


def _dist(tarball: bytes, address: str) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    shasum = hashlib.sha1(tarball, usedforsecurity=False).hexdigest()
    return {"tarball": address, "integrity": f"sha512-{digest}", "shasum": shasum}


def _packument(package: Package, manifest: dict[str, Any], dist: dict[str, str]) -> Content:
    tags = {"dist-tags": {"latest": VERSION}}
    short = {
        "name": package.npm_name,
        **tags,
        "modified": MADE,
        "versions": {VERSION: {**manifest, "dist": dist}},
    }
    full = {
        "_id": package.npm_name,
        **short,
        "time": {"created": MADE, "modified": MADE, VERSION: MADE},
        "readme": "A package of a test.\n" * 50,
    }
    abbreviated = Content(body=json.dumps(short).encode(), media_type=ABBREVIATED)
    return Content(
        body=json.dumps(full).encode(), media_type="application/json", variants={ABBREVIATED: abbreviated}
    )
