"""A git repository of a kilobyte with a file that its pack says to be as large as one likes."""

import hashlib
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Final

_PIECE: Final = 1 << 20
_COMMIT, _TREE, _BLOB, _BY_BASE = 1, 2, 3, 7


def inflating_repository(folder: Path, *, mebibytes: int) -> Path:
    """Makes the repository: a definition with a file of so many MiB, as copies of one (gitformat-pack(5))."""
    base = b"x" * _PIECE
    large = hashlib.sha1(b"blob %d\0" % (mebibytes * _PIECE))
    for _ in range(mebibytes):
        large.update(base)
    copy_all = bytes([0x80 | 0x40, _PIECE >> 16])
    delta = _varint(_PIECE) + _varint(mebibytes * _PIECE) + copy_all * mebibytes
    inner = b"100644 app.yml\0" + _name(b"blob", b"x") + b"100644 large\0" + large.digest()
    outer = b"40000 wiki\0" + _name(b"tree", inner)
    who = b"Somebody <somebody@example.org> 0 +0000"
    tree = _name(b"tree", outer).hex().encode()
    commit = b"tree %s\nauthor %s\ncommitter %s\n\nAll\n" % (tree, who, who)
    packed = [
        *(_entry(kind, content) for kind, content in ((_COMMIT, commit), (_TREE, outer), (_TREE, inner))),
        _entry(_BLOB, b"x"),
        _entry(_BLOB, base),
        _header(_BY_BASE, len(delta)) + _name(b"blob", base) + zlib.compress(delta),
    ]
    pack = b"PACK" + struct.pack(">II", 2, len(packed)) + b"".join(packed)
    head = _name(b"commit", commit).hex()
    _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", ".")
    place = folder / "objects" / "pack" / "pack-large.pack"
    place.write_bytes(pack + hashlib.sha1(pack).digest())
    _git(folder, "index-pack", str(place))
    _git(folder, "update-ref", "refs/heads/main", head)
    return folder


def _git(folder: Path, *words: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, timeout=120)


def _name(kind: bytes, content: bytes) -> bytes:
    return hashlib.sha1(b"%s %d\0" % (kind, len(content)) + content).digest()


def _entry(kind: int, content: bytes) -> bytes:
    return _header(kind, len(content)) + zlib.compress(content)


def _header(kind: int, size: int) -> bytes:
    first, rest = (kind << 4) | (size & 15), size >> 4
    return bytes([first | 0x80]) + _varint(rest) if rest else bytes([first])


def _varint(number: int) -> bytes:
    written = b""
    while number > 0x7F:
        written += bytes([0x80 | (number & 0x7F)])
        number >>= 7
    return written + bytes([number])
