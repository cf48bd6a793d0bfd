"""Finding what a build starts from: the context's folder and the Dockerfile in it."""

from pathlib import Path

from homeport.errors import BuildFailedError
from homeport.host.files import contained


def find_dockerfile(service: str, context: Path, dockerfile: str) -> Path:
    """The Dockerfile's path, resolved.

    Args:
        service: whose image is to be built, for the message.
        context: the folder that the build sees.
        dockerfile: the Dockerfile's path inside it.

    Raises:
        BuildFailedError: there is no such folder or no such file.
        ForeignObjectError: it lies outside the context.
    """
    if not context.is_dir():
        raise _nothing_to_build(service, f"Its build context {context} is no folder.")
    path = contained(Path(dockerfile), context)
    if not path.is_file():
        raise _nothing_to_build(service, f"There is no {dockerfile} in {context}.")
    return path


def _nothing_to_build(service: str, why: str) -> BuildFailedError:
    return BuildFailedError(
        f"The image of service {service!r} could not be built: its Dockerfile is missing.",
        why=why,
        remedy="Correct `context` and `dockerfile` under `images` in the definition's app.yml.",
        service=service,
        instruction="",
        line=None,
        exit_code=None,
        last_lines=[],
    )
