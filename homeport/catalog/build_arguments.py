"""Which build arguments a packager may set. Pure."""

from typing import Final

_BUILDKITS_OWN: Final = "BUILDKIT_"
# They change what a RUN sees or BuildKit warns of; the name space of cache mounts is always ours.
_HARMLESS: Final = frozenset(
    {
        "BUILDKIT_CACHE_MOUNT_NS",
        "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
        "BUILDKIT_DOCKERFILE_CHECK",
        "BUILDKIT_INLINE_CACHE",
        "BUILDKIT_SANDBOX_HOSTNAME",
    }
)


def steers_buildkit(argument: str) -> bool:
    """Whether a build argument of this name changes how BuildKit works, and not only what is built.

    `BUILDKIT_SYNTAX` names a frontend and `BUILDKIT_ATTEST_SBOM` an image that looks through the result; both
    would run outside the build's limits. What a later BuildKit may know is taken for such an argument, too.
    """
    name = argument.partition("=")[0].strip().upper()  # `A=b` given the value c reaches buildx as `A=b=c`
    return name.startswith(_BUILDKITS_OWN) and name not in _HARMLESS
