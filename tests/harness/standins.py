"""Small images that stand in for apps' images, in the registry under the names that definitions use."""

import io
import os
import tarfile
from typing import Literal

from tests.harness.engine import EngineBox
from tests.harness.programs import REPOSITORY

CONTEXT = REPOSITORY / "tests" / "data" / "standins"

Mode = Literal["web", "echo", "unhealthy", "exits", "crashes", "ends", "waits"]


def publish_standin(
    engine: EngineBox,
    reference: str,
    *,
    mode: Mode = "web",
    port: int = 80,
    says: str = "stand-in",
    payload_bytes: int = 1024,
) -> str:
    """Builds a stand-in and puts it into the registry as `name:tag`; its digest. The engine keeps nothing.

    Args:
        engine: builds it, and has the registry.
        reference: `name:tag`; what the registry had under it is replaced.
        mode: what the container does (tests/data/standins/standin.pl).
        port: where it listens.
        says: its answer, and the beginning of its log lines.
        payload_bytes: random bytes, which no compression makes smaller, that a pull has to fetch.
    """
    image_id = build_standin(engine, mode=mode, port=port, says=says, payload_bytes=payload_bytes)
    try:
        digest = engine.registry.push(engine.client, image_id, reference)
    finally:
        engine.remove_image(image_id)
    engine.remove_image(reference)  # what an earlier test has pulled would be taken for this one
    return digest


def build_standin(
    engine: EngineBox,
    *,
    mode: Mode = "web",
    port: int = 80,
    says: str = "stand-in",
    payload_bytes: int = 1024,
) -> str:
    """Builds a stand-in in the engine without a name; its image id."""
    image, _ = engine.client.images.build(
        fileobj=io.BytesIO(_context(payload_bytes)),
        custom_context=True,
        rm=True,
        buildargs={"PORT": str(port), "MODE": mode, "SAYS": says},
    )
    return str(image.id)


def _context(payload_bytes: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in ("Dockerfile", "standin.pl"):
            tar.add(CONTEXT / name, arcname=name)
        payload = tarfile.TarInfo("payload")
        payload.size = payload_bytes
        tar.addfile(payload, io.BytesIO(os.urandom(payload_bytes)))
    return stream.getvalue()
