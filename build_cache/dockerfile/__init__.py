"""What a Dockerfile may not ask for, and how it is made to use the package caches."""

from build_cache.dockerfile.clients import (
    SCRATCH_CONTEXT,
    SCRATCH_FOLDER,
    Client,
    clients_of_target,
    render_configurations,
    strip_mounts,
)
from build_cache.dockerfile.forbidden import Forbidden, find_forbidden
from build_cache.dockerfile.rewrite import Rewritten, rewrite_dockerfile
from homeport.catalog.dockerfile.bases import base_images

__all__ = [
    "SCRATCH_CONTEXT",
    "SCRATCH_FOLDER",
    "Client",
    "Forbidden",
    "Rewritten",
    "base_images",
    "clients_of_target",
    "find_forbidden",
    "render_configurations",
    "rewrite_dockerfile",
    "strip_mounts",
]
