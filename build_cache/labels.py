"""The labels of the images that are built here.

None holds a time or an address: the same source gives the same image. Labels stand in an image's
configuration alone, so no layer depends on them.
"""

from collections.abc import Mapping
from typing import Final

from homeport import __version__
from homeport.catalog.dockerfile.bases import global_arguments, stage_of
from homeport.catalog.dockerfile.parse import parse_dockerfile

BUILT_LABEL: Final = "homeport.built"
"""On every image that was built here: it is ours whatever becomes of the ledger."""

BUILDER_LABEL: Final = "homeport.builder"
"""The version of Homeport that built the image."""

_OCI: Final = "org.opencontainers.image."  # the OCI image specification's pre-defined annotations


def image_labels(
    dockerfile: bytes, given: Mapping[str, str], *, title: str, version: str, base: str
) -> dict[str, str]:
    """All labels of an image: what is given, what says that it is ours, and OCI's.

    Args:
        dockerfile: its source; an OCI label that it names is left to it.
        given: the labels that the caller wants; they win.
        title: what the image is, for people; "" gives no label, as with the others.
        version: the version of what is in it.
        base: the image that it builds upon.
    """
    oci = {"title": title, "version": version, "base.name": base}
    found = {
        f"{_OCI}{name}": value
        for name, value in oci.items()
        if value and f"{_OCI}{name}".encode() not in dockerfile
    }
    return found | {BUILT_LABEL: "true", BUILDER_LABEL: __version__} | dict(given)


def final_base(dockerfile: bytes, args: Mapping[str, str], target: str) -> str:
    """The image that the target, or the last stage, comes from; "" where it starts from nothing."""
    parsed = parse_dockerfile(dockerfile)
    values = global_arguments(parsed, args)
    bases: dict[str, str] = {}
    base = ""
    for instruction in parsed.instructions:
        if instruction.keyword == "FROM":
            image, name = stage_of(instruction, values, escape=parsed.escape)
            base = bases.get(image.lower(), image)
            bases[name] = base
    base = bases.get(target.lower(), base) if target else base
    return "" if base == "scratch" else base
