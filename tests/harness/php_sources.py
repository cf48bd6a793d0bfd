"""Stand-ins for the sources of osTicket and Coppermine: small archives of the same shape, which need no line.

They have what the definitions expect of the real ones: the folders, the installer's classes and functions, a
sample of the configuration, SQL. Their pages say what is in the database. Nothing of the real programs is in
them.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.harness.programs import REPOSITORY

SOURCES = REPOSITORY / "tests" / "data" / "php_sources"


def write_source(app: str, target: Path) -> str:
    """Writes the stand-in for an app's source as a zip file; its SHA-256."""
    files = {path.relative_to(SOURCES / app).as_posix(): path for path in (SOURCES / app).rglob("*")}
    content = _zipped({name: path.read_bytes() for name, path in files.items() if path.is_file()})
    target.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip file that is the same for the same files, whenever it is made."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()
