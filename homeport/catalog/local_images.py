"""Which references name an image of this box, and not of a registry. Pure."""

import re
from typing import Final

_DOCKERS_OWN: Final = ("", "docker.io/", "index.docker.io/")
"""What Docker takes off a reference before it looks for the image on the box."""
_OURS: Final = tuple(f"{registry}homeport/" for registry in _DOCKERS_OWN)
_IMAGE_ID: Final = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")


def names_local_image(reference: str) -> bool:
    """Whether an image of this box is meant: one that was built here, or any by its number."""
    return reference.lower().startswith(_OURS) or _IMAGE_ID.fullmatch(reference) is not None


def may_name_local_image(reference: str) -> bool:
    """Likewise; of what a `$` begins nobody knows what it will be."""
    known, unknown, _ = reference.lower().partition("$")
    return names_local_image(reference) or (bool(unknown) and any(one.startswith(known) for one in _OURS))


def context_name(reference: str) -> str:
    """The name that BuildKit looks for among the further contexts before it takes an image."""
    for registry in _DOCKERS_OWN[1:]:
        reference = reference.removeprefix(registry)
    return reference.removeprefix("library/").removesuffix(":latest")
