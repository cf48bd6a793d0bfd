"""A small Python index (PEP 503, and PEP 691's JSON) with wheels."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence

from tests.harness.upstream.content import Content
from tests.harness.upstream.packages import VERSION, Package

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html"

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: lantern\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def pip_site(packages: Sequence[Package]) -> dict[str, Content]:
    """The index under `/simple/`, the wheels under `/files/`."""
    site: dict[str, Content] = {}
    for package in packages:
        name, wheel = wheel_name(package), build_wheel(package)
        site[f"/files/{name}"] = Content(body=wheel)
        site[f"/simple/{package.name}/"] = _page(package.name, name, wheel)
    names = [package.name for package in packages]
    links = "".join(f'<a href="{name}/">{name}</a>\n' for name in names)
    listing = {"meta": {"api-version": "1.0"}, "projects": [{"name": name} for name in names]}
    site["/simple/"] = _negotiated(f"<!DOCTYPE html><html><body>\n{links}</body></html>\n", listing)
    return site


def wheel_name(package: Package) -> str:
    """The wheel's file name."""
    return f"{package.module}-{VERSION}-py3-none-any.whl"


def build_wheel(package: Package) -> bytes:
    """A wheel of pure Python: a module that imports what it needs, and a file beside it."""
    imports = "".join(f"import {need.replace('-', '_')}\n" for need in package.needs)
    needs = "".join(f"Requires-Dist: {need}\n" for need in package.needs)
    about = f"{package.module}-{VERSION}.dist-info"
    files = {
        f"{package.module}/__init__.py": f"{imports}VERSION = '{VERSION}'\n".encode(),
        f"{package.module}/payload.bin": package.payload(),
        f"{about}/METADATA": (METADATA.format(name=package.name, version=VERSION) + needs).encode(),
        f"{about}/WHEEL": WHEEL,
    }
    record = "".join(f"{path},sha256={_digest(body)},{len(body)}\n" for path, body in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path, body in files.items():
            entry = zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, body)
    return out.getvalue()


def _page(project: str, name: str, wheel: bytes) -> Content:
    digest = hashlib.sha256(wheel).hexdigest()
    link = f'<a href="../../files/{name}#sha256={digest}">{name}</a>'
    files = [
        {"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": digest}, "size": len(wheel)}
    ]
    listing = {"meta": {"api-version": "1.0"}, "name": project, "versions": [VERSION], "files": files}
    return _negotiated(f"<!DOCTYPE html><html><body>\n{link}\n</body></html>\n", listing)


def _negotiated(page: str, listing: object) -> Content:
    other = Content(body=json.dumps(listing).encode(), media_type=JSON_TYPE)
    return Content(body=page.encode(), media_type=HTML_TYPE, variants={JSON_TYPE: other})


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
