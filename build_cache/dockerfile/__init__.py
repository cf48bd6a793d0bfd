"""How a Dockerfile is made to use the package caches: parsing, what configures itself, the rewritten copy."""

from build_cache.dockerfile.bases import base_images
from build_cache.dockerfile.clients import (
    SCRATCH_CONTEXT,
    SCRATCH_FOLDER,
    Client,
    clients_of_target,
    render_configurations,
    strip_mounts,
)
from build_cache.dockerfile.rewrite import Rewritten, rewrite_dockerfile

__all__ = [
    "SCRATCH_CONTEXT",
    "SCRATCH_FOLDER",
    "Client",
    "Rewritten",
    "base_images",
    "clients_of_target",
    "render_configurations",
    "rewrite_dockerfile",
    "strip_mounts",
]
